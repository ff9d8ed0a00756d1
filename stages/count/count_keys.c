/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/key_table.h"

#define AHEAD 16 /* keys whose slots are fetched at the same time */
#define FEW 24   /* so many entries are sorted faster one by one than by their bytes */
#define DEPTH 24 /* bytes that keys are sorted by; if those are equal, they are compared whole */

struct counter {
    bool sum;
    struct flow_key_table table;
};

/* What a record adds to the count of which key. */
struct addition {
    struct flow_key key;
    uint64_t hash;
    uint64_t weight;
    uint32_t index; /* of the record in its batch */
};

static const struct flow_param params[] = {
    FLOW_PARAM_BOOL(struct counter, sum, "false",
                    "a record counts as often as the number says that it begins with"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to count: by their key, or, without one, by their bytes"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "text", "at the end, \"COUNT KEY\" for each key, sorted by key; its key is KEY"},
    {NULL, NULL, NULL},
};

/* "COUNT KEY": the weight is COUNT, and the key, if the record has none, what follows the blank. */
static bool weigh(struct flow_record *record, uint64_t *weight)
{
    size_t used;
    if (!flow_bytes_number(record->data, record->size, weight, &used))
        return false;
    const char *data = record->data;
    if (record->key_size == 0) {
        used += used < record->size && data[used] == ' ';
        record->data = data + used;
        record->size -= used;
    }
    return true;
}

static enum flow_status refuse(struct flow_stage *stage, uint32_t index, const char *what,
                               const struct flow_record *record)
{
    return flow_batch_reject(stage, index, "%s %s", what,
                             flow_bytes_quote(record->data, record->size).text);
}

/* What the next records add, at most AHEAD; their slots are on the way into the cache. */
static enum flow_status look_ahead(const struct counter *c, struct flow_stage *stage,
                                   const struct flow_batch *batch, struct flow_cursor *cursor,
                                   struct addition *ahead, size_t *count)
{
    const void *limit = flow_key_limit(batch);
    size_t filled = 0;
    while (filled < AHEAD && flow_batch_next(cursor)) {
        struct flow_record record = cursor->record;
        struct addition *addition = &ahead[filled];
        addition->weight = 1;
        addition->index = (uint32_t)(record.number - batch->number);
        if (c->sum && !weigh(&record, &addition->weight)) {
            const enum flow_status rc =
                refuse(stage, addition->index, "no number of at most 64 bits at the start of",
                       &cursor->record);
            if (rc != FLOW_OK)
                return rc;
            continue;
        }
        const bool keyed = record.key_size > 0;
        addition->hash =
            flow_key_load(&addition->key, keyed ? record.key : record.data,
                          keyed ? record.key_size : record.size, limit, &c->table.seed);
        flow_key_table_prefetch(&c->table, addition->hash);
        filled++;
    }
    *count = filled;
    return FLOW_OK;
}

static enum flow_status add(struct counter *c, struct flow_stage *stage,
                            const struct flow_batch *batch, const struct addition *addition)
{
    struct flow_key_slot *slot = flow_key_table_slot(&c->table, &addition->key, addition->hash);
    if (slot == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for more than %zu keys",
                               c->table.used);
    if (__builtin_add_overflow(slot->count, addition->weight, &slot->count)) {
        slot->count -= addition->weight;
        const struct flow_record record = flow_batch_record(batch, addition->index);
        return refuse(stage, addition->index, "64 bits do not hold the sum with", &record);
    }
    return FLOW_OK;
}

static enum flow_status counter_open(void *self, struct flow_stage *stage)
{
    struct counter *c = self;
    (void)stage;
    flow_key_table_init(&c->table);
    return FLOW_OK;
}

static enum flow_status counter_process_batch(void *self, struct flow_stage *stage,
                                              const struct flow_batch *batch)
{
    struct counter *c = self;
    struct flow_cursor cursor = flow_batch_begin(batch);
    struct addition ahead[AHEAD];
    size_t count;
    enum flow_status rc;
    do {
        count = 0;
        rc = look_ahead(c, stage, batch, &cursor, ahead, &count);
        for (size_t i = 0; rc == FLOW_OK && i < count; i++)
            rc = add(c, stage, batch, &ahead[i]);
    } while (rc == FLOW_OK && count > 0);
    return rc;
}

