/* SPDX-License-Identifier: MIT */
#include "record/block.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "record/arena.h"
#include "record/lender.h"

#define SMALLEST_SHIFT 8 /* 256 bytes */
#define LARGE_SHIFT 20
/* Of each class above that, so many free blocks are kept, or as many as take so many bytes. */
#define KEEP_LARGE 4
#define KEEP_BYTES ((size_t)64 << 20)

/* In an arena data begins on a page, and the header lies at the end of the page before it. */
#define PAGE ((size_t)4096)

/* Free blocks, the last one returned first: its memory is the most likely to be in a cache. */
struct shelf {
    struct flow_block *blocks[FLOW_POOL_CLASSES];
    size_t count[FLOW_POOL_CLASSES];
};

struct flow_pool {
    struct shelf own; /* the owner's, like all but `returned` */
    struct shelf shared;
    size_t total;             /* blocks that exist */
    struct flow_arena *arena; /* NULL: none */
    bool leaves_arena;        /* it is no longer taken from */
    struct flow_lender *lenders;
    _Alignas(
        64) _Atomic(struct flow_block *) returned; /* pushed by anyone, taken whole by the owner */
};

struct flow_pool *flow_pool_new(void)
{
    struct flow_pool *pool = flow_alloc_aligned(64, sizeof(*pool));
    if (pool != NULL)
        *pool = (struct flow_pool){0};
    return pool;
}

void flow_pool_use_arena(struct flow_pool *pool, struct flow_arena *arena)
{
    assert(pool->arena == NULL);
    pool->arena = arena;
}

void flow_pool_leave_arena(struct flow_pool *pool)
{
    pool->leaves_arena = true;
}

bool flow_pool_poll(struct flow_pool *pool)
{
    bool passes_on = false;
    for (struct flow_lender *lender = pool->lenders; lender != NULL; lender = lender->next)
        passes_on = flow_lender_poll(lender) || passes_on;
    return passes_on;
}

void flow_pool_add_lender(struct flow_pool *pool, struct flow_lender *lender)
{
    lender->next = pool->lenders;
    pool->lenders = lender;
}

void flow_pool_remove_lender(struct flow_pool *pool, struct flow_lender *lender)
{
    struct flow_lender **at = &pool->lenders;
    while (*at != NULL && *at != lender)
        at = &(*at)->next;
    if (*at != NULL)
        *at = lender->next;
}

static struct shelf *shelf_of(struct flow_pool *pool, bool shared)
{
    return shared ? &pool->shared : &pool->own;
}

static size_t capacity_of(unsigned size_class)
{
    return (size_t)1 << (size_class + SMALLEST_SHIFT);
}

static unsigned class_of(size_t capacity)
{
    unsigned size_class = 0;
    while (capacity_of(size_class) < capacity)
        size_class++;
    return size_class;
}

/* With `empty`, pages of an arena are not kept either. */
static void destroy(struct flow_pool *pool, struct flow_block *block, bool empty)
{
    if (block->shared)
        flow_arena_give(pool->arena, block->frame + FLOW_FRAME_HEADER - PAGE,
                        PAGE + block->capacity, empty);
    free(block);
    pool->total--;
}

static bool is_surplus(const struct shelf *shelf, unsigned size_class)
{
    const size_t count = shelf->count[size_class];
    return size_class + SMALLEST_SHIFT > LARGE_SHIFT && count >= KEEP_LARGE &&
           (count + 1) * capacity_of(size_class) > KEEP_BYTES;
}

/* Sort what has come back, from other threads and other processes, into the free lists. */
static void collect(struct flow_pool *pool)
{
    (void)flow_pool_poll(pool);
    struct flow_block *block =
        atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    while (block != NULL) {
        struct flow_block *next = block->next;
        struct shelf *shelf = shelf_of(pool, block->shared);
        const unsigned size_class = block->size_class;
        if (is_surplus(shelf, size_class)) {
            destroy(pool, block, true);
        } else {
            block->next = shelf->blocks[size_class];
            shelf->blocks[size_class] = block;
            shelf->count[size_class]++;
        }
        block = next;
    }
}

static struct flow_block *pick(struct shelf *shelf, unsigned size_class)
{
    struct flow_block *block = shelf->blocks[size_class];
    if (block == NULL)
        return NULL;
    shelf->blocks[size_class] = block->next;
    shelf->count[size_class]--;
    return block;
}

