/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <ctype.h>

static enum flow_status process_batch(void *self, struct flow_stage *stage,
                                      const struct flow_batch *batch)
{
    (void)self;
    unsigned char *bytes = flow_edit_batch(stage, batch);
    if (bytes == NULL)
        return FLOW_EABORT;
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);) {
        unsigned char *at = bytes + flow_offset(batch, &c.record);
        for (size_t i = 0; i < c.record.size; i++)
            at[i] = (unsigned char)toupper(at[i]);
    }
    return flow_forward_batch(stage, 0, batch);
}

static const struct flow_stage_type upper = {
    .name = "text.upper",
    .help = "turns small letters into capitals",
    .role = FLOW_WORKER,
    .process_batch = process_batch,
};

FLOW_PLUGIN(&upper);
