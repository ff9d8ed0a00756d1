/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdio.h>

struct clock {
    int64_t every;
    int64_t count;
    int64_t done;
};

static const struct flow_param params[] = {
    FLOW_PARAM_DURATION(struct clock, every, "1s", 1e6, 86400e9, "time between two ticks"),
    FLOW_PARAM_I64(struct clock, count, "0", 0, 1000000000, "how many ticks; 0: no end"),
    FLOW_PARAM_END,
};

static enum flow_status produce(void *self, struct flow_stage *stage)
{
    struct clock *c = self;
    if (c->count > 0 && c->done == c->count)
        return FLOW_ECLOSED;
    const enum flow_status rc = flow_wait(stage, -1, 0, c->every);
    if (rc != FLOW_EAGAIN)
        return rc;
    char text[32];
    const int size = snprintf(text, sizeof(text), "tick %lld", (long long)++c->done);
    return flow_emit(stage, text, (size_t)size);
}

static const struct flow_stage_type clock_type = {
    .name = "gen.clock",
    .help = "emits a record at equal times",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .params = params,
    .state_size = sizeof(struct clock),
    .produce = produce,
};

FLOW_PLUGIN(&clock_type);
