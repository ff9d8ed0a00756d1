/* SPDX-License-Identifier: MIT */
#include "compress/codec.h"

#include <string.h>

#define GZIP_WINDOW (15 + 16) /* the largest, with gzip's header */
#define GZIP_MEMORY 8
#define GZIP_STEP ((size_t)1 << 30) /* zlib counts in unsigned int */

const char *codec_open(struct codec *codec, enum codec_format format, int level)
{
    *codec = (struct codec){.format = format};
    if (format == CODEC_GZIP) {
        if (level < 1 || level > 9)
            return "gzip has the levels 1 to 9";
        codec->ready = deflateInit2(&codec->gzip, level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                                    Z_DEFAULT_STRATEGY) == Z_OK;
        return codec->ready ? NULL : "no memory for gzip";
    }
    codec->zstd = ZSTD_createCCtx();
    if (codec->zstd == NULL)
        return "no memory for zstd";
    const size_t levelled = ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_compressionLevel, level);
    const size_t checked = ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_checksumFlag, 1);
    if (ZSTD_isError(levelled))
        return ZSTD_getErrorName(levelled);
    return ZSTD_isError(checked) ? ZSTD_getErrorName(checked) : NULL;
}

size_t codec_bound(struct codec *codec, size_t size)
{
    return codec->format == CODEC_ZSTD ? ZSTD_compressBound(size) + 32
                                       : deflateBound(&codec->gzip, size) + 32;
}

static const char *go_on_zstd(struct codec *codec, struct codec_flow *flow, bool end, bool *done)
{
    ZSTD_inBuffer in = {flow->in, flow->in_size, 0};
    ZSTD_outBuffer out = {flow->out, flow->out_size, 0};
    const size_t left =
        ZSTD_compressStream2(codec->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left))
        return ZSTD_getErrorName(left);
    flow->in = (const char *)flow->in + in.pos;
    flow->in_size -= in.pos;
    flow->out = (char *)flow->out + out.pos;
    flow->out_size -= out.pos;
    *done = end && left == 0;
    return NULL;
}

static const char *go_on_gzip(struct codec *codec, struct codec_flow *flow, bool end, bool *done)
{
    z_stream *z = &codec->gzip;
    const size_t in = flow->in_size < GZIP_STEP ? flow->in_size : GZIP_STEP;
    const size_t out = flow->out_size < GZIP_STEP ? flow->out_size : GZIP_STEP;
    memcpy(&z->next_in, &flow->in, sizeof(flow->in)); /* it is only read from */
    z->avail_in = (uInt)in;
    z->next_out = flow->out;
    z->avail_out = (uInt)out;
    const int rc = deflate(z, end && in == flow->in_size ? Z_FINISH : Z_NO_FLUSH);
    if (rc == Z_STREAM_ERROR)
        return "zlib has lost its state";
    flow->in = (const char *)flow->in + (in - z->avail_in);
    flow->in_size -= in - z->avail_in;
    flow->out = (char *)flow->out + (out - z->avail_out);
    flow->out_size -= out - z->avail_out;
    *done = rc == Z_STREAM_END;
    if (*done)
        (void)deflateReset(z);
    return NULL;
}

const char *codec_go_on(struct codec *codec, struct codec_flow *flow, bool end, bool *done)
{
    return codec->format == CODEC_ZSTD ? go_on_zstd(codec, flow, end, done)
                                       : go_on_gzip(codec, flow, end, done);
}

size_t codec_frame(struct codec *codec, const void *data, size_t size, void *out, size_t room,
                   const char **reason)
{
    if (codec->format == CODEC_ZSTD) {
        const size_t used = ZSTD_compress2(codec->zstd, out, room, data, size);
        *reason = ZSTD_isError(used) ? ZSTD_getErrorName(used) : NULL;
        return *reason == NULL ? used : 0;
    }
    struct codec_flow flow = {data, size, out, room};
    bool done = false;
    while (!done) {
        const size_t before = flow.in_size;
        *reason = codec_go_on(codec, &flow, true, &done);
        if (*reason == NULL && !done && flow.in_size == before)
            *reason = "zlib needs more room than it said";
        if (*reason != NULL)
            return 0;
    }
    return room - flow.out_size;
}

void codec_clear(struct codec *codec)
{
    ZSTD_freeCCtx(codec->zstd);
    if (codec->ready)
        (void)deflateEnd(&codec->gzip);
    *codec = (struct codec){0};
}