static int by_key(const void *left, const void *right)
{
    const struct flow_key *a = &((const struct flow_key_slot *)left)->key;
    const struct flow_key *b = &((const struct flow_key_slot *)right)->key;
    if (!flow_key_is_long(a) && !flow_key_is_long(b))
        return memcmp(a, b, sizeof(*a));
    const size_t a_size = flow_key_size(a);
    const size_t b_size = flow_key_size(b);
    const int order =
        memcmp(flow_key_bytes(a), flow_key_bytes(b), a_size < b_size ? a_size : b_size);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static void sort_few(struct flow_key_slot *slots, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const struct flow_key_slot slot = slots[i];
        size_t at = i;
        for (; at > 0 && by_key(&slots[at - 1], &slot) > 0; at--)
            slots[at] = slots[at - 1];
        slots[at] = slot;
    }
}

/* Where a slot belongs by byte `depth` of its key: first those that have no such byte. */
static size_t bucket_of(const struct flow_key_slot *slot, size_t depth)
{
    if (flow_key_size(&slot->key) <= depth)
        return 0;
    return (size_t)((const unsigned char *)flow_key_bytes(&slot->key))[depth] + 1;
}

/* Radix sort in place, from the first byte on: each slot is swapped into its bucket, then each
 * bucket is sorted by the next byte.  McIlroy, Bostic, McIlroy: Engineering Radix Sort, 1993. */
static void sort_by_byte(struct flow_key_slot *slots, size_t count, size_t depth)
{
    if (count <= FEW) {
        sort_few(slots, count);
        return;
    }
    if (depth == DEPTH) {
        qsort(slots, count, sizeof(*slots), by_key);
        return;
    }
    size_t end[257] = {0};
    size_t next[257];
    for (size_t i = 0; i < count; i++)
        end[bucket_of(&slots[i], depth)]++;
    size_t sum = 0;
    for (size_t b = 0; b < 257; b++) {
        next[b] = sum;
        sum += end[b];
        end[b] = sum;
    }
    for (size_t b = 0; b < 257; b++) {
        while (next[b] < end[b]) {
            const struct flow_key_slot slot = slots[next[b]];
            const size_t to = bucket_of(&slot, depth);
            slots[next[b]] = slots[next[to]];
            slots[next[to]++] = slot;
        }
    }
    for (size_t b = 1; b < 257; b++) /* without a further byte there is one key only */
        sort_by_byte(slots + end[b - 1], end[b] - end[b - 1], depth + 1);
}

static enum flow_status emit_entry(const struct flow_key_slot *slot, struct flow_stage *stage)
{
    const size_t size = flow_key_size(&slot->key);
    const char *key = flow_key_bytes(&slot->key);
    char *room = flow_reserve(stage, 0, FLOW_BYTES_DIGITS + 1 + size);
    if (room == NULL)
        return FLOW_EABORT;
    const size_t digits = flow_bytes_put_number(slot->count, room);
    room[digits] = ' ';
    memcpy(room + digits + 1, key, size);
    const struct flow_target to = {.key = key, .key_size = size};
    return flow_commit(stage, &to, digits + 1 + size);
}

/* The table is given up: its entries move together and are sorted where they lie. */
static enum flow_status counter_finish(void *self, struct flow_stage *stage)
{
    const struct counter *c = self;
    struct flow_key_slot *slots = c->table.slots;
    size_t count = 0;
    for (size_t i = 0; i < c->table.capacity; i++) {
        if (slots[i].key.words[2] != 0)
            slots[count++] = slots[i];
    }
    sort_by_byte(slots, count, 0);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < count; i++)
        rc = emit_entry(&slots[i], stage);
    return rc;
}

static enum flow_status counter_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct counter *c = self;
    (void)stage;
    return flow_key_table_save(&c->table, to);
}

static enum flow_status counter_restore(void *self, struct flow_stage *stage,
                                        struct flow_loader *from)
{
    struct counter *c = self;
    (void)stage;
    return flow_key_table_load(&c->table, from);
}

static void counter_close(void *self, struct flow_stage *stage)
{
    struct counter *c = self;
    (void)stage;
    flow_key_table_clear(&c->table);
}

static const struct flow_stage_type counter = {
    .name = "count.keys",
    .help = "counts how often each key comes, emits the counts at the end",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct counter),
    .open = counter_open,
    .process_batch = counter_process_batch,
    .finish = counter_finish,
    .close = counter_close,
    .save = counter_save,
    .restore = counter_restore,
};

FLOW_PLUGIN(&counter);
