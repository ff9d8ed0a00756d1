/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdlib.h>

#include "compress/codec.h"

#define FRAME_MOST ((size_t)16 << 20) /* records that are gathered for a frame, bytes */

enum { FRAME_RECORD, FRAME_BATCH };

struct compressor {
    int format;
    int64_t level;
    int frame;
    char *newline;

    struct codec codec;
    size_t newline_size;
    char *bytes; /* scratch: records, and behind each what stands there */
    size_t gathered, capacity;
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct compressor, format, "zstd", CODEC_FORMATS, "how to compress"),
    FLOW_PARAM_I64(struct compressor, level, "3", CODEC_LEVEL_MIN, CODEC_LEVEL_MAX,
                   "higher is smaller and slower; gzip has 1 to 9"),
    FLOW_PARAM_ENUM(struct compressor, frame, "record", "record|batch",
                    "a frame for each record, or for all that arrive together"),
    FLOW_PARAM_STR(struct compressor, newline, "\n",
                   "frame: \"batch\": written behind each record before it is compressed"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "anything"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "one frame a record; one after the other they are a file of that format"},
    {NULL, NULL, NULL},
};

static enum flow_status compressor_open(void *self, struct flow_stage *stage)
{
    struct compressor *c = self;
    c->newline_size = strlen(c->newline);
    const char *reason = codec_open(&c->codec, (enum codec_format)c->format, (int)c->level);
    if (reason != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "level %d: %s", (int)c->level, reason);
    return FLOW_OK;
}

/* One frame; `index`: the record to refuse if it becomes too large. */
static enum flow_status emit_frame(struct compressor *c, struct flow_stage *stage, uint32_t index,
                                   const struct flow_record *data)
{
    const size_t bound = codec_bound(&c->codec, data->size);
    if (bound > FLOW_RECORD_MAX - data->key_size)
        return flow_batch_reject(stage, index, "%zu bytes may become %zu, more than a record has",
                                 data->size, bound);
    void *room = flow_reserve(stage, 0, bound);
    if (room == NULL)
        return FLOW_EABORT;
    const char *reason;
    const size_t used = codec_frame(&c->codec, data->data, data->size, room, bound, &reason);
    if (used == 0)
        return flow_stage_fail(stage, FLOW_EIO, "cannot compress %zu bytes: %s", data->size,
                               reason);
    const struct flow_target target = {.key = data->key, .key_size = data->key_size};
    return flow_commit(stage, &target, used);
}

static enum flow_status compress_each(struct compressor *c, struct flow_stage *stage,
                                      const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor at = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&at);)
        rc = emit_frame(c, stage, (uint32_t)(at.record.number - batch->number), &at.record);
    return rc;
}

/* Add a record to what becomes the next frame. */
static bool gather(struct compressor *c, const struct flow_record *record)
{
    const size_t size = c->gathered + record->size + c->newline_size;
    if (size > c->capacity) {
        char *bytes = realloc(c->bytes, size * 2);
        if (bytes == NULL)
            return false;
        c->bytes = bytes;
        c->capacity = size * 2;
    }
    memcpy(c->bytes + c->gathered, record->data, record->size);
    memcpy(c->bytes + c->gathered + record->size, c->newline, c->newline_size);
    c->gathered = size;
    return true;
}

static enum flow_status emit_gathered(struct compressor *c, struct flow_stage *stage,
                                      uint32_t index)
{
    const struct flow_record all = {.data = c->bytes, .size = c->gathered};
    c->gathered = 0;
    return emit_frame(c, stage, index, &all);
}

/* Mostly one frame.  A record that is very large has its own, so that it can be refused alone. */
static enum flow_status compress_all(struct compressor *c, struct flow_stage *stage,
                                     const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    c->gathered = 0;
    uint32_t index = 0; /* of the record that was gathered last */
    bool any = false;
    for (struct flow_cursor at = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&at);) {
        if (any && c->gathered + at.record.size > FRAME_MOST)
            rc = emit_gathered(c, stage, index);
        index = (uint32_t)(at.record.number - batch->number);
        any = true;
        if (rc == FLOW_OK && !gather(c, &at.record))
            rc = flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a record of %zu bytes",
                                 at.record.size);
    }
    return rc == FLOW_OK && any ? emit_gathered(c, stage, index) : rc;
}

static enum flow_status compressor_process_batch(void *self, struct flow_stage *stage,
                                                 const struct flow_batch *batch)
{
    struct compressor *c = self;
    return c->frame == FRAME_RECORD ? compress_each(c, stage, batch)
                                    : compress_all(c, stage, batch);
}

static void compressor_close(void *self, struct flow_stage *stage)
{
    struct compressor *c = self;
    (void)stage;
    codec_clear(&c->codec);
    free(c->bytes);
}

static const struct flow_stage_type compressor = {
    .name = "compress",
    .help = "compresses records by zstd or gzip, each or a batch at a time",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct compressor),
    .open = compressor_open,
    .process_batch = compressor_process_batch,
    .close = compressor_close,
};

FLOW_PLUGIN(&compressor);
