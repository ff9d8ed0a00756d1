/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

static const struct flow_port inputs[] = {
    {"in", "bytes", "anything"},
    {NULL, NULL, NULL},
};

static enum flow_status null_process_batch(void *self, struct flow_stage *stage,
                                           const struct flow_batch *batch)
{
    (void)self;
    (void)stage;
    (void)batch;
    return FLOW_OK;
}

/* There is nothing to take back. */
static enum flow_status null_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    (void)self;
    (void)stage;
    (void)to;
    return FLOW_OK;
}

static const struct flow_stage_type null = {
    .name = "null",
    .help = "takes records and does nothing with them",
    .role = FLOW_CONSUMER,
    .traits = FLOW_LIGHT,
    .inputs = inputs,
    .process_batch = null_process_batch,
    .save = null_save,
};

FLOW_PLUGIN(&null);
