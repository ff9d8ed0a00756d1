/* SPDX-License-Identifier: MIT */

/*
 * A record is decompressed as a whole before anything of it is emitted, so that a damaged one is
 * refused without a part of it having gone on.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include <zlib.h>
#include <zstd.h>

#include "shared/bytes.h"

#define GZIP_WINDOW (15 + 16) /* the largest, with gzip's header */
#define STEP ((size_t)64 << 10)

enum { EMIT_WHOLE, EMIT_LINES };

struct opener {
    int emit;
    uint64_t max_size;

    ZSTD_DCtx *zstd;
    z_stream gzip;
    bool ready; /* gzip is to be ended */
    char *text;
    size_t size, capacity;
};

/* What is still to be read of a record. */
struct source {
    const unsigned char *at;
    size_t left;
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct opener, emit, "whole", "whole|lines",
                    "a record for each that arrives, or for each line in it"),
    FLOW_PARAM_SIZE(struct opener, max_size, "64MiB", 1, FLOW_RECORD_MAX,
                    "refuse what would become larger [bytes]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes",
     "one or more whole frames of zstd or members of gzip, told by their first bytes"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "what was compressed"},
    {NULL, NULL, NULL},
};

static enum flow_status opener_open(void *self, struct flow_stage *stage)
{
    struct opener *o = self;
    o->zstd = ZSTD_createDCtx();
    o->ready = inflateInit2(&o->gzip, GZIP_WINDOW) == Z_OK;
    if (o->zstd == NULL || !o->ready)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory to decompress");
    return FLOW_OK;
}

/* Room for more text.  NULL, or why there is none. */
static const char *make_room(struct opener *o)
{
    if (o->size > o->max_size)
        return "it would become larger than max_size";
    if (o->size < o->capacity)
        return NULL;
    const size_t capacity = o->capacity > 0 ? o->capacity * 2 : STEP;
    char *text = realloc(o->text, capacity);
    if (text == NULL)
        return "no memory";
    o->text = text;
    o->capacity = capacity;
    return NULL;
}

/* One frame.  NULL, or what is wrong with it. */
static const char *open_zstd(struct opener *o, struct source *source)
{
    size_t hint = 1;
    (void)ZSTD_DCtx_reset(o->zstd, ZSTD_reset_session_only);
    while (hint > 0) {
        const char *reason = make_room(o);
        if (reason != NULL)
            return reason;
        ZSTD_inBuffer in = {source->at, source->left, 0};
        ZSTD_outBuffer out = {o->text, o->capacity, o->size};
        hint = ZSTD_decompressStream(o->zstd, &out, &in);
        if (ZSTD_isError(hint))
            return ZSTD_getErrorName(hint);
        if (hint > 0 && in.pos == source->left && out.pos < out.size)
            return "it ends within a frame";
        source->at += in.pos;
        source->left -= in.pos;
        o->size = out.pos;
    }
    return NULL;
}

/* One member.  A record has never more bytes than zlib can count. */
static const char *open_gzip(struct opener *o, struct source *source)
{
    z_stream *z = &o->gzip;
    (void)inflateReset(z);
    for (int rc = Z_OK; rc != Z_STREAM_END;) {
        const char *reason = make_room(o);
        if (reason != NULL)
            return reason;
        memcpy(&z->next_in, &source->at, sizeof(source->at)); /* it is only read from */
        z->avail_in = (uInt)source->left;
        z->next_out = (Bytef *)o->text + o->size;
        z->avail_out = (uInt)(o->capacity - o->size);
        rc = inflate(z, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return z->msg != NULL ? z->msg : "it is damaged";
        source->at += source->left - z->avail_in;
        source->left = z->avail_in;
        o->size = o->capacity - z->avail_out;
        if (rc != Z_STREAM_END && source->left == 0 && z->avail_out > 0)
            return "it ends within a member";
    }
    return NULL;
}

/* Does a frame of zstd begin here, or one that is to be skipped? */
static bool is_zstd(const struct source *source)
{
    static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    static const unsigned char skipped[] = {0x2a, 0x4d, 0x18}; /* after 0x50 to 0x5f */
    return source->left >= 4 &&
           (memcmp(source->at, magic, 4) == 0 ||
            (source->at[0] >> 4 == 5 && memcmp(source->at + 1, skipped, 3) == 0));
}

static bool is_gzip(const struct source *source)
{
    return source->left >= 2 && source->at[0] == 0x1f && source->at[1] == 0x8b;
}

/* All frames of a record.  NULL, or what is wrong. */
static const char *open_all(struct opener *o, struct source *source)
{
    const char *reason = NULL;
    o->size = 0;
    while (reason == NULL && source->left > 0) {
        if (is_zstd(source))
            reason = open_zstd(o, source);
        else if (is_gzip(source))
            reason = open_gzip(o, source);
        else
            reason = "neither zstd nor gzip begins here";
    }
    return reason == NULL && o->size > o->max_size ? "it would become larger than max_size"
                                                   : reason;
}

static enum flow_status emit_lines(const struct opener *o, struct flow_stage *stage)
{
    struct flow_writer writer = flow_writer_begin(stage, 0);
    const char *at = o->text;
    const char *end = at + o->size;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        rc = flow_writer_emit(&writer, at, (size_t)(stop - at));
        at = stop + 1;
    }
    flow_writer_end(&writer);
    return rc;
}

static enum flow_status open_record(struct opener *o, struct flow_stage *stage,
                                    const struct flow_record *record, uint32_t index)
{
    struct source source = {record->data, record->size};
    const char *reason = source.left > 0 ? open_all(o, &source) : "it is empty";
    if (reason != NULL)
        return flow_batch_reject(
            stage, index, "cannot decompress %zu bytes, from byte %zu on: %s: %s", record->size,
            record->size - source.left + 1, reason, flow_bytes_quote(source.at, source.left).text);
    if (o->emit == EMIT_LINES && o->size > 0)
        return emit_lines(o, stage);
    if (o->size + record->key_size > FLOW_RECORD_MAX)
        return flow_batch_reject(stage, index, "%zu bytes leave no room for its key", o->size);
    const struct flow_target target = {.key = record->key, .key_size = record->key_size};
    if (o->emit == EMIT_LINES)
        return FLOW_OK;
    return flow_emit_to(stage, &target, o->size > 0 ? o->text : "", o->size);
}

static enum flow_status opener_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = open_record(self, stage, &c.record, (uint32_t)(c.record.number - batch->number));
    return rc;
}

static void opener_close(void *self, struct flow_stage *stage)
{
    struct opener *o = self;
    (void)stage;
    ZSTD_freeDCtx(o->zstd);
    if (o->ready)
        (void)inflateEnd(&o->gzip);
    free(o->text);
}

static const struct flow_stage_type opener = {
    .name = "decompress",
    .help = "decompresses records of zstd or gzip, whole or line by line",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct opener),
    .open = opener_open,
    .process_batch = opener_process_batch,
    .close = opener_close,
};

FLOW_PLUGIN(&opener);
