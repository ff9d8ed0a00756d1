/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

/* The least that a worker can do which does not pass its records on untouched. */

static enum flow_status copy(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    return flow_emit(stage, record->data, record->size);
}

static const struct flow_stage_type bench_copy = {
    .name = "bench.copy",
    .help = "emit a copy of every record",
    .role = FLOW_WORKER,
    .process = copy,
};

FLOW_PLUGIN(&bench_copy);
