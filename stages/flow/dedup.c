/* SPDX-License-Identifier: MIT */

/*
 * What was seen is remembered by fingerprints of 128 bits: among a billion values the chance that
 * any two share one is below 10^-20.  They depend on a seed that nobody knows beforehand.
 *
 * With `remember`, they lie in two tables: when the newer one is full, the older one is forgotten
 * and they change places.  So at least that many of the values seen last are known, at most twice
 * as many.
 */

#include <flowrun/stage.h>

#include <inttypes.h>

#include "shared/bytes.h"
#include "shared/json_field.h"
#include "shared/key_table.h"
#include "shared/text.h"

enum by { BY_RECORD, BY_KEY, BY_FIELD };
enum { PORT_OUT, PORT_DUPLICATES };

struct deduper {
    int by; /* enum by */
    char *field;
    int64_t remember;
    uint64_t memory;

    struct flow_json_paths paths; /* of the field */
    struct flow_key_seed seeds[2];
    struct flow_key_table now, before;
    struct flow_text scratch;
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct deduper, by, "record", "record|key|field",
                    "what must not come twice: the whole record, its key, or a JSON field"),
    FLOW_PARAM_STR(struct deduper, field, NULL, "with by field: where it is, as /user/id"),
    FLOW_PARAM_I64(struct deduper, remember, "0", 0, 1000000000,
                   "forget all but so many that came last, at least [values]; 0: forget none"),
    FLOW_PARAM_SIZE(struct deduper, memory, "1GiB", 1 << 20, 0x1p44,
                    "the run ends when what is remembered takes more [bytes]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records, some of them more than once"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "the first of each, unchanged"},
    {"duplicates", "bytes", "the others, unchanged"},
    {NULL, NULL, NULL},
};

static enum flow_status deduper_open(void *self, struct flow_stage *stage)
{
    struct deduper *d = self;
    if ((d->by == BY_FIELD) != (d->field != NULL))
        return flow_stage_fail(stage, FLOW_EINVAL, "\"by\": \"field\" and 'field' go together");
    const char *why = flow_json_field_init(&d->paths, d->field);
    if (why != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "field '%s': %s", d->field, why);
    d->seeds[0] = flow_key_seed_new();
    d->seeds[1] = flow_key_seed_new();
    d->seeds[1].a ^= UINT64_C(0x243f6a8885a308d3); /* also where there is no chance to be had */
    flow_key_table_init(&d->now);
    flow_key_table_init(&d->before);
    return FLOW_OK;
}

/* A value by which two records are equal; NULL: it was refused, `*rc` says how that went. */
static const void *find_field(struct deduper *d, struct flow_stage *stage, uint32_t index,
                              const struct flow_record *record, size_t *size, enum flow_status *rc)
{
    struct flow_json_value value;
    const enum flow_json_found found =
        flow_json_find(&d->paths, record->data, record->size, &value);
    if (found != FLOW_JSON_FOUND) {
        *rc = flow_batch_reject(stage, index, "%s: %s",
                                found == FLOW_JSON_BROKEN ? "no JSON" : "its field is missing",
                                flow_bytes_quote(record->data, record->size).text);
        return NULL;
    }
    const char *raw = flow_json_raw(&value, size);
    /* With its first quote, so that "1" and 1 are two values. */
    *size -= flow_json_is_text(&value);
    if (!value.escaped)
        return raw;
    d->scratch.size = 0;
    if (!flow_text_reserve(&d->scratch, *size)) {
        *rc = flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a field");
        return NULL;
    }
    d->scratch.at[0] = '"';
    *size = flow_json_put_string(&value, d->scratch.at + 1) + 1;
    return d->scratch.at;
}

static const void *find_value(struct deduper *d, struct flow_stage *stage, uint32_t index,
                              const struct flow_record *record, size_t *size, enum flow_status *rc)
{
    if (d->by == BY_FIELD)
        return find_field(d, stage, index, record, size, rc);
    if (d->by == BY_RECORD) {
        *size = record->size;
        return record->data;
    }
    *size = record->key_size;
    if (record->key == NULL)
        *rc = flow_batch_reject(stage, index, "it has no key: %s",
                                flow_bytes_quote(record->data, record->size).text);
    return record->key;
}