static void clear_shelf(struct flow_pool *pool, struct shelf *shelf)
{
    for (unsigned i = 0; i < FLOW_POOL_CLASSES; i++) {
        struct flow_block *block;
        while ((block = pick(shelf, i)) != NULL)
            destroy(pool, block, false);
    }
}

void flow_pool_free(struct flow_pool *pool)
{
    if (pool == NULL)
        return;

    collect(pool);
    clear_shelf(pool, &pool->own);
    clear_shelf(pool, &pool->shared);
    assert(pool->total == 0);
    flow_arena_free(pool->arena);
    free(pool);
}

static struct flow_block *create_own(unsigned size_class)
{
    struct flow_block *block =
        flow_alloc_aligned(64, sizeof(*block) + FLOW_FRAME_HEADER + capacity_of(size_class));
    if (block != NULL)
        *block = (struct flow_block){.frame = (uint8_t *)(block + 1)};
    return block;
}

static struct flow_block *create_shared(struct flow_pool *pool, unsigned size_class)
{
    const size_t size = PAGE + capacity_of(size_class);
    struct flow_block *block = flow_alloc(sizeof(*block));
    if (block == NULL)
        return NULL;
    uint8_t *bytes = flow_arena_take(pool->arena, size);
    if (bytes == NULL) { /* what is free is of other sizes, perhaps */
        clear_shelf(pool, &pool->shared);
        bytes = flow_arena_take(pool->arena, size);
    }
    if (bytes == NULL) {
        free(block);
        return NULL;
    }
    block->frame = bytes + PAGE - FLOW_FRAME_HEADER;
    block->shared = true;
    return block;
}

static struct flow_block *create(struct flow_pool *pool, unsigned size_class, bool shared)
{
    struct flow_block *block = shared ? create_shared(pool, size_class) : create_own(size_class);
    if (block == NULL)
        return NULL;
    block->size_class = (uint8_t)size_class;
    block->pool = pool;
    block->capacity = capacity_of(size_class);
    pool->total++;
    return block;
}

static struct flow_block *take(struct flow_pool *pool, size_t capacity, bool shared)
{
    const unsigned size_class = class_of(capacity);
    if (size_class >= FLOW_POOL_CLASSES)
        return NULL;

    struct shelf *shelf = shelf_of(pool, shared);
    if (shelf->blocks[size_class] == NULL)
        collect(pool);
    struct flow_block *block = pick(shelf, size_class);
    if (block == NULL)
        block = create(pool, size_class, shared);
    if (block == NULL)
        return NULL;

    block->next = NULL;
    block->keyed = false;
    block->framed = false;
    block->writable = true;
    block->data = block->frame + FLOW_FRAME_HEADER;
    block->top = block->data + block->capacity;
    block->size = 0;
    block->count = 0;
    atomic_store_explicit(&block->refs, 1, memory_order_relaxed);
    return block;
}

struct flow_block *flow_pool_take_private(struct flow_pool *pool, size_t capacity)
{
    return take(pool, capacity, false);
}

struct flow_block *flow_pool_take(struct flow_pool *pool, size_t capacity)
{
    struct flow_block *block = NULL;
    if (pool->arena != NULL && !pool->leaves_arena && capacity >= FLOW_SHARE_MIN)
        block = take(pool, capacity, true);
    return block != NULL ? block : take(pool, capacity, false);
}

void flow_pool_put(struct flow_block *block)
{
    struct flow_pool *pool = block->pool;
    struct flow_block *head = atomic_load_explicit(&pool->returned, memory_order_relaxed);
    block->release = NULL;
    block->lease.data = NULL;
    do {
        block->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&pool->returned, &head, block,
                                                    memory_order_release, memory_order_relaxed));
}

void flow_block_unref(struct flow_block *block)
{
    if (block == NULL || atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1)
        return;

    if (block->release != NULL)
        block->release(block);
    else
        flow_pool_put(block);
}

size_t flow_block_span(const struct flow_block *block, uint32_t first, uint32_t count)
{
    if (count == 0)
        return 0;

    const size_t step = flow_block_step(block);
    const size_t last = (size_t)first + count - 1;
    const uint32_t start = first == 0 ? 0 : flow_column_(block->top, (first - 1u) * step);
    return flow_column_(block->top, last * step) - start;
}
