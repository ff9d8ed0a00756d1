/* SPDX-License-Identifier: MIT */

/*
 * One stream after the other: a frame goes on from record to record until it has `frame_size`
 * bytes, and what has been compressed is emitted in pieces.
 *
 *     records ──> in, 128 KiB ──> frame ──> out, 256 KiB ──> a record
 *
 * The state of a half-written frame cannot be saved, so a checkpoint ends it: the pieces that
 * cannot be emitted at that moment are saved with it, and go out before anything else does.  Where
 * a run took checkpoints therefore shows in the compressed bytes, but not in what they decompress
 * to.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "compress/codec.h"

#define IN_SIZE ((size_t)128 << 10)  /* what is compressed in one go, bytes */
#define OUT_SIZE ((size_t)256 << 10) /* a piece, bytes */

struct streamer {
    int format;
    int64_t level;
    uint64_t frame_size;
    char *newline;

    struct codec codec;
    size_t newline_size;
    char *in;
    size_t in_used;
    char *out; /* grows beyond a piece only for a checkpoint */
    size_t out_used, out_room;
    uint64_t frame_used; /* bytes that have gone into the open frame; 0: none is open */
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct streamer, format, "zstd", CODEC_FORMATS, "how to compress"),
    FLOW_PARAM_I64(struct streamer, level, "3", CODEC_LEVEL_MIN, CODEC_LEVEL_MAX,
                   "higher is smaller and slower; gzip has 1 to 9"),
    FLOW_PARAM_SIZE(struct streamer, frame_size, "1GiB", 64 << 10, (uint64_t)1 << 50,
                    "begin a new frame after so much text [bytes]"),
    FLOW_PARAM_STR(struct streamer, newline, "\n",
                   "written behind each record before it is compressed"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "anything"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "pieces of a file of that format, one after the other"},
    {NULL, NULL, NULL},
};

static enum flow_status no_memory(struct flow_stage *stage, size_t size)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a buffer of %zu bytes", size);
}

static enum flow_status streamer_open(void *self, struct flow_stage *stage)
{
    struct streamer *s = self;
    s->newline_size = strlen(s->newline);
    const char *reason = codec_open(&s->codec, (enum codec_format)s->format, (int)s->level);
    if (reason != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "level %d: %s", (int)s->level, reason);
    s->in = malloc(IN_SIZE);
    s->out = malloc(OUT_SIZE);
    s->out_room = OUT_SIZE;
    return s->in != NULL && s->out != NULL ? FLOW_OK : no_memory(stage, OUT_SIZE);
}

/* Emit what is in `out`, in pieces. */
static enum flow_status emit_out(struct streamer *s, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    size_t at = 0;
    while (rc == FLOW_OK && at < s->out_used) {
        const size_t left = s->out_used - at;
        const size_t size = left < OUT_SIZE ? left : OUT_SIZE;
        rc = flow_emit(stage, s->out + at, size);
        at += size;
    }
    s->out_used = 0;
    return rc;
}

/* Room in `out`: emitted, or, where that is not allowed, more memory. */
static enum flow_status make_room(struct streamer *s, struct flow_stage *stage, bool may_emit)
{
    if (may_emit)
        return emit_out(s, stage);
    char *out = realloc(s->out, s->out_room * 2);
    if (out == NULL)
        return no_memory(stage, s->out_room * 2);
    s->out = out;
    s->out_room *= 2;
    return FLOW_OK;
}

