/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include "shared/bytes.h"
#include "shared/json_field.h"
#include "shared/saved.h"
#include "shared/text.h"

enum as { AS_LINES, AS_JSON, AS_STRINGS };

struct batcher {
    int64_t count;
    uint64_t bytes;
    int as; /* enum as */
    char *separator;
    int64_t age;

    uint64_t gathered; /* records in the text */
    struct flow_text text;
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct batcher, count, "100", 1, 1000000000, "at most so many in one [records]"),
    FLOW_PARAM_SIZE(struct batcher, bytes, "1MiB", 1, FLOW_RECORD_MAX - 4096,
                    "and about so many, at least one record [bytes]"),
    FLOW_PARAM_ENUM(struct batcher, as, "lines", "lines|json|strings",
                    "joined by 'separator'; a JSON array of values, or of strings"),
    FLOW_PARAM_STR(struct batcher, separator, "\n", "with lines: stands between two records"),
    FLOW_PARAM_DURATION(
        struct batcher, age, "0s", 0, 24 * 3600e9,
        "emitted so long after its first record at the latest; 0: no matter [time]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to be joined"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "many of them in one, without keys"},
    {NULL, NULL, NULL},
};

static enum flow_status batcher_open(void *self, struct flow_stage *stage)
{
    const struct batcher *b = self;
    if (b->age == 0 || !flow_stage_info(stage)->numbered)
        return FLOW_OK;
    return flow_stage_fail(stage, FLOW_EINVAL,
                           "'age' emits for no record, but results of several workers are put in "
                           "the order of the input: \"order\": \"none\" or one worker lets it");
}

/* Why the record cannot be a part of the array; NULL: it can. */
static const char *find_fault(const struct batcher *b, const struct flow_record *record)
{
    struct flow_json_value value;
    if (b->as == AS_LINES)
        return NULL;
    if (flow_utf8_check(record->data, record->size) < record->size)
        return "it is not UTF-8";
    return b->as == AS_STRINGS || flow_json_whole(record->data, record->size, &value)
               ? NULL
               : "it is no JSON";
}

static size_t size_of(const struct batcher *b, const struct flow_record *record)
{
    const size_t more = b->as == AS_LINES ? strlen(b->separator) : 1;
    return record->size + more + (b->as == AS_STRINGS ? 2 : 0);
}

static void add(struct batcher *b, const struct flow_record *record)
{
    if (b->as == AS_LINES)
        flow_text_put(&b->text, b->gathered > 0 ? b->separator : "");
    else
        flow_text_add(&b->text, b->gathered > 0 ? "," : "[", 1);
    if (b->as == AS_STRINGS)
        flow_text_quote(&b->text, record->data, record->size);
    else
        flow_text_add(&b->text, record->data, record->size);
    b->gathered++;
}

static enum flow_status emit(struct batcher *b, struct flow_stage *stage)
{
    if (b->gathered == 0)
        return FLOW_OK;
    if (b->as != AS_LINES)
        flow_text_add(&b->text, "]", 1);
    if (b->text.failed)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a batch of %zu bytes",
                               b->text.size);
    const enum flow_status rc =
        flow_emit(stage, b->text.at != NULL ? b->text.at : "", b->text.size);
    b->gathered = 0;
    b->text.size = 0;
    return rc;
}

static enum flow_status take(struct batcher *b, struct flow_stage *stage, uint32_t index,
                             const struct flow_record *record)
{
    const char *fault = find_fault(b, record);
    enum flow_status rc = FLOW_OK;
    if (fault != NULL)
        return flow_batch_reject(stage, index, "%s: %s", fault,
                                 flow_bytes_quote(record->data, record->size).text);
    if (size_of(b, record) > FLOW_RECORD_MAX / 6 && b->as == AS_STRINGS)
        return flow_batch_reject(stage, index, "%zu bytes are too long for a string of an array",
                                 record->size);
    if (b->gathered > 0 && b->text.size + size_of(b, record) > b->bytes)
        rc = emit(b, stage);
    if (rc != FLOW_OK)
        return rc;
    add(b, record);
    if (b->gathered >= (uint64_t)b->count)
        return emit(b, stage);
    return b->gathered == 1 && b->age > 0 ? flow_timer(stage, 0, b->age) : FLOW_OK;
}

static enum flow_status batcher_process_batch(void *self, struct flow_stage *stage,
                                              const struct flow_batch *batch)
{
    struct batcher *b = self;
    enum flow_status rc = FLOW_OK;
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++)
        rc = take(b, stage, i, &c.record);
    return rc;
}

/* The first of them is as old as it may be, unless it has gone already. */
static enum flow_status batcher_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                      unsigned events)
{
    (void)tag;
    (void)events;
    return emit(self, stage);
}

static enum flow_status batcher_finish(void *self, struct flow_stage *stage)
{
    return emit(self, stage);
}

static enum flow_status batcher_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct batcher *b = self;
    (void)stage;
    const enum flow_status rc = flow_save_number(to, b->gathered);
    return rc == FLOW_OK ? flow_save_text(to, b->text.at != NULL ? b->text.at : "", b->text.size)
                         : rc;
}

static enum flow_status batcher_restore(void *self, struct flow_stage *stage,
                                        struct flow_loader *from)
{
    struct batcher *b = self;
    const char *text;
    size_t size;
    enum flow_status rc = flow_load_number(from, &b->gathered);
    if (rc == FLOW_OK)
        rc = flow_load_text(from, &text, &size);
    if (rc == FLOW_OK)
        flow_text_add(&b->text, text, size);
    if (rc == FLOW_OK && b->text.failed)
        return FLOW_ENOMEM;
    return rc == FLOW_OK && b->gathered > 0 && b->age > 0 ? flow_timer(stage, 0, b->age) : rc;
}

static void batcher_close(void *self, struct flow_stage *stage)
{
    struct batcher *b = self;
    (void)stage;
    flow_text_clear(&b->text);
}

static const struct flow_stage_type batcher = {
    .name = "batch",
    .help = "joins many records into one: lines, or a JSON array",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL | FLOW_LIGHT,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct batcher),
    .open = batcher_open,
    .process_batch = batcher_process_batch,
    .ready = batcher_ready,
    .finish = batcher_finish,
    .close = batcher_close,
    .save = batcher_save,
    .restore = batcher_restore,
};

FLOW_PLUGIN(&batcher);
