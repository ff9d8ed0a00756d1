/* SPDX-License-Identifier: MIT */
/* A plugin without fault: one type, one parameter. */
#include <flowrun/stage.h>

struct state {
    int64_t times;
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct state, times, "1", 1, 100, "how often each record is repeated [times]"),
    FLOW_PARAM_END,
};

static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    const struct state *state = self;
    for (int64_t i = 0; i < state->times; i++)
        if (flow_forward(stage, 0, record) != FLOW_OK)
            return FLOW_EABORT;
    return FLOW_OK;
}

static const struct flow_stage_type good_repeat = {
    .name = "good.repeat",
    .help = "repeat each record",
    .role = FLOW_WORKER,
    .params = params,
    .state_size = sizeof(struct state),
    .process = process,
};

FLOW_PLUGIN(&good_repeat);
