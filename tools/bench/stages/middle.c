/* SPDX-License-Identifier: MIT */

/* The workers: copy, edit, pass on, work.  Each takes batches, or, as `_each`, single records. */

#include "common/work.h"
#include "stages/stages.h"

static enum flow_status copy_record(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    (void)self;
    return flow_emit(stage, record->data, record->size);
}

/* In place: nothing is copied while this is the only reader. */
static enum flow_status edit_record(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    (void)self;
    void *bytes = flow_edit(stage, record);
    if (bytes == NULL)
        return FLOW_EABORT;
    bench_record_edit(bytes);
    return flow_forward(stage, 0, record);
}

static enum flow_status pass_record(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    (void)self;
    return flow_forward(stage, 0, record);
}

static enum flow_status spin_record(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    (void)self;
    if (record->size != BENCH_JOB_SIZE)
        return flow_reject(stage, "no job: %zu bytes instead of %d", record->size, BENCH_JOB_SIZE);
    uint8_t job[BENCH_JOB_SIZE];
    memcpy(job, record->data, sizeof(job));
    bench_job_do(job);
    return flow_emit(stage, job, sizeof(job));
}

static enum flow_status copy_batch(void *self, struct flow_stage *stage,
                                   const struct flow_batch *batch)
{
    (void)self;
    enum flow_status rc = FLOW_OK;
    struct flow_writer writer = flow_writer_begin(stage, 0);
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = flow_writer_emit(&writer, c.record.data, c.record.size);
    flow_writer_end(&writer);
    return rc;
}

static enum flow_status edit_batch(void *self, struct flow_stage *stage,
                                   const struct flow_batch *batch)
{
    (void)self;
    uint8_t *bytes = flow_edit_batch(stage, batch);
    if (bytes == NULL)
        return FLOW_EABORT;
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);)
        bench_record_edit(bytes + flow_offset(batch, &c.record));
    return flow_forward_batch(stage, 0, batch);
}

static enum flow_status pass_batch(void *self, struct flow_stage *stage,
                                   const struct flow_batch *batch)
{
    (void)self;
    return flow_forward_batch(stage, 0, batch);
}

#define WORKER(variable, type_name, what, its_traits, ...)                                         \
    const struct flow_stage_type variable = {.name = (type_name),                                  \
                                             .help = (what),                                       \
                                             .role = FLOW_WORKER,                                  \
                                             .traits = (its_traits),                               \
                                             __VA_ARGS__}

WORKER(bench_copy, "bench.copy", "emits a copy of every record", FLOW_LIGHT,
       .process_batch = copy_batch);
WORKER(bench_copy_each, "bench.copy_each", "the same, called for every record", FLOW_LIGHT,
       .process = copy_record);
WORKER(bench_edit, "bench.edit", "changes the second word of every record in place", FLOW_LIGHT,
       .process_batch = edit_batch);
WORKER(bench_edit_each, "bench.edit_each", "the same, called for every record", FLOW_LIGHT,
       .process = edit_record);
WORKER(bench_pass, "bench.pass", "passes batches on", FLOW_LIGHT, .process_batch = pass_batch);
WORKER(bench_pass_each, "bench.pass_each", "passes records on", FLOW_LIGHT, .process = pass_record);
WORKER(bench_spin, "bench.spin", "does the work of a job", 0, .process = spin_record);
