/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

/* A stage that says, for its first record, on which CPUs the kernel lets each of its replicas run:
 * "NAME REPLICA: 0 1". */

struct where {
    bool said;
};

static enum flow_status say(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    struct where *where = self;
    cpu_set_t set;
    (void)record;
    if (where->said)
        return FLOW_OK;
    where->said = true;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return flow_stage_fail(stage, FLOW_EIO, "no affinity");

    char text[4096];
    const struct flow_info *info = flow_stage_info(stage);
    int size = snprintf(text, sizeof(text), "%s %u:", info->name, info->replica);
    for (unsigned i = 0; i < CPU_SETSIZE && size < (int)sizeof(text) - 8; i++)
        if (CPU_ISSET(i, &set))
            size += snprintf(text + size, sizeof(text) - (size_t)size, " %u", i);
    return flow_emit(stage, text, (size_t)size);
}

static const struct flow_stage_type where = {
    .name = "test.where",
    .help = "say where it runs",
    .role = FLOW_WORKER,
    .state_size = sizeof(struct where),
    .process = say,
};

FLOW_PLUGIN(&where);
