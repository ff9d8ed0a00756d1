/* SPDX-License-Identifier: MIT */
#include "engine/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/tick.h"

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

static enum flow_status happen(struct flow_replica *replica, const struct flow_graph_fault *fault)
{
    switch (fault->kind) {
    case FLOW_FAULT_DELAY:
        return flow_tick_wait(replica, fault->delay_ns);
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
