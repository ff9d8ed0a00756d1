/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdlib.h>

#include "shared/random.h"
#include "shared/saved.h"

enum how { HOW_EVERY, HOW_FRACTION, HOW_FIRST, HOW_RESERVOIR };
enum { PORT_OUT, PORT_REST };

/* A record that may be in the sample. */
struct kept {
    char *bytes; /* the key, then the data */
    size_t key_size, size;
    uint64_t place;
};

struct sampler {
    int how; /* enum how */
    int64_t n;
    double fraction;
    int64_t seed;

    uint64_t seen;
    struct kept *kept;
    size_t kept_count;
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct sampler, how, FLOW_REQUIRED, "every|fraction|first|reservoir",
                    "each n-th; by chance; the first n; n of all by chance, at the end"),
    FLOW_PARAM_I64(struct sampler, n, "100", 1, (int64_t)1 << 53, "for all but fraction [records]"),
    FLOW_PARAM_F64(struct sampler, fraction, "0.01", 0, 1, "the share of records that is taken"),
    FLOW_PARAM_I64(struct sampler, seed, "1", 0, (int64_t)1 << 53, "another one, other chances"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "anything"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "the sample, unchanged"},
    {"rest", "bytes", "the other records, unchanged; none with reservoir"},
    {NULL, NULL, NULL},
};

static enum flow_status sampler_open(void *self, struct flow_stage *stage)
{
    struct sampler *s = self;
    if (s->how != HOW_RESERVOIR)
        return FLOW_OK;
    if (s->n > 100000000)
        return flow_stage_fail(stage, FLOW_ERANGE,
                               "a reservoir of %" PRId64 " records: at most "
                               "100000000",
                               s->n);
    s->kept = calloc((size_t)s->n, sizeof(*s->kept));
    return s->kept != NULL
               ? FLOW_OK
               : flow_stage_fail(stage, FLOW_ENOMEM,
                                 "no memory for a reservoir of %" PRId64 " records", s->n);
}

static bool is_taken(const struct sampler *s)
{
    struct flow_random chance = flow_random_at((uint64_t)s->seed, s->seen);
    switch (s->how) {
    case HOW_EVERY:
        return s->seen % (uint64_t)s->n == 0;
    case HOW_FRACTION:
        return flow_random_fraction(&chance) < s->fraction;
    default:
        return s->seen < (uint64_t)s->n;
    }
}

/* Put a copy where an older one was, or was not. */
static enum flow_status keep(struct sampler *s, struct flow_stage *stage, size_t at,
                             const struct flow_record *record)
{
    struct kept *kept = &s->kept[at];
    const size_t size = record->key_size + record->size;
    char *bytes = realloc(kept->bytes, size > 0 ? size : 1);
    if (bytes == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a record of %zu bytes", size);
    if (record->key_size > 0)
        memcpy(bytes, record->key, record->key_size);
    memcpy(bytes + record->key_size, record->data, record->size);
    *kept = (struct kept){bytes, record->key_size, record->size, s->seen};
    return FLOW_OK;
}

/* Each record so far is among the n with the same probability (algorithm R). */
static enum flow_status offer(struct sampler *s, struct flow_stage *stage,
                              const struct flow_record *record)
{
    struct flow_random chance = flow_random_at((uint64_t)s->seed, s->seen);
    enum flow_status rc = FLOW_OK;
    if (s->kept_count < (size_t)s->n) {
        rc = keep(s, stage, s->kept_count, record);
        s->kept_count += rc == FLOW_OK;
    } else {
        const uint64_t at = flow_random_below(&chance, s->seen + 1);
        if (at < (uint64_t)s->n)
            rc = keep(s, stage, (size_t)at, record);
    }
    s->seen += rc == FLOW_OK;
    return rc;
}

static enum flow_status sampler_process_batch(void *self, struct flow_stage *stage,
                                              const struct flow_batch *batch)
{
    struct sampler *s = self;
    const bool rest = flow_connected(stage, PORT_REST);
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);) {
        if (s->how == HOW_RESERVOIR) {
            rc = offer(s, stage, &c.record);
            continue;
        }
        const bool taken = is_taken(s);
        if (taken || rest)
            rc = flow_forward(stage, taken ? PORT_OUT : PORT_REST, &c.record);
        s->seen++;
    }
    return rc;
}

