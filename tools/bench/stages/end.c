/* SPDX-License-Identifier: MIT */

/* The consumers: each counts and adds up what arrives and prints the proof at the end. */

#include "common/delay.h"
#include "stages/stages.h"

static const struct flow_port inputs[] = {
    {"in", "bytes", "records of a producer of this plugin"},
    {NULL, NULL, NULL},
};

static enum flow_status sum_record(void *self, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    (void)stage;
    bench_tally_add(self, record->data, record->size);
    return FLOW_OK;
}

static enum flow_status sum_batch(void *self, struct flow_stage *stage,
                                  const struct flow_batch *batch)
{
    (void)stage;
    struct bench_tally tally = *(const struct bench_tally *)self;
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);)
        bench_tally_add(&tally, c.record.data, c.record.size);
    *(struct bench_tally *)self = tally;
    return FLOW_OK;
}

static enum flow_status head_batch(void *self, struct flow_stage *stage,
                                   const struct flow_batch *batch)
{
    (void)stage;
    struct bench_tally tally = *(const struct bench_tally *)self;
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);)
        bench_tally_add_head(&tally, c.record.data, c.record.size);
    *(struct bench_tally *)self = tally;
    return FLOW_OK;
}

static enum flow_status text_batch(void *self, struct flow_stage *stage,
                                   const struct flow_batch *batch)
{
    (void)stage;
    struct bench_tally tally = *(const struct bench_tally *)self;
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);)
        bench_tally_add_text(&tally, c.record.data, c.record.size);
    *(struct bench_tally *)self = tally;
    return FLOW_OK;
}

static enum flow_status sum_finish(void *self, struct flow_stage *stage)
{
    (void)stage;
    bench_tally_print(self);
    return FLOW_OK;
}

static enum flow_status latency_record(void *self, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    if (!bench_delays_add(self, record->data, record->size))
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for the delays");
    return FLOW_OK;
}

static enum flow_status latency_finish(void *self, struct flow_stage *stage)
{
    (void)stage;
    bench_delays_print(self);
    return FLOW_OK;
}

static void latency_close(void *self, struct flow_stage *stage)
{
    (void)stage;
    bench_delays_clear(self);
}

#define TALLY(variable, type_name, what, ...)                                                      \
    const struct flow_stage_type variable = {.name = (type_name),                                  \
                                             .help = (what),                                       \
                                             .role = FLOW_CONSUMER,                                \
                                             .traits = FLOW_STATEFUL | FLOW_SINGLE | FLOW_LIGHT,   \
                                             .inputs = inputs,                                     \
                                             .state_size = sizeof(struct bench_tally),             \
                                             .finish = sum_finish,                                 \
                                             __VA_ARGS__}

TALLY(bench_sum_type, "bench.sum", "counts records and adds up every byte",
      .process_batch = sum_batch);
TALLY(bench_sum_each, "bench.sum_each", "the same, called for every record", .process = sum_record);
TALLY(bench_head, "bench.head", "counts records and adds up only their numbers",
      .process_batch = head_batch);
TALLY(bench_text, "bench.text", "counts records of text and adds up every byte",
      .process_batch = text_batch);

const struct flow_stage_type bench_latency = {
    .name = "bench.latency",
    .help = "takes stamped records and prints quantiles of their delays",
    .role = FLOW_CONSUMER,
    .traits = FLOW_STATEFUL | FLOW_SINGLE | FLOW_LIGHT,
    .inputs = inputs,
    .state_size = sizeof(struct bench_delays),
    .process = latency_record,
    .finish = latency_finish,
    .close = latency_close,
};