static bool is_known(const struct flow_key_table *table, const struct flow_key *key)
{
    return table->capacity > 0 &&
           flow_key_table_find(table, key, flow_key_hash(key, &table->seed))->key.words[2] != 0;
}

static enum flow_status no_room(const struct deduper *d, struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM,
                           "%zu different values take more than %" PRIu64
                           " bytes: raise 'memory', set 'remember', or use more workers by key",
                           d->now.used, d->memory);
}

/* Note a value that was not known. */
static enum flow_status note(struct deduper *d, struct flow_stage *stage,
                             const struct flow_key *key)
{
    if (d->remember > 0 && d->now.used >= (size_t)d->remember) {
        flow_key_table_clear(&d->before);
        d->before = d->now;
        flow_key_table_init(&d->now);
    }
    const bool grows = d->now.used >= d->now.capacity / 4 * 3;
    const size_t slots = d->now.capacity * (grows ? 2 : 1) + d->before.capacity;
    if (slots > d->memory / sizeof(struct flow_key_slot))
        return no_room(d, stage);
    return flow_key_table_slot(&d->now, key, flow_key_hash(key, &d->now.seed)) != NULL
               ? FLOW_OK
               : no_room(d, stage);
}

static enum flow_status deduper_process_batch(void *self, struct flow_stage *stage,
                                              const struct flow_batch *batch)
{
    struct deduper *d = self;
    const bool duplicates = flow_connected(stage, PORT_DUPLICATES);
    enum flow_status rc = FLOW_OK;
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++) {
        size_t size = 0;
        const void *value = find_value(d, stage, i, &c.record, &size, &rc);
        if (value == NULL)
            continue;
        uint64_t print[3] = {flow_key_hash_bytes(&d->seeds[0], value, size),
                             flow_key_hash_bytes(&d->seeds[1], value, size), 0};
        const struct flow_key key = flow_key_load_wide(print, 2 * sizeof(*print));
        const bool new_here = !is_known(&d->now, &key);
        const bool is_new = new_here && !is_known(&d->before, &key);
        if (new_here)
            rc = note(d, stage, &key);
        if (rc == FLOW_OK && (is_new || duplicates))
            rc = flow_forward(stage, is_new ? PORT_OUT : PORT_DUPLICATES, &c.record);
    }
    return rc;
}

static enum flow_status deduper_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct deduper *d = self;
    (void)stage;
    enum flow_status rc = flow_save(to, d->seeds, sizeof(d->seeds));
    if (rc == FLOW_OK)
        rc = flow_key_table_save(&d->before, to);
    return rc == FLOW_OK ? flow_key_table_save(&d->now, to) : rc;
}

static enum flow_status deduper_restore(void *self, struct flow_stage *stage,
                                        struct flow_loader *from)
{
    struct deduper *d = self;
    (void)stage;
    enum flow_status rc = flow_load(from, d->seeds, sizeof(d->seeds));
    if (rc == FLOW_OK)
        rc = flow_key_table_load(&d->before, from);
    return rc == FLOW_OK ? flow_key_table_load(&d->now, from) : rc;
}

static void deduper_close(void *self, struct flow_stage *stage)
{
    struct deduper *d = self;
    (void)stage;
    flow_key_table_clear(&d->now);
    flow_key_table_clear(&d->before);
    flow_json_paths_clear(&d->paths);
    flow_text_clear(&d->scratch);
}

static const struct flow_stage_type deduper = {
    .name = "dedup",
    .help = "lets each record through once, by its bytes, its key or a JSON field",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct deduper),
    .open = deduper_open,
    .process_batch = deduper_process_batch,
    .close = deduper_close,
    .save = deduper_save,
    .restore = deduper_restore,
};

FLOW_PLUGIN(&deduper);