static int compare_places(const void *a, const void *b)
{
    const struct kept *left = a;
    const struct kept *right = b;
    return (left->place > right->place) - (left->place < right->place);
}

/* The reservoir in the order in which its records came. */
static enum flow_status sampler_finish(void *self, struct flow_stage *stage)
{
    struct sampler *s = self;
    enum flow_status rc = FLOW_OK;
    if (s->kept_count > 0)
        qsort(s->kept, s->kept_count, sizeof(*s->kept), compare_places);
    for (size_t i = 0; rc == FLOW_OK && i < s->kept_count; i++) {
        const struct kept *kept = &s->kept[i];
        const struct flow_target to = {.key = kept->key_size > 0 ? kept->bytes : NULL,
                                       .key_size = kept->key_size};
        rc = flow_emit_to(stage, &to, kept->bytes + kept->key_size, kept->size);
    }
    return rc;
}

static enum flow_status sampler_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct sampler *s = self;
    (void)stage;
    enum flow_status rc = flow_save_number(to, s->seen);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, s->kept_count);
    for (size_t i = 0; rc == FLOW_OK && i < s->kept_count; i++) {
        const struct kept *kept = &s->kept[i];
        rc = flow_save_number(to, kept->place);
        if (rc == FLOW_OK)
            rc = flow_save_number(to, kept->key_size);
        if (rc == FLOW_OK)
            rc = flow_save_text(to, kept->bytes, kept->key_size + kept->size);
    }
    return rc;
}

static enum flow_status restore_one(struct sampler *s, struct flow_stage *stage,
                                    struct flow_loader *from)
{
    uint64_t key_size;
    const char *bytes;
    size_t size;
    enum flow_status rc = flow_load_number(from, &s->seen);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &key_size);
    if (rc == FLOW_OK)
        rc = flow_load_text(from, &bytes, &size);
    if (rc == FLOW_OK && (key_size > size || s->kept_count == (size_t)s->n))
        rc = FLOW_EPROTO;
    if (rc != FLOW_OK)
        return rc;
    const struct flow_record record = {.data = bytes + key_size,
                                       .size = size - (size_t)key_size,
                                       .key = bytes,
                                       .key_size = (size_t)key_size};
    rc = keep(s, stage, s->kept_count, &record);
    s->kept_count += rc == FLOW_OK;
    return rc;
}

static enum flow_status sampler_restore(void *self, struct flow_stage *stage,
                                        struct flow_loader *from)
{
    struct sampler *s = self;
    uint64_t seen;
    uint64_t count;
    enum flow_status rc = flow_load_number(from, &seen);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &count);
    if (rc == FLOW_OK && count > 0 && s->how != HOW_RESERVOIR)
        rc = FLOW_EPROTO;
    for (uint64_t i = 0; rc == FLOW_OK && i < count; i++)
        rc = restore_one(s, stage, from);
    s->seen = rc == FLOW_OK ? seen : 0;
    return rc;
}

static void sampler_close(void *self, struct flow_stage *stage)
{
    struct sampler *s = self;
    (void)stage;
    for (size_t i = 0; s->kept != NULL && i < (size_t)s->n; i++)
        free(s->kept[i].bytes);
    free(s->kept);
}

static const struct flow_stage_type sampler = {
    .name = "sample",
    .help = "lets a part of the records through: each n-th, by chance, the first ones",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL | FLOW_LIGHT,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct sampler),
    .open = sampler_open,
    .process_batch = sampler_process_batch,
    .finish = sampler_finish,
    .close = sampler_close,
    .save = sampler_save,
    .restore = sampler_restore,
};

FLOW_PLUGIN(&sampler);
