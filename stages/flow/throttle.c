/* SPDX-License-Identifier: MIT */

/*
 * A bucket of tokens: `rate` come in a second, as many as `burst` are kept, each record takes one.
 * Where there is none the stage waits, and with it whoever writes to it once the links are full.
 */

#include <flowrun/stage.h>

#include "shared/pace.h"

#define SMOOTH 50 /* without `burst`, the tokens of this part of a second are kept */

struct throttle {
    double rate;
    int64_t burst;

    double own_rate; /* of this replica, per nanosecond */
    double most;
    double tokens;
    int64_t filled; /* when they were counted; 0: not yet */
};

static const struct flow_param params[] = {
    FLOW_PARAM_F64(struct throttle, rate, FLOW_REQUIRED, 1e-4, 1e9,
                   "how many records go on, of all workers together [1/s]"),
    FLOW_PARAM_I64(struct throttle, burst, "0", 0, 1000000000,
                   "how many may go on at once after a pause [records]; 0: those of 20 ms"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "anything"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "the same records, unchanged"},
    {NULL, NULL, NULL},
};

static enum flow_status throttle_open(void *self, struct flow_stage *stage)
{
    struct throttle *t = self;
    const double replicas = flow_stage_info(stage)->replicas;
    t->own_rate = t->rate / replicas * 1e-9;
    t->most = (t->burst > 0 ? (double)t->burst : t->rate / SMOOTH) / replicas;
    t->most = t->most < 1 ? 1 : t->most;
    t->tokens = t->most;
    return FLOW_OK;
}

static void fill(struct throttle *t)
{
    const int64_t now = flow_pace_now();
    if (t->filled != 0)
        t->tokens += (double)(now - t->filled) * t->own_rate;
    t->tokens = t->tokens < t->most ? t->tokens : t->most;
    t->filled = now;
}

/* Wait until there is a token. */
static enum flow_status await(struct throttle *t, struct flow_stage *stage)
{
    fill(t);
    while (t->tokens < 1) {
        const enum flow_status rc =
            flow_wait(stage, -1, 0, (int64_t)((1 - t->tokens) / t->own_rate) + 1);
        if (rc == FLOW_EABORT)
            return rc;
        fill(t);
    }
    return FLOW_OK;
}

static enum flow_status throttle_process(void *self, struct flow_stage *stage,
                                         const struct flow_record *record)
{
    struct throttle *t = self;
    const enum flow_status rc = t->tokens < 1 || t->filled == 0 ? await(t, stage) : FLOW_OK;
    if (rc != FLOW_OK)
        return rc;
    t->tokens -= 1;
    return flow_forward(stage, 0, record);
}

static const struct flow_stage_type throttle = {
    .name = "throttle",
    .help = "lets at most so many records through in a second",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct throttle),
    .open = throttle_open,
    .process = throttle_process,
};

FLOW_PLUGIN(&throttle);
