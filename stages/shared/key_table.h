/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_KEY_TABLE_H
#define FLOW_STAGES_KEY_TABLE_H

/*
 * Numbers by key: a hash table with open addressing, a power of two long and never more than three
 * quarters full.  A key lies in the first free slot from where the high bits of its hash point, so
 * a table twice as large holds its keys in nearly the same order, and growing runs through memory
 * from front to end.  A slot is half a cache line: short keys (stages/key.h) lie in it, and finding
 * one touches nothing else.  Longer ones lie in blocks, so that they cost no allocation each.
 *
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <flowrun/stage.h>

#include <stdlib.h>
#include <sys/mman.h>

#include "shared/key.h"

#define FLOW_KEY_TABLE_FIRST ((size_t)1024) /* slots */
#define FLOW_KEY_BLOCK ((size_t)64 << 10)   /* bytes */
#define FLOW_KEY_PAGE ((size_t)2 << 20)     /* a huge page, bytes */

struct flow_key_slot {
    struct flow_key key; /* key.words[2] == 0: free */
    uint64_t count;
};

struct flow_key_block {
    struct flow_key_block *next;
    size_t used, size;
    char bytes[];
};

struct flow_key_table {
    struct flow_key_seed seed;
    struct flow_key_slot *slots;
    size_t capacity, used;
    unsigned shift;                /* a hash shifted by it is the index of a slot */
    struct flow_key_block *blocks; /* the one that is being filled comes first */
};

/* An empty table; nothing is allocated yet. */
static inline void flow_key_table_init(struct flow_key_table *table)
{
    *table = (struct flow_key_table){.seed = flow_key_seed_new()};
}

/* The slot of the key, or the free one where it belongs.  The table is not empty. */
static inline struct flow_key_slot *flow_key_table_find(const struct flow_key_table *table,
                                                        const struct flow_key *key, uint64_t hash)
{
    size_t at = (size_t)(hash >> table->shift);
    for (;;) {
        struct flow_key_slot *slot = &table->slots[at];
        if (slot->key.words[2] == 0 || flow_key_equal(&slot->key, key))
            return slot;
        at = (at + 1) & (table->capacity - 1);
    }
}

/* Have the cache fetch the place where the key will be looked for. */
static inline void flow_key_table_prefetch(const struct flow_key_table *table, uint64_t hash)
{
    if (table->capacity > 0)
        __builtin_prefetch(&table->slots[hash >> table->shift], 1);
}

/* Free slots.  A large table asks for huge pages: a lookup then does not miss the TLB as well. */
static inline struct flow_key_slot *flow_key_table_alloc(size_t capacity)
{
    const size_t size = capacity * sizeof(struct flow_key_slot);
    void *slots = aligned_alloc(size < FLOW_KEY_PAGE ? 64 : FLOW_KEY_PAGE, size);
    if (slots == NULL)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (size >= FLOW_KEY_PAGE)
        (void)madvise(slots, size, MADV_HUGEPAGE);
#endif
    memset(slots, 0, size);
    return slots;
}

/* Twice as large.  False, and nothing changed: no memory. */
static inline bool flow_key_table_grow(struct flow_key_table *table)
{
    const struct flow_key_table old = *table;
    const size_t capacity = old.capacity == 0 ? FLOW_KEY_TABLE_FIRST : old.capacity * 2;
    struct flow_key_slot *slots = flow_key_table_alloc(capacity);
    if (slots == NULL)
        return false;
    table->slots = slots;
    table->capacity = capacity;
    table->shift = 64;
    for (size_t rest = capacity; rest > 1; rest /= 2)
        table->shift--;
    for (size_t i = 0; i < old.capacity; i++) {
        const struct flow_key_slot *slot = &old.slots[i];
        if (slot->key.words[2] != 0)
            *flow_key_table_find(table, &slot->key, flow_key_hash(&slot->key, &table->seed)) =
                *slot;
    }
    free(old.slots);
    return true;
}

