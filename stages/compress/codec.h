/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_CODEC_H
#define FLOW_STAGES_CODEC_H

/*
 * The two formats: zstd and gzip.  A frame is what decompresses by itself; frames one after the
 * other are a file that `zstd -d` or `gzip -d` reads.
 *
 * Threads: a codec belongs to one.  Memory: one that is all zeros holds nothing.
 */

#include <stdbool.h>
#include <stddef.h>

#include <zlib.h>
#include <zstd.h>

enum codec_format { CODEC_ZSTD, CODEC_GZIP };
#define CODEC_FORMATS "zstd|gzip"
#define CODEC_LEVEL_MIN (-7)
#define CODEC_LEVEL_MAX 22

struct codec {
    enum codec_format format;
    ZSTD_CCtx *zstd;
    z_stream gzip;
    bool ready; /* gzip is to be ended */
};

/* For compressing at this level.  NULL, or why not: a text for people. */
const char *codec_open(struct codec *codec, enum codec_format format, int level);

/* At most so many bytes become of `size` in one frame. */
size_t codec_bound(struct codec *codec, size_t size);

/* Make one frame of all of `data`, in `room` bytes of at least the bound.  Its size; 0: *reason. */
size_t codec_frame(struct codec *codec, const void *data, size_t size, void *out, size_t room,
                   const char **reason);

/* What is still to be read, and where to write. */
struct codec_flow {
    const void *in;
    size_t in_size;
    void *out;
    size_t out_size; /* room */
};

/*
 * Go on with a frame: read what there is and write what there is room for; `flow` moves on.  With
 * `end`, the frame is ended; `*done` once all of it has been written, and the next call begins a
 * new one.  NULL, or why not.
 */
const char *codec_go_on(struct codec *codec, struct codec_flow *flow, bool end, bool *done);

void codec_clear(struct codec *codec);

#endif /* FLOW_STAGES_CODEC_H */
