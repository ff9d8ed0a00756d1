/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdio.h>

#include "shared/bytes.h"
#include "shared/pace.h"

enum shape { SHAPE_NUMBER, SHAPE_TIME };

struct timer {
    int64_t every;
    int64_t count;
    bool at_once;
    int emit; /* enum shape */

    uint64_t ticks;  /* that are over, emitted or missed */
    uint64_t base;   /* of them, before this run */
    int64_t started; /* 0: not yet */
};

static const struct flow_param params[] = {
    FLOW_PARAM_DURATION(struct timer, every, "1s", 1e6, 86400e9,
                        "from one tick to the next [time]"),
    FLOW_PARAM_I64(struct timer, count, "0", 0, (int64_t)1 << 53, "how many [ticks]; 0: no end"),
    FLOW_PARAM_BOOL(struct timer, at_once, "false", "the first tick is at the start"),
    FLOW_PARAM_ENUM(struct timer, emit, "number", "number|time",
                    "the tick's number, from 1, or the time, as 2024-02-29T23:59:59.000Z"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "text", "one record a tick"},
    {NULL, NULL, NULL},
};

static enum flow_status emit_time(struct flow_stage *stage)
{
    struct timespec now;
    struct tm parts;
    char text[64];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    const size_t size = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    const int more = snprintf(text + size, sizeof(text) - size, ".%03ldZ", now.tv_nsec / 1000000);
    return flow_emit(stage, text, size + (size_t)more);
}

static enum flow_status emit_number(struct flow_stage *stage, uint64_t number)
{
    char text[2 * FLOW_BYTES_DIGITS]; /* flow_emit copies in steps */
    return flow_emit(stage, text, flow_bytes_put_number(number, text));
}

/* The next tick is due at a multiple of `every`: being late does not add up. */
static enum flow_status timer_produce(void *self, struct flow_stage *stage)
{
    struct timer *t = self;
    if (t->count > 0 && t->ticks >= (uint64_t)t->count)
        return FLOW_ECLOSED;
    const int64_t now = flow_pace_now();
    if (t->started == 0)
        t->started = now - (t->at_once && t->ticks == 0 ? t->every : 0);
    const int64_t due = t->started + (int64_t)(t->ticks - t->base + 1) * t->every;
    if (now < due) {
        const enum flow_status rc = flow_wait(stage, -1, 0, due - now);
        return rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    if (flow_stopping(stage))
        return FLOW_ECLOSED;
    /* Ticks that were missed, because readers had no room, are left out. */
    const uint64_t over = t->base + (uint64_t)((now - t->started) / t->every);
    t->ticks = t->count > 0 && over > (uint64_t)t->count ? (uint64_t)t->count : over;
    return t->emit == SHAPE_TIME ? emit_time(stage) : emit_number(stage, t->ticks);
}

static enum flow_status timer_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct timer *t = self;
    (void)stage;
    return flow_save_number(to, t->ticks);
}

static enum flow_status timer_restore(void *self, struct flow_stage *stage,
                                      struct flow_loader *from)
{
    struct timer *t = self;
    (void)stage;
    const enum flow_status rc = flow_load_number(from, &t->ticks);
    t->base = rc == FLOW_OK ? t->ticks : 0;
    return rc;
}

static const struct flow_stage_type timer = {
    .name = "timer",
    .help = "emits a record at equal times",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct timer),
    .produce = timer_produce,
    .save = timer_save,
    .restore = timer_restore,
};

FLOW_PLUGIN(&timer);