/* Compress `size` bytes; with `end`, end the frame. */
static enum flow_status feed(struct streamer *s, struct flow_stage *stage, const void *data,
                             size_t size, bool end, bool may_emit)
{
    struct codec_flow flow = {.in = data, .in_size = size};
    bool done = false;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && (end ? !done : flow.in_size > 0)) {
        if (s->out_used == s->out_room)
            rc = make_room(s, stage, may_emit);
        if (rc != FLOW_OK)
            break;
        flow.out = s->out + s->out_used;
        flow.out_size = s->out_room - s->out_used;
        const char *reason = codec_go_on(&s->codec, &flow, end, &done);
        if (reason != NULL)
            return flow_stage_fail(stage, FLOW_EIO, "cannot compress: %s", reason);
        s->out_used = s->out_room - flow.out_size;
    }
    s->frame_used = end ? 0 : s->frame_used + size;
    return rc;
}

/* Compress what was gathered, and end the frame where it is large enough. */
static enum flow_status feed_gathered(struct streamer *s, struct flow_stage *stage)
{
    const size_t size = s->in_used;
    s->in_used = 0;
    return feed(s, stage, s->in, size, s->frame_used + size >= s->frame_size, true);
}

/* Small pieces are gathered first; large ones are compressed from where they lie. */
static enum flow_status add(struct streamer *s, struct flow_stage *stage, const void *data,
                            size_t size)
{
    enum flow_status rc = FLOW_OK;
    if (size > IN_SIZE - s->in_used && s->in_used > 0)
        rc = feed_gathered(s, stage);
    if (rc != FLOW_OK)
        return rc;
    if (size > IN_SIZE)
        return feed(s, stage, data, size, s->frame_used + size >= s->frame_size, true);
    memcpy(s->in + s->in_used, data, size);
    s->in_used += size;
    return FLOW_OK;
}

static enum flow_status streamer_process_batch(void *self, struct flow_stage *stage,
                                               const struct flow_batch *batch)
{
    struct streamer *s = self;
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);) {
        rc = add(s, stage, c.record.data, c.record.size);
        if (rc == FLOW_OK)
            rc = add(s, stage, s->newline, s->newline_size);
    }
    return rc;
}

/* End the frame, if one is open. */
static enum flow_status end_frame(struct streamer *s, struct flow_stage *stage, bool may_emit)
{
    const size_t size = s->in_used;
    s->in_used = 0;
    return size > 0 || s->frame_used > 0 ? feed(s, stage, s->in, size, true, may_emit) : FLOW_OK;
}

static enum flow_status streamer_finish(void *self, struct flow_stage *stage)
{
    const enum flow_status rc = end_frame(self, stage, true);
    return rc == FLOW_OK ? emit_out(self, stage) : rc;
}

static enum flow_status streamer_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct streamer *s = self;
    enum flow_status rc = end_frame(s, stage, false);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, s->out_used);
    return rc == FLOW_OK ? flow_save(to, s->out, s->out_used) : rc;
}

static enum flow_status streamer_restore(void *self, struct flow_stage *stage,
                                         struct flow_loader *from)
{
    struct streamer *s = self;
    uint64_t size;
    const enum flow_status rc = flow_load_number(from, &size);
    if (rc != FLOW_OK)
        return rc;
    const void *bytes = size <= from->left ? flow_load_bytes(from, (size_t)size) : NULL;
    if (bytes == NULL)
        return FLOW_EPROTO;
    while (s->out_room < size) {
        if (make_room(s, stage, false) != FLOW_OK)
            return FLOW_ENOMEM;
    }
    memcpy(s->out, bytes, (size_t)size);
    s->out_used = (size_t)size;
    return FLOW_OK;
}

static void streamer_close(void *self, struct flow_stage *stage)
{
    struct streamer *s = self;
    (void)stage;
    codec_clear(&s->codec);
    free(s->in);
    free(s->out);
}

static const struct flow_stage_type streamer = {
    .name = "compress.stream",
    .help = "compresses all records as one stream by zstd or gzip",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL | FLOW_SINGLE,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct streamer),
    .open = streamer_open,
    .process_batch = streamer_process_batch,
    .finish = streamer_finish,
    .close = streamer_close,
    .save = streamer_save,
    .restore = streamer_restore,
};

FLOW_PLUGIN(&streamer);
