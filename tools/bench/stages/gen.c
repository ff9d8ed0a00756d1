/* SPDX-License-Identifier: MIT */

/* The producers: records of the pattern, keyed records, jobs, and records at a steady rate. */

#include <stdlib.h>

#include "common/key.h"
#include "common/pace.h"
#include "common/work.h"
#include "stages/stages.h"

#define BURST_BYTES 262144 /* what a call of produce emits, about ... */
#define BURST 4096         /* ... and records at the most */
#define LARGEST ((int64_t)1 << 53)

struct gen {
    int64_t count;
    uint64_t size;
    int read;
    int64_t rate, keys, steps, long_steps, every;
    uint64_t next, burst;
    int64_t start_ns;
    uint8_t *pattern;
};

static const struct flow_param gen_params[] = {
    FLOW_PARAM_I64(struct gen, count, FLOW_REQUIRED, 0, LARGEST, "how many [records]"),
    FLOW_PARAM_SIZE(struct gen, size, "100B", BENCH_RECORD_MIN, 64 << 20, "of a record [bytes]"),
    FLOW_PARAM_ENUM(struct gen, read, "all", "all|head",
                    "head: only the number is written, the rest is what lay there"),
    FLOW_PARAM_END,
};

static const struct flow_param keys_params[] = {
    FLOW_PARAM_I64(struct gen, count, FLOW_REQUIRED, 0, LARGEST, "how many [records]"),
    FLOW_PARAM_I64(struct gen, keys, "1000000", 1, 100000000, "how many keys differ"),
    FLOW_PARAM_END,
};

static const struct flow_param jobs_params[] = {
    FLOW_PARAM_I64(struct gen, count, FLOW_REQUIRED, 0, LARGEST, "how many [records]"),
    FLOW_PARAM_I64(struct gen, steps, "1000", 0, LARGEST, "of work in a job"),
    FLOW_PARAM_I64(struct gen, long_steps, "0", 0, LARGEST, "of work in a long job"),
    FLOW_PARAM_I64(struct gen, every, "0", 0, LARGEST, "one job in so many is long; 0: none"),
    FLOW_PARAM_END,
};

static const struct flow_param ticks_params[] = {
    FLOW_PARAM_I64(struct gen, count, FLOW_REQUIRED, 0, LARGEST, "how many [records]"),
    FLOW_PARAM_SIZE(struct gen, size, "100B", 24, 64 << 20, "of a record [bytes]"),
    FLOW_PARAM_I64(struct gen, rate, "1000", 1, 10000000, "how often [records/s]"),
    FLOW_PARAM_END,
};

