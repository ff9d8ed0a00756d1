/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

/* Emit each part of a record, as they stand between commas. */
static enum flow_status split(struct flow_writer *writer, const struct flow_record *record)
{
    const char *at = record->data;
    const char *end = at + record->size;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        rc = flow_writer_emit(writer, at, (size_t)(stop - at));
        at = stop + 1;
    }
    return rc;
}

static enum flow_status process_batch(void *self, struct flow_stage *stage,
                                      const struct flow_batch *batch)
{
    (void)self;
    struct flow_writer writer = flow_writer_begin(stage, 0);
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = split(&writer, &c.record);
    flow_writer_end(&writer);
    return rc;
}

static const struct flow_stage_type fields = {
    .name = "text.fields",
    .help = "splits records at commas",
    .role = FLOW_WORKER,
    .process_batch = process_batch,
};

FLOW_PLUGIN(&fields);
