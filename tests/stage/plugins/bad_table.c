/* SPDX-License-Identifier: MIT */
/* A plugin whose parameter table is wrong, unless told otherwise: the default is out of range. */
#include <flowrun/stage.h>

#ifndef DEFAULT
#define DEFAULT "0"
#endif

struct state {
    int64_t n;
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct state, n, DEFAULT, 1, 10, "how many [records]"),
    FLOW_PARAM_END,
};

static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    (void)self;
    return flow_forward(stage, 0, record);
}

static const struct flow_stage_type type = {
    .name = "bad.table",
    .help = "never known",
    .role = FLOW_WORKER,
    .params = params,
    .state_size = sizeof(struct state),
    .process = process,
};

FLOW_PLUGIN(&type);
