/* SPDX-License-Identifier: MIT */
#include "lines/pack.h"

#include "lines/library.h"

#if FLOW_HAS_ZLIB
#define GZ_USUAL 6
#define GZ_WINDOW (15 + 16) /* the largest, with gzip's header */
#define GZ_MEMORY 8
#define GZ_STEP ((size_t)1 << 30) /* zlib counts in unsigned int */

static const char *start_gz(struct flow_pack *p, int level)
{
    const struct flow_symbol symbols[] = {{"deflateInit2_", &p->gz_init},
                                          {"deflate", &p->gz_run},
                                          {"deflateReset", &p->gz_reset},
                                          {"deflateEnd", &p->gz_end},
                                          {NULL, NULL}};
    if (level > 9)
        return "gzip has the levels 1 to 9";
    p->library = flow_library_open(FLOW_ZLIB_FILE, symbols);
    if (p->library == NULL)
        return FLOW_ZLIB_MISSING;
    p->gz_ready = p->gz_init(&p->gz, level > 0 ? level : GZ_USUAL, Z_DEFLATED, GZ_WINDOW, GZ_MEMORY,
                             Z_DEFAULT_STRATEGY, ZLIB_VERSION, (int)sizeof(p->gz)) == Z_OK;
    return p->gz_ready ? NULL : "zlib has no memory";
}

static const char *run_gz(struct flow_pack *p, struct flow_pack_step *step, bool end)
{
    const size_t in = step->in_size < GZ_STEP ? step->in_size : GZ_STEP;
    const size_t out = step->out_size < GZ_STEP ? step->out_size : GZ_STEP;
    memcpy(&p->gz.next_in, &step->in, sizeof(step->in)); /* it is only read from */
    p->gz.avail_in = (uInt)in;
    p->gz.next_out = step->out;
    p->gz.avail_out = (uInt)out;
    p->inside = true;
    const int rc = p->gz_run(&p->gz, end && in == step->in_size ? Z_FINISH : Z_NO_FLUSH);
    if (rc == Z_STREAM_ERROR)
        return "zlib has lost its state";
    step->in = (const char *)step->in + (in - p->gz.avail_in);
    step->in_size -= in - p->gz.avail_in;
    step->out = (char *)step->out + (out - p->gz.avail_out);
    step->out_size -= out - p->gz.avail_out;
    if (rc == Z_STREAM_END) {
        p->inside = false;
        (void)p->gz_reset(&p->gz);
    }
    return NULL;
}
#endif

#if FLOW_HAS_ZSTD
#define ZST_USUAL 3

static const char *start_zst(struct flow_pack *p, int level)
{
    const struct flow_symbol symbols[] = {{"ZSTD_createCCtx", &p->zst_new},
                                          {"ZSTD_CCtx_setParameter", &p->zst_set},
                                          {"ZSTD_compressStream2", &p->zst_run},
                                          {"ZSTD_freeCCtx", &p->zst_free},
                                          {"ZSTD_isError", &p->zst_is_error},
                                          {"ZSTD_getErrorName", &p->zst_error},
                                          {NULL, NULL}};
    p->library = flow_library_open(FLOW_ZSTD_FILE, symbols);
    if (p->library == NULL)
        return FLOW_ZSTD_MISSING;
    p->zst = p->zst_new();
    if (p->zst == NULL)
        return "zstd has no memory";
    const size_t levelled =
        p->zst_set(p->zst, ZSTD_c_compressionLevel, level > 0 ? level : ZST_USUAL);
    const size_t checked = p->zst_set(p->zst, ZSTD_c_checksumFlag, 1);
    if (p->zst_is_error(levelled))
        return p->zst_error(levelled);
    return p->zst_is_error(checked) ? p->zst_error(checked) : NULL;
}

static const char *run_zst(struct flow_pack *p, struct flow_pack_step *step, bool end)
{
    ZSTD_inBuffer in = {step->in, step->in_size, 0};
    ZSTD_outBuffer out = {step->out, step->out_size, 0};
    p->inside = true;
    const size_t left = p->zst_run(p->zst, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
    if (p->zst_is_error(left))
        return p->zst_error(left);
    step->in = (const char *)step->in + in.pos;
    step->in_size -= in.pos;
    step->out = (char *)step->out + out.pos;
    step->out_size -= out.pos;
    p->inside = !end || left != 0;
    return NULL;
}
#endif

const char *flow_pack_start(struct flow_pack *pack, enum flow_pack_kind kind, int level)
{
    *pack = (struct flow_pack){.kind = kind};
#if FLOW_HAS_ZLIB
    if (kind == FLOW_PACK_GZ)
        return start_gz(pack, level);
#endif
#if FLOW_HAS_ZSTD
    if (kind == FLOW_PACK_ZST)
        return start_zst(pack, level);
#endif
    (void)level;
    return FLOW_PACKING_MISSING;
}

const char *flow_pack_run(struct flow_pack *pack, struct flow_pack_step *step, bool end)
{
#if FLOW_HAS_ZLIB
    if (pack->kind == FLOW_PACK_GZ)
        return run_gz(pack, step, end);
#endif
#if FLOW_HAS_ZSTD
    if (pack->kind == FLOW_PACK_ZST)
        return run_zst(pack, step, end);
#endif
    (void)step;
    (void)end;
    return "nothing was started";
}

void flow_pack_clear(struct flow_pack *pack)
{
#if FLOW_HAS_ZLIB
    if (pack->gz_ready)
        (void)pack->gz_end(&pack->gz);
#endif
#if FLOW_HAS_ZSTD
    if (pack->zst != NULL)
        (void)pack->zst_free(pack->zst);
#endif
    flow_library_close(pack->library);
    *pack = (struct flow_pack){0};
}
