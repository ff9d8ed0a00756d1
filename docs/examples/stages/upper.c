/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <ctype.h>

static enum flow_status emit_upper(struct flow_stage *stage, const struct flow_record *record)
{
    const unsigned char *from = record->data;
    unsigned char *to = flow_reserve(stage, 0, record->size);
    if (to == NULL)
        return FLOW_EABORT;
    for (size_t i = 0; i < record->size; i++)
        to[i] = (unsigned char)toupper(from[i]);
    const struct flow_target target = {.key = record->key, .key_size = record->key_size};
    return flow_commit(stage, &target, record->size);
}

static enum flow_status process_batch(void *self, struct flow_stage *stage,
                                      const struct flow_batch *batch)
{
    (void)self;
    enum flow_status rc = FLOW_OK;
    for (uint32_t i = 0; rc == FLOW_OK && i < batch->count; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        rc = emit_upper(stage, &record);
    }
    return rc;
}

static const struct flow_stage_type upper = {
    .name = "text.upper",
    .help = "turns small letters into capitals",
    .role = FLOW_WORKER,
    .process_batch = process_batch,
};

FLOW_PLUGIN(&upper);