static enum flow_status gen_open(void *self, struct flow_stage *stage)
{
    struct gen *g = self;
    if (g->size < BENCH_RECORD_MIN)
        g->size = BENCH_RECORD_MIN; /* types without the parameter */
    g->burst = BURST_BYTES / g->size + 1;
    if (g->burst > BURST)
        g->burst = BURST;
    g->pattern = malloc(g->size);
    if (g->pattern == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a record");
    bench_pattern_fill(g->pattern, g->size);
    return FLOW_OK;
}

static void gen_close(void *self, struct flow_stage *stage)
{
    struct gen *g = self;
    (void)stage;
    free(g->pattern);
}

/* The number after the last of this burst; the same as `next` when all are out. */
static uint64_t burst_end(const struct gen *g)
{
    const uint64_t left = (uint64_t)g->count - g->next;
    return g->next + (left < g->burst ? left : g->burst);
}

static enum flow_status gen_produce(void *self, struct flow_stage *stage)
{
    struct gen *g = self;
    const uint64_t end = burst_end(g);
    const size_t size = g->size;
    if (g->next == end)
        return FLOW_ECLOSED;
    struct flow_writer writer = flow_writer_begin(stage, 0);
    enum flow_status rc = FLOW_OK;
    for (uint64_t i = g->next; rc == FLOW_OK && i < end; i++) {
        uint8_t *room = flow_writer_reserve(&writer, size);
        if (room == NULL) {
            rc = FLOW_EABORT;
            break;
        }
        if (g->read == 0)
            bench_record_write(room, g->pattern, size, i);
        else
            bench_set_word(room, 0, i);
        rc = flow_writer_commit(&writer, size);
    }
    flow_writer_end(&writer);
    g->next = end;
    return rc;
}

static enum flow_status keys_produce(void *self, struct flow_stage *stage)
{
    struct gen *g = self;
    char key[BENCH_KEY_SIZE];
    const struct flow_target to = {.key = key, .key_size = sizeof(key)};
    const uint64_t end = burst_end(g);
    enum flow_status rc = g->next == end ? FLOW_ECLOSED : FLOW_OK;
    for (; rc == FLOW_OK && g->next < end; g->next++) {
        bench_key_write(key, g->next, (uint64_t)g->keys);
        uint8_t *room = flow_reserve(stage, 0, g->size);
        if (room == NULL)
            return FLOW_EABORT;
        bench_record_write(room, g->pattern, g->size, g->next);
        rc = flow_commit(stage, &to, g->size);
    }
    return rc;
}

static enum flow_status jobs_produce(void *self, struct flow_stage *stage)
{
    struct gen *g = self;
    const struct bench_jobs jobs = {(uint64_t)g->steps, (uint64_t)g->long_steps,
                                    (uint64_t)g->every};
    const uint64_t end = burst_end(g);
    enum flow_status rc = g->next == end ? FLOW_ECLOSED : FLOW_OK;
    for (; rc == FLOW_OK && g->next < end; g->next++) {
        uint8_t job[BENCH_JOB_SIZE];
        bench_job_write(job, &jobs, g->next);
        rc = flow_emit(stage, job, sizeof(job));
    }
    return rc;
}

/* All that is due, or wait until something is. */
static enum flow_status ticks_produce(void *self, struct flow_stage *stage)
{
    struct gen *g = self;
    const uint64_t end = burst_end(g);
    if (g->next == end)
        return FLOW_ECLOSED;
    if (g->start_ns == 0)
        g->start_ns = bench_now();
    enum flow_status rc = FLOW_OK;
    for (; rc == FLOW_OK && g->next < end; g->next++) {
        const int64_t due = bench_due(g->start_ns, g->next, (uint64_t)g->rate);
        const int64_t early = due - bench_now();
        if (early > 0) {
            rc = flow_wait(stage, -1, 0, early);
            return rc == FLOW_EAGAIN ? FLOW_OK : rc;
        }
        bench_set_word(g->pattern, 0, g->next);
        bench_stamp(g->pattern, due);
        rc = flow_emit(stage, g->pattern, g->size);
    }
    return rc;
}

const struct flow_stage_type bench_gen = {
    .name = "bench.gen",
    .help = "emits numbered records of a fixed pattern",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .params = gen_params,
    .state_size = sizeof(struct gen),
    .open = gen_open,
    .produce = gen_produce,
    .close = gen_close,
};

const struct flow_stage_type bench_keys = {
    .name = "bench.keys",
    .help = "emits numbered records of 16 bytes with keys",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .params = keys_params,
    .state_size = sizeof(struct gen),
    .open = gen_open,
    .produce = keys_produce,
    .close = gen_close,
};

const struct flow_stage_type bench_jobs = {
    .name = "bench.jobs",
    .help = "emits jobs, each with its steps of work",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .params = jobs_params,
    .state_size = sizeof(struct gen),
    .open = gen_open,
    .produce = jobs_produce,
    .close = gen_close,
};

const struct flow_stage_type bench_ticks = {
    .name = "bench.ticks",
    .help = "emits stamped records at a steady rate",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .params = ticks_params,
    .state_size = sizeof(struct gen),
    .open = gen_open,
    .produce = ticks_produce,
    .close = gen_close,
};
