/* SPDX-License-Identifier: MIT */
#ifndef FLOW_RECORD_BUILDER_H
#define FLOW_RECORD_BUILDER_H

/*
 * A builder fills a block with records, in place, until it is sealed into a batch.
 *
 * It remembers where the record in hand began (flow_builder_mark), so that what a failed record has
 * emitted can be withdrawn, and so that a full batch is cut before that record and not inside it.
 *
 * Threads: one owner.
 */

#include "record/block.h"

struct flow_builder {
    struct flow_pool *pool;
    struct flow_block *block; /* NULL: nothing open */
    size_t used;              /* bytes of data, reservations not included */
    uint32_t count;
    bool keyed;       /* the open block has key sizes; stays on, once a key was seen */
    bool compact;     /* sealed blocks have no gap before the column: they may become frames */
    size_t target;    /* a batch is full at this many bytes, column included */
    uint32_t most;    /* ... or this many records */
    uint64_t order;   /* the owner's: when this block was opened */
    uint64_t mark_id; /* which record the mark was made for */
    size_t mark_used;
    uint32_t mark_count;
    bool mark_sent; /* some of what followed the mark has been sealed */
};

/* Bytes and key of a record to be added. */
struct flow_piece {
    const void *data;
    size_t size;
    const void *key;
    size_t key_size;
};

/* Would a record of `size` bytes with its key fit into the open block?  True if nothing is open. */
bool flow_builder_fits(const struct flow_builder *builder, size_t size, size_t key_size);

/*
 * Room for `size` bytes of data and `key_size` of key, opening a block (large enough for a huge
 * record) if none is open.  The caller has asked flow_builder_fits.  NULL when memory is short.
 */
uint8_t *flow_builder_reserve(struct flow_builder *builder, size_t size, size_t key_size);

/* Make what was just reserved, with `size` bytes written, a record; the key is copied behind it. */
void flow_builder_commit(struct flow_builder *builder, size_t size, const void *key,
                         size_t key_size);

/* Where the reservation lies; NULL without an open block. */
uint8_t *flow_builder_reserved(const struct flow_builder *builder);

/* Do `size` bytes and a key have room in the open block's memory, whatever the target says? */
bool flow_builder_holds(const struct flow_builder *builder, size_t size, size_t key_size);

/* Note, once for each `id`, where the record in hand begins. */
static inline void flow_builder_mark(struct flow_builder *builder, uint64_t id)
{
    if (builder->mark_id == id)
        return;
    builder->mark_id = id;
    builder->mark_used = builder->used;
    builder->mark_count = builder->count;
    builder->mark_sent = false;
}

/* Has some of what was added since the mark for `id` been sealed already? */
static inline bool flow_builder_has_sent(const struct flow_builder *builder, uint64_t id)
{
    return builder->mark_id == id && builder->mark_sent;
}

/* Withdraw what was added since the mark for `id`, and say how many records that were. */
uint32_t flow_builder_rollback(struct flow_builder *builder, uint64_t id);

/*
 * Close the open block and hand it over: a batch of `*count` records, or NULL when it is empty or,
 * with *count > 0, when memory is short.  With `id` not 0, what was added since the mark for `id`
 * stays behind in a new open block, unless it is all there is.
 */
struct flow_block *flow_builder_seal(struct flow_builder *builder, uint64_t id, uint32_t *count);

/* Drop what is open. */
void flow_builder_clear(struct flow_builder *builder);

/* A block of its own with a part of another one's records; NULL when memory is short. */
struct flow_block *flow_block_copy(struct flow_pool *pool, const struct flow_block *from,
                                   uint32_t first, uint32_t count);

#endif /* FLOW_RECORD_BUILDER_H */
