/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_UNPACK_H
#define FLOW_STAGES_UNPACK_H

/*
 * Decompression of a stream of bytes, by zlib (gzip files, also several in a row) or libzstd.  Both
 * are loaded when they are first needed (lines/library.h).
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stdio.h>
#include <stdlib.h>

#include "lines/library.h"
#include "lines/packing.h"

enum flow_packing { FLOW_PACKING_AUTO, FLOW_PACKING_NONE, FLOW_PACKING_GZ, FLOW_PACKING_ZST };

/* By the first bytes of a file; FLOW_PACKING_AUTO: more of them have to be seen. */
static inline enum flow_packing flow_packing_of(const void *bytes, size_t size)
{
    static const unsigned char gz[] = {0x1f, 0x8b};
    static const unsigned char zst[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (size == 0)
        return FLOW_PACKING_AUTO;
    if (memcmp(bytes, gz, size < sizeof(gz) ? size : sizeof(gz)) == 0)
        return size < sizeof(gz) ? FLOW_PACKING_AUTO : FLOW_PACKING_GZ;
    if (memcmp(bytes, zst, size < sizeof(zst) ? size : sizeof(zst)) == 0)
        return size < sizeof(zst) ? FLOW_PACKING_AUTO : FLOW_PACKING_ZST;
    return FLOW_PACKING_NONE;
}

struct flow_unpack {
    enum flow_packing kind;
    void *library;
    bool inside; /* a compressed part has begun and not ended */
#if FLOW_HAS_ZLIB
    z_stream gz;
    bool gz_ready;
    int (*gz_init)(z_stream *stream, int bits, const char *version, int size);
    int (*gz_run)(z_stream *stream, int flush);
    int (*gz_reset)(z_stream *stream);
    int (*gz_end)(z_stream *stream);
#endif
#if FLOW_HAS_ZSTD
    ZSTD_DStream *zst;
    ZSTD_DStream *(*zst_new)(void);
    size_t (*zst_run)(ZSTD_DStream *stream, ZSTD_outBuffer *out, ZSTD_inBuffer *in);
    size_t (*zst_free)(ZSTD_DStream *stream);
    unsigned (*zst_is_error)(size_t code);
    const char *(*zst_error)(size_t code);
#endif
};

/* What one step is given, and what is left of that. */
struct flow_unpack_step {
    const void *in;
    size_t in_size;
    void *out;
    size_t out_size;
};

#if FLOW_HAS_ZLIB
static inline const char *flow_unpack_start_gz(struct flow_unpack *u)
{
    const struct flow_symbol symbols[] = {{"inflateInit2_", &u->gz_init},
                                          {"inflate", &u->gz_run},
                                          {"inflateReset", &u->gz_reset},
                                          {"inflateEnd", &u->gz_end},
                                          {NULL, NULL}};
    u->library = flow_library_open(FLOW_ZLIB_FILE, symbols);
    if (u->library == NULL)
        return FLOW_ZLIB_MISSING;
    const int bits = 15 + 16; /* the largest window, and gzip's header */
    u->gz_ready = u->gz_init(&u->gz, bits, ZLIB_VERSION, (int)sizeof(u->gz)) == Z_OK;
    return u->gz_ready ? NULL : "zlib has no memory";
}

static inline const char *flow_unpack_run_gz(struct flow_unpack *u, struct flow_unpack_step *step)
{
    const size_t in_most = step->in_size < UINT32_MAX ? step->in_size : UINT32_MAX;
    const size_t out_most = step->out_size < UINT32_MAX ? step->out_size : UINT32_MAX;
    memcpy(&u->gz.next_in, &step->in, sizeof(step->in)); /* only read from */
    u->gz.avail_in = (uInt)in_most;
    u->gz.next_out = step->out;
    u->gz.avail_out = (uInt)out_most;
    u->inside = true;
    int rc = u->gz_run(&u->gz, Z_NO_FLUSH);
    step->in = (const char *)step->in + (in_most - u->gz.avail_in);
    step->in_size -= in_most - u->gz.avail_in;
    step->out = (char *)step->out + (out_most - u->gz.avail_out);
    step->out_size -= out_most - u->gz.avail_out;
    if (rc == Z_STREAM_END) {
        u->inside = false;
        rc = u->gz_reset(&u->gz);
    }
    if (rc == Z_OK || rc == Z_BUF_ERROR)
        return NULL;
    return u->gz.msg != NULL ? u->gz.msg : rc == Z_MEM_ERROR ? "no memory" : "no gzip data";
}
#endif

#if FLOW_HAS_ZSTD
static inline const char *flow_unpack_start_zst(struct flow_unpack *u)
{
    const struct flow_symbol symbols[] = {
        {"ZSTD_createDStream", &u->zst_new},  {"ZSTD_decompressStream", &u->zst_run},
        {"ZSTD_freeDStream", &u->zst_free},   {"ZSTD_isError", &u->zst_is_error},
        {"ZSTD_getErrorName", &u->zst_error}, {NULL, NULL}};
    u->library = flow_library_open(FLOW_ZSTD_FILE, symbols);
    if (u->library == NULL)
        return FLOW_ZSTD_MISSING;
    u->zst = u->zst_new();
    return u->zst != NULL ? NULL : "zstd has no memory";
}

static inline const char *flow_unpack_run_zst(struct flow_unpack *u, struct flow_unpack_step *step)
{
    ZSTD_inBuffer in = {step->in, step->in_size, 0};
    ZSTD_outBuffer out = {step->out, step->out_size, 0};
    const size_t left = u->zst_run(u->zst, &out, &in);
    if (u->zst_is_error(left))
        return u->zst_error(left);
    u->inside = left != 0;
    step->in = (const char *)step->in + in.pos;
    step->in_size -= in.pos;
    step->out = (char *)step->out + out.pos;
    step->out_size -= out.pos;
    return NULL;
}
#endif

/* Begin a file.  NULL, or why it cannot be decompressed. */
static inline const char *flow_unpack_start(struct flow_unpack *u, enum flow_packing kind)
{
    *u = (struct flow_unpack){.kind = kind};
#if FLOW_HAS_ZLIB
    if (kind == FLOW_PACKING_GZ)
        return flow_unpack_start_gz(u);
#endif
#if FLOW_HAS_ZSTD
    if (kind == FLOW_PACKING_ZST)
        return flow_unpack_start_zst(u);
#endif
    return FLOW_PACKING_MISSING;
}

/* Decompress as far as input and room go.  NULL, or what is wrong with the data. */
static inline const char *flow_unpack_run(struct flow_unpack *u, struct flow_unpack_step *step)
{
#if FLOW_HAS_ZLIB
    if (u->kind == FLOW_PACKING_GZ)
        return flow_unpack_run_gz(u, step);
#endif
#if FLOW_HAS_ZSTD
    if (u->kind == FLOW_PACKING_ZST)
        return flow_unpack_run_zst(u, step);
#endif
    (void)step;
    return "nothing was started";
}

/* Free what it holds; all zeros are nothing. */
static inline void flow_unpack_clear(struct flow_unpack *u)
{
#if FLOW_HAS_ZLIB
    if (u->gz_ready)
        (void)u->gz_end(&u->gz);
#endif
#if FLOW_HAS_ZSTD
    if (u->zst != NULL)
        (void)u->zst_free(u->zst);
#endif
    flow_library_close(u->library);
    *u = (struct flow_unpack){0};
}

#endif /* FLOW_STAGES_UNPACK_H */
