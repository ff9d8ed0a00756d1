/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/file.h"

#define ESCAPED 4 /* characters that a byte takes at most */

struct inspector {
    int64_t limit;
    uint64_t max_size;
    uint64_t seen;
    char *text; /* lines that are not printed yet */
    size_t size, capacity;
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct inspector, limit, "0", 0, (int64_t)1 << 53,
                   "print only so many, the first ones; 0: all [records]"),
    FLOW_PARAM_SIZE(struct inspector, max_size, "1KiB", 0, 16 << 20,
                    "cut longer records, and keys, when they are printed [bytes]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to look at"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "the same records, unchanged"},
    {NULL, NULL, NULL},
};

/* Room for `size` more characters. */
static bool reserve(struct inspector *in, size_t size)
{
    if (in->capacity - in->size >= size)
        return true;
    const size_t capacity = (in->size + size) * 2;
    char *text = realloc(in->text, capacity);
    if (text == NULL)
        return false;
    in->text = text;
    in->capacity = capacity;
    return true;
}

static bool add_text(struct inspector *in, const char *text)
{
    const size_t size = strlen(text);
    if (!reserve(in, size))
        return false;
    memcpy(in->text + in->size, text, size);
    in->size += size;
    return true;
}

/* `data` in quotes, escaped; what is cut off is counted behind it. */
static bool add_quoted(struct inspector *in, const unsigned char *data, size_t size)
{
    const size_t shown = size < in->max_size ? size : (size_t)in->max_size;
    if (!reserve(in, shown * ESCAPED + 2))
        return false;
    in->text[in->size++] = '"';
    for (size_t i = 0; i < shown; i++)
        in->size += flow_bytes_escape(data[i], in->text + in->size);
    in->text[in->size++] = '"';
    if (shown == size)
        return true;
    char rest[48];
    (void)snprintf(rest, sizeof(rest), "... (%zu bytes)", size);
    return add_text(in, rest);
}

/* NAME #NUMBER [key "KEY"] "BYTES" */
static bool add_record(struct inspector *in, const char *name, const struct flow_record *record)
{
    char number[32];
    (void)snprintf(number, sizeof(number), " #%" PRIu64 " ", record->number);
    if (!add_text(in, name) || !add_text(in, number))
        return false;
    if (record->key != NULL &&
        (!add_text(in, "key ") || !add_quoted(in, record->key, record->key_size) ||
         !add_text(in, " ")))
        return false;
    return add_quoted(in, record->data, record->size) && add_text(in, "\n");
}

static enum flow_status inspector_process_batch(void *self, struct flow_stage *stage,
                                                const struct flow_batch *batch)
{
    struct inspector *in = self;
    const char *name = flow_stage_info(stage)->name;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (in->limit > 0 && in->seen >= (uint64_t)in->limit)
            break;
        const struct flow_record record = flow_batch_record(batch, i);
        if (!add_record(in, name, &record))
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory to print a record");
        in->seen++;
    }
    const enum flow_status rc =
        flow_file_write(stage, STDOUT_FILENO, "standard output", in->text, in->size);
    in->size = 0;
    if (rc != FLOW_OK || !flow_connected(stage, 0))
        return rc;
    return flow_forward_batch(stage, 0, batch);
}

static enum flow_status inspector_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct inspector *in = self;
    (void)stage;
    return flow_save_number(to, in->seen);
}

static enum flow_status inspector_restore(void *self, struct flow_stage *stage,
                                          struct flow_loader *from)
{
    struct inspector *in = self;
    (void)stage;
    return flow_load_number(from, &in->seen);
}

static const char *inspector_weakness(const void *self)
{
    (void)self;
    return "what is on standard output cannot be taken back";
}

static void inspector_close(void *self, struct flow_stage *stage)
{
    struct inspector *in = self;
    (void)stage;
    free(in->text);
}

static const struct flow_stage_type inspector = {
    .name = "inspect",
    .help = "prints each record's number, key and bytes, and passes it on",
    .role = FLOW_EITHER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct inspector),
    .process_batch = inspector_process_batch,
    .close = inspector_close,
    .save = inspector_save,
    .restore = inspector_restore,
    .weakness = inspector_weakness,
};

FLOW_PLUGIN(&inspector);