/* A copy of the bytes of a long key; NULL: no memory. */
static inline const char *flow_key_table_keep(struct flow_key_table *table, const char *bytes,
                                              size_t size)
{
    struct flow_key_block *block = table->blocks;
    if (block == NULL || block->size - block->used < size) {
        const size_t room = size > FLOW_KEY_BLOCK ? size : FLOW_KEY_BLOCK;
        block = malloc(sizeof(*block) + room);
        if (block == NULL)
            return NULL;
        *block = (struct flow_key_block){.next = table->blocks, .size = room};
        table->blocks = block;
    }
    char *copy = block->bytes + block->used;
    memcpy(copy, bytes, size);
    block->used += size;
    return copy;
}

/* Put a new key into a slot that flow_key_table_find gave, growing the table first if it is due. */
static inline struct flow_key_slot *flow_key_table_insert(struct flow_key_table *table,
                                                          struct flow_key_slot *slot,
                                                          const struct flow_key *key, uint64_t hash)
{
    if (table->used >= table->capacity / 4 * 3) {
        if (!flow_key_table_grow(table))
            return NULL;
        slot = flow_key_table_find(table, key, hash);
    }
    struct flow_key own = *key;
    if (flow_key_is_long(key)) {
        const char *copy = flow_key_table_keep(table, flow_key_bytes(key), flow_key_size(key));
        if (copy == NULL)
            return NULL;
        memcpy(own.words, &copy, sizeof(copy));
    }
    *slot = (struct flow_key_slot){.key = own};
    table->used++;
    return slot;
}

/* The slot of a key, new ones with a count of 0; NULL: no memory. */
static inline struct flow_key_slot *flow_key_table_slot(struct flow_key_table *table,
                                                        const struct flow_key *key, uint64_t hash)
{
    struct flow_key_slot *slot = NULL;
    if (table->capacity > 0) {
        slot = flow_key_table_find(table, key, hash);
        if (slot->key.words[2] != 0)
            return slot;
    }
    return flow_key_table_insert(table, slot, key, hash);
}

/* Save keys and counts. */
static inline enum flow_status flow_key_table_save(const struct flow_key_table *table,
                                                   struct flow_saver *to)
{
    enum flow_status rc = flow_save_number(to, table->used);
    for (size_t i = 0; rc == FLOW_OK && table->used > 0 && i < table->capacity; i++) {
        const struct flow_key_slot *slot = &table->slots[i];
        if (slot->key.words[2] == 0)
            continue;
        const size_t size = flow_key_size(&slot->key);
        rc = flow_save_number(to, slot->count);
        if (rc == FLOW_OK)
            rc = flow_save_number(to, size);
        if (rc == FLOW_OK)
            rc = flow_save(to, flow_key_bytes(&slot->key), size);
    }
    return rc;
}

/* Load one key with its count. */
static inline enum flow_status flow_key_table_load_one(struct flow_key_table *table,
                                                       struct flow_loader *from)
{
    uint64_t count;
    uint64_t size;
    enum flow_status rc = flow_load_number(from, &count);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &size);
    if (rc != FLOW_OK)
        return rc;
    const char *bytes = size <= from->left ? flow_load_bytes(from, (size_t)size) : NULL;
    if (bytes == NULL)
        return FLOW_EPROTO;
    struct flow_key key;
    const uint64_t hash =
        flow_key_load(&key, bytes, (size_t)size, bytes + size + from->left, &table->seed);
    struct flow_key_slot *slot = flow_key_table_slot(table, &key, hash);
    if (slot == NULL)
        return FLOW_ENOMEM;
    slot->count = count;
    return FLOW_OK;
}

/* Load into an empty table what was saved.  FLOW_EPROTO, FLOW_ENOMEM. */
static inline enum flow_status flow_key_table_load(struct flow_key_table *table,
                                                   struct flow_loader *from)
{
    uint64_t keys;
    enum flow_status rc = flow_load_number(from, &keys);
    for (; rc == FLOW_OK && keys > 0; keys--)
        rc = flow_key_table_load_one(table, from);
    return rc;
}

/* Free what it holds.  A table that was never initialised, but is all zeros, has nothing to free.
 */
static inline void flow_key_table_clear(struct flow_key_table *table)
{
    free(table->slots);
    while (table->blocks != NULL) {
        struct flow_key_block *next = table->blocks->next;
        free(table->blocks);
        table->blocks = next;
    }
    *table = (struct flow_key_table){0};
}

#endif /* FLOW_STAGES_KEY_TABLE_H */
