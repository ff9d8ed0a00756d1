/* SPDX-License-Identifier: MIT */
#include "engine/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/task.h"

/* Is it to happen once more?  Then that has been noted. */
static bool claim(const struct flow_graph_fault *fault)
{
    bool claimed = false;
    for (uint64_t i = 0; !claimed && i < fault->times; i++) {
        struct flow_str path = {0};
        flow_str_addf(&path, "%s-%" PRIu64, fault->mark, i);
        const int fd =
            path.failed ? -1 : open(path.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        claimed = fd >= 0;
        if (claimed)
            (void)close(fd);
        flow_str_clear(&path);
    }
    return claimed;
}

static enum flow_status wait_for(struct flow_replica *replica, int64_t delay_ns)
{
    const int64_t until = flow_now_ns() + delay_ns;
    for (int64_t left = delay_ns; left > 0; left = until - flow_now_ns()) {
        bool arrived;
        enum flow_status rc = flow_task_pump(replica->task, &arrived);
        if (rc == FLOW_OK && !arrived)
            rc = flow_task_sleep(replica, FLOW_STATE_WAIT_SELF, NULL, 0, left);
        if (rc != FLOW_OK && rc != FLOW_EAGAIN)
            return rc;
    }
    return FLOW_OK;
}

static enum flow_status happen(struct flow_replica *replica, const struct flow_graph_fault *fault)
{
    switch (fault->kind) {
    case FLOW_FAULT_DELAY:
        return wait_for(replica, fault->delay_ns);
    case FLOW_FAULT_KILL:
        abort(); /* as a stage that is broken dies: the record is to blame */
    case FLOW_FAULT_FAIL:
        break;
    }
    (void)snprintf(replica->reason, sizeof(replica->reason), "%s",
                   fault->reason != NULL ? fault->reason : "the test has it fail");
    replica->has_reason = true;
    return FLOW_EBAD;
}

enum flow_status flow_fault_meet(struct flow_replica *replica, const struct flow_record *record)
{
    enum flow_status rc = FLOW_OK;
    for (const struct flow_graph_fault *const *at = replica->faults;
         rc == FLOW_OK && at != NULL && *at != NULL; at++) {
        if ((*at)->record == record->number && claim(*at))
            rc = happen(replica, *at);
    }
    return rc;
}
