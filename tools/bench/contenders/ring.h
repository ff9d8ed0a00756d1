/* SPDX-License-Identifier: MIT */
#ifndef BENCH_RING_H
#define BENCH_RING_H

/*
 * What a careful programmer would write by hand to connect threads: rings with one producer and one
 * consumer, in which pooled blocks of many records travel.
 *
 *     node ──data──▶ node ──data──▶ node        a link is a pair of rings
 *          ◀──back──      ◀──back──
 *
 * A block belongs to the node that made it.  Whoever has read it sends it back on the link on which
 * it came; a node that passes a block on passes it back, too.  So only its owner counts the
 * readers of a block, and nothing but the rings is shared between threads.  How many blocks a node
 * has bounds what is under way.
 *
 * A node sleeps on its bell, a futex, and is woken only if it does.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_SLOTS 64

struct ring {
    _Alignas(64) atomic_size_t head; /* taken so far; the reader's */
    size_t seen_tail;                /* what the reader last saw of tail */
    _Alignas(64) atomic_size_t tail; /* put so far; the writer's */
    _Alignas(64) void *slots[RING_SLOTS];
};

/*
 * Records lie one after the other from `bytes`; the u32 just below `top` is where the first ends,
 * the one below that where the second ends, and so on.
 */
struct block {
    struct node *owner;
    struct block *next; /* in the owner's list of free ones */
    struct block *made; /* in the owner's list of all */
    unsigned readers;   /* that have not sent it back; the owner's */
    uint32_t count;
    size_t used;
    uint8_t *top;
    uint8_t bytes[];
};

struct link {
    struct ring data, back;
    struct node *from, *to;
    size_t under_way; /* blocks not yet sent back; of `from` */
    bool ended;       /* of `to` */
};

struct node {
    _Alignas(64) atomic_uint bell; /* 1: sleeps */
    struct link **in, **out;
    size_t in_count, out_count;
    size_t turn; /* the link to look at first */
    struct block *free, *made;
    size_t block_size, block_count, block_limit; /* bytes, blocks, blocks */
    void *context;
    void (*body)(struct node *node);
};

/* Blocks of `size` bytes, at most `limit` of them. */
void node_init(struct node *node, size_t size, size_t limit);

/* After all threads have ended. */
void node_clear(struct node *node);

/* `link` must stay where it is. */
void node_link(struct node *from, struct node *to, struct link *link);

/* An empty block; waits for one to come back if all are under way. */
struct block *node_new_block(struct node *node);

/* The next block of any link, and the link; NULL: all have ended. */
struct block *node_take(struct node *node, struct link **link);

/* Is there anything to take right now? */
bool node_has_input(const struct node *node);

/* The next block of this link; NULL: it has ended. */
struct block *node_take_from(struct node *node, struct link *link);

/* The link with the fewest blocks under way, fewer than `limit`; waits for one. */
struct link *node_choose(struct node *node, size_t limit);

/* Send to one reader, or to all.  A node's own block, or one that it passes on. */
void link_send(struct link *link, struct block *block);
void node_send(struct node *node, struct block *block);

/* The block has been read. */
void link_send_back(struct link *link, struct block *block);

/* No more blocks will come on any link out. */
void node_end(struct node *node);

static inline bool block_has_room(const struct block *block, size_t size)
{
    const size_t column = (size_t)(block->count + 1) * sizeof(uint32_t);
    return block->bytes + block->used + size + column <= block->top;
}

/* Where a record of `size` bytes is to be written. */
static inline uint8_t *block_add(struct block *block, size_t size)
{
    uint8_t *record = block->bytes + block->used;
    block->used += size;
    ((uint32_t *)(void *)block->top)[-1 - (ptrdiff_t)block->count++] = (uint32_t)block->used;
    return record;
}

static inline uint32_t block_end(const struct block *block, uint32_t i)
{
    return ((const uint32_t *)(const void *)block->top)[-1 - (ptrdiff_t)i];
}

#endif /* BENCH_RING_H */
