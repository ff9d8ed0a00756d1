/* SPDX-License-Identifier: MIT */

/*
 * A hash table with open addressing: `slots` is a power of two long and never more than three
 * quarters full; an entry lies in the first free slot from where its hash points.  The bytes of the
 * keys lie in blocks of 64 KiB, so that a new key costs no allocation.
 */

#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK ((size_t)64 << 10)
#define FIRST_CAPACITY 1024
#define DIGITS 20 /* of the largest count */

struct entry {
    const char *key; /* NULL: the slot is free */
    size_t size;
    uint64_t hash;
    uint64_t count;
};

struct block {
    struct block *next;
    size_t used, size;
    char bytes[];
};

struct counter {
    struct entry *slots;
    size_t capacity, used;
    struct block *blocks; /* the one that is being filled comes first */
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to count: by their key, or, without one, by their bytes"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "text", "at the end, \"COUNT KEY\" for each key, sorted by key; its key is KEY"},
    {NULL, NULL, NULL},
};

/* Eight bytes at a time, each multiplied in and folded down, since slots are chosen by low bits. */
static uint64_t hash_bytes(const unsigned char *bytes, size_t size)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio */
    uint64_t hash = size * factor;
    while (size > 0) {
        uint64_t word = 0;
        const size_t taken = size < sizeof(word) ? size : sizeof(word);
        memcpy(&word, bytes, taken);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
        bytes += taken;
        size -= taken;
    }
    hash *= factor;
    return hash ^ hash >> 29;
}

/* The slot of the key, or the free one where it belongs. */
static struct entry *find(const struct counter *c, const void *key, size_t size, uint64_t hash)
{
    size_t at = (size_t)hash & (c->capacity - 1);
    for (;;) {
        struct entry *slot = &c->slots[at];
        if (slot->key == NULL)
            return slot;
        if (slot->hash == hash && slot->size == size && memcmp(slot->key, key, size) == 0)
            return slot;
        at = (at + 1) & (c->capacity - 1);
    }
}

static bool grow(struct counter *c)
{
    const struct counter old = *c;
    const size_t capacity = old.capacity == 0 ? FIRST_CAPACITY : old.capacity * 2;
    struct entry *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    c->slots = slots;
    c->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        const struct entry *entry = &old.slots[i];
        if (entry->key != NULL)
            *find(c, entry->key, entry->size, entry->hash) = *entry;
    }
    free(old.slots);
    return true;
}

static const char *keep(struct counter *c, const void *key, size_t size)
{
    struct block *block = c->blocks;
    if (block == NULL || block->size - block->used < size) {
        const size_t room = size > BLOCK ? size : BLOCK;
        block = malloc(sizeof(*block) + room);
        if (block == NULL)
            return NULL;
        *block = (struct block){.next = c->blocks, .size = room};
        c->blocks = block;
    }
    char *copy = block->bytes + block->used;
    memcpy(copy, key, size);
    block->used += size;
    return copy;
}

static bool count_key(struct counter *c, const void *key, size_t size)
{
    if (c->used >= c->capacity / 4 * 3 && !grow(c))
        return false;
    const uint64_t hash = hash_bytes(key, size);
    struct entry *slot = find(c, key, size, hash);
    if (slot->key == NULL) {
        const char *copy = keep(c, key, size);
        if (copy == NULL)
            return false;
        *slot = (struct entry){.key = copy, .size = size, .hash = hash};
        c->used++;
    }
    slot->count++;
    return true;
}

static enum flow_status counter_process_batch(void *self, struct flow_stage *stage,
                                              const struct flow_batch *batch)
{
    struct counter *c = self;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        const bool counted = record.key_size > 0 ? count_key(c, record.key, record.key_size)
                                                 : count_key(c, record.data, record.size);
        if (!counted)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for more than %zu keys", c->used);
    }
    return FLOW_OK;
}

static int by_key(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    const int order = memcmp(a->key, b->key, a->size < b->size ? a->size : b->size);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static enum flow_status emit_entry(const struct entry *entry, struct flow_stage *stage)
{
    char *room = flow_reserve(stage, 0, DIGITS + 1 + entry->size);
    if (room == NULL)
        return FLOW_EABORT;
    char count[DIGITS + 2];
    const int digits = snprintf(count, sizeof(count), "%" PRIu64 " ", entry->count);
    memcpy(room, count, (size_t)digits);
    memcpy(room + digits, entry->key, entry->size);
    const struct flow_target to = {.key = entry->key, .key_size = entry->size};
    return flow_commit(stage, &to, (size_t)digits + entry->size);
}

/* The table is given up: its entries move together and are sorted where they lie. */
static enum flow_status counter_finish(void *self, struct flow_stage *stage)
{
    struct counter *c = self;
    size_t count = 0;
    for (size_t i = 0; i < c->capacity; i++) {
        if (c->slots[i].key != NULL)
            c->slots[count++] = c->slots[i];
    }
    if (count > 1)
        qsort(c->slots, count, sizeof(*c->slots), by_key);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < count; i++)
        rc = emit_entry(&c->slots[i], stage);
    return rc;
}

static void counter_close(void *self, struct flow_stage *stage)
{
    struct counter *c = self;
    (void)stage;
    free(c->slots);
    while (c->blocks != NULL) {
        struct block *next = c->blocks->next;
        free(c->blocks);
        c->blocks = next;
    }
}

static const struct flow_stage_type counter = {
    .name = "count.keys",
    .help = "counts how often each key comes, emits the counts at the end",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .inputs = inputs,
    .outputs = outputs,
    .state_size = sizeof(struct counter),
    .process_batch = counter_process_batch,
    .finish = counter_finish,
    .close = counter_close,
};

FLOW_PLUGIN(&counter);
