/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdio.h>

struct counter {
    uint64_t count;
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to count"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "text", "at the end, one record: how many there were"},
    {NULL, NULL, NULL},
};

static enum flow_status counter_process_batch(void *self, struct flow_stage *stage,
                                              const struct flow_batch *batch)
{
    struct counter *c = self;
    (void)stage;
    c->count += batch->count;
    return FLOW_OK;
}

static enum flow_status counter_finish(void *self, struct flow_stage *stage)
{
    const struct counter *c = self;
    char text[24];
    const int size = snprintf(text, sizeof(text), "%" PRIu64, c->count);
    return flow_emit(stage, text, (size_t)size);
}

static enum flow_status counter_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct counter *c = self;
    (void)stage;
    return flow_save_number(to, c->count);
}

static enum flow_status counter_restore(void *self, struct flow_stage *stage,
                                        struct flow_loader *from)
{
    struct counter *c = self;
    (void)stage;
    return flow_load_number(from, &c->count);
}

static const struct flow_stage_type counter = {
    .name = "count.records",
    .help = "counts records, emits the number at the end",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL | FLOW_LIGHT,
    .inputs = inputs,
    .outputs = outputs,
    .state_size = sizeof(struct counter),
    .process_batch = counter_process_batch,
    .finish = counter_finish,
    .save = counter_save,
    .restore = counter_restore,
};

FLOW_PLUGIN(&counter);
