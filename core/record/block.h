/* SPDX-License-Identifier: MIT */
#ifndef FLOW_RECORD_BLOCK_H
#define FLOW_RECORD_BLOCK_H

/*
 * A block: the memory of one batch, counted by reference.  Once sealed it does not change while
 * there is more than one reference, so any number of readers share it, and a broadcast costs no
 * copy.  Who has the only one may write to the bytes of its records, but not to its column.
 *
 *      frame header        data ──>                               <── column
 *     ┌────────────┬────────────────────────┬──────────────────┬────────────────┐
 *     │  64 bytes  │ record 0, record 1, …  │      unused      │ … end 1, end 0 │
 *     └────────────┴────────────────────────┴──────────────────┴────────────────┘
 *     frame        data                     data + size                         top
 *
 * Blocks come from the pool of the replica that fills them and go back to it, from whichever thread
 * lets go of them last: in the steady state nothing is allocated, and no block's memory is freed by
 * a core that did not allocate it.
 *
 * Threads: a pool is taken from by its owner only; flow_block_unref may be called anywhere.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "flowrun/stage.h"

#define FLOW_FRAME_HEADER 64u
#define FLOW_POOL_CLASSES 22 /* powers of two from 256 B to 512 MiB: the largest record fits */

/*
 * From this many bytes on (columns included), a batch for another process lies in shared memory and
 * a descriptor of it travels; below, its bytes travel.  See docs/shared-memory.md for the figures.
 */
#define FLOW_SHARE_MIN ((size_t)8 << 10)

struct flow_pool;
struct flow_arena;
struct flow_lender;

/* Where the bytes of a block that another process has lent us lie, and how they are returned. */
struct flow_lease {
    const uint8_t *data;    /* of the whole batch; NULL: not lent */
    const uint8_t *top;     /* of its column there, which is not to be trusted */
    uint32_t first;         /* record 0 of ours is this one there */
    uint32_t tag;           /* what to write ... */
    _Atomic uint32_t *slot; /* ... and where */
};

struct flow_block {
    _Atomic uint32_t refs;
    bool keyed;
    bool framed;   /* the header is in use by a frame on its way */
    bool shared;   /* the frame lies in its pool's arena */
    bool writable; /* the bytes are ours, should we be the only ones to hold them */
    uint8_t size_class;
    struct flow_pool *pool;
    void (*release)(struct flow_block *block); /* NULL, or instead of going back to the pool */
    struct flow_block *next;                   /* in a free list */
    uint8_t *frame;                            /* FLOW_FRAME_HEADER bytes, then `data` */
    size_t capacity;                           /* of data and column together, bytes */
    /* The batch, once sealed. */
    const uint8_t *data;
    const uint8_t *top;
    size_t size; /* bytes of data */
    uint32_t count;
    struct flow_lease lease;
};

struct flow_pool *flow_pool_new(void);

/* Every block must have come back. */
void flow_pool_free(struct flow_pool *pool);

/*
 * From now on blocks of FLOW_SHARE_MIN and more come from the arena as long as it has room, and
 * from private memory when it has none.  The arena is taken over.
 */
void flow_pool_use_arena(struct flow_pool *pool, struct flow_arena *arena);

/* From now on blocks come from private memory: what lies in the arena may still be read. */
void flow_pool_leave_arena(struct flow_pool *pool);

/*
 * Take back what has been returned by other processes.  True: something of another process that was
 * passed on has not been.
 */
bool flow_pool_poll(struct flow_pool *pool);

/* A block with one reference and room for at least `capacity` bytes; NULL when memory is short. */
struct flow_block *flow_pool_take(struct flow_pool *pool, size_t capacity);

/* The same, never from an arena. */
struct flow_block *flow_pool_take_private(struct flow_pool *pool, size_t capacity);

/* Put a block back that nothing refers to: the last thing that a `release` does. */
void flow_pool_put(struct flow_block *block);

/* What is lent by `lender` may be blocks of this pool: look there before making new ones. */
void flow_pool_add_lender(struct flow_pool *pool, struct flow_lender *lender);
void flow_pool_remove_lender(struct flow_pool *pool, struct flow_lender *lender);

static inline struct flow_block *flow_block_ref(struct flow_block *block)
{
    atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    return block;
}

/* Takes NULL. */
void flow_block_unref(struct flow_block *block);

/* May its one reader write to it?  Others, also in other threads, have let go of it for good. */
static inline bool flow_block_is_own(const struct flow_block *block)
{
    return block->writable && atomic_load_explicit(&block->refs, memory_order_acquire) == 1;
}

/* The bytes of a sealed block's records, for its only reader: see flow_block_is_own. */
static inline uint8_t *flow_block_bytes(const struct flow_block *block)
{
    uint8_t *bytes;
    memcpy(&bytes, &block->data, sizeof(bytes));
    return bytes;
}

/* Words that the column holds for each record. */
static inline size_t flow_block_step(const struct flow_block *block)
{
    return block->keyed ? 2 : 1;
}

/* Bytes of data that records `first` to `first + count - 1` take, keys included. */
size_t flow_block_span(const struct flow_block *block, uint32_t first, uint32_t count);

/* What records count for where memory is bounded: their bytes and their part of the column. */
static inline size_t flow_block_weight(const struct flow_block *block, uint32_t first,
                                       uint32_t count)
{
    return flow_block_span(block, first, count) + count * flow_block_step(block) * sizeof(uint32_t);
}

/* A part of a sealed block, as callbacks see it. */
static inline struct flow_batch flow_block_view(const struct flow_block *block, uint32_t first,
                                                uint32_t count)
{
    return (struct flow_batch){
        .bytes = block->data,
        .top = block->top,
        .first = first,
        .count = count,
        .keyed = block->keyed,
    };
}

#endif /* FLOW_RECORD_BLOCK_H */
