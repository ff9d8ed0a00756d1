/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_PACK_H
#define FLOW_STAGES_PACK_H

/*
 * Compression of a stream of bytes, by zlib (gzip) or libzstd, which are loaded when they are first
 * needed (lines/library.h).  The stream is a row of frames, each of which is whole by itself: what
 * ends with one can be read, and be written on.
 *
 * Threads: a struct belongs to one thread.  Memory: what flow_pack_start takes, flow_pack_clear
 * releases.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lines/packing.h"

enum flow_pack_kind { FLOW_PACK_NONE, FLOW_PACK_GZ, FLOW_PACK_ZST };

#define FLOW_PACK_KINDS "none|gz|zst" /* of a parameter */
#define FLOW_PACK_LEVEL_MAX 19

/* All zeros are nothing. */
struct flow_pack {
    enum flow_pack_kind kind;
    bool inside; /* a frame has begun and not ended */
    void *library;
#if FLOW_HAS_ZLIB
    z_stream gz;
    bool gz_ready;
    int (*gz_init)(z_stream *stream, int level, int method, int bits, int memory, int strategy,
                   const char *version, int size);
    int (*gz_run)(z_stream *stream, int flush);
    int (*gz_reset)(z_stream *stream);
    int (*gz_end)(z_stream *stream);
#endif
#if FLOW_HAS_ZSTD
    ZSTD_CCtx *zst;
    ZSTD_CCtx *(*zst_new)(void);
    size_t (*zst_set)(ZSTD_CCtx *context, ZSTD_cParameter parameter, int value);
    size_t (*zst_run)(ZSTD_CCtx *context, ZSTD_outBuffer *out, ZSTD_inBuffer *in,
                      ZSTD_EndDirective end);
    size_t (*zst_free)(ZSTD_CCtx *context);
    unsigned (*zst_is_error)(size_t code);
    const char *(*zst_error)(size_t code);
#endif
};

/* What one step is given, and what is left of that. */
struct flow_pack_step {
    const void *in;
    size_t in_size;
    void *out;
    size_t out_size;
};

/* `level`: 0 is the usual one of the format.  NULL, or why there is no compression to be had. */
const char *flow_pack_start(struct flow_pack *pack, enum flow_pack_kind kind, int level);

/*
 * Compress as far as input and room go; with `end`, end the frame, which has happened when the step
 * leaves pack->inside false.  NULL, or what is wrong.
 */
const char *flow_pack_run(struct flow_pack *pack, struct flow_pack_step *step, bool end);

void flow_pack_clear(struct flow_pack *pack);

#endif /* FLOW_STAGES_PACK_H */
