/* SPDX-License-Identifier: MIT */
#include "record/block.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

#define SMALLEST_SHIFT 8 /* 256 bytes */
#define KEEP_LARGE 4     /* free blocks kept of each class above LARGE_SHIFT */
#define LARGE_SHIFT 20

struct flow_pool {
    struct flow_block *free_blocks[FLOW_POOL_CLASSES]; /* the owner's */
    size_t free_count[FLOW_POOL_CLASSES];
    size_t total; /* blocks that exist */
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

static void destroy(struct flow_pool *pool, struct flow_block *block)
{
    free(block);
    pool->total--;
}

static bool is_surplus(const struct flow_pool *pool, unsigned size_class)
{
    return size_class + SMALLEST_SHIFT > LARGE_SHIFT && pool->free_count[size_class] >= KEEP_LARGE;
}

/* Sort what other threads returned into the free lists. */
static void collect(struct flow_pool *pool)
{
    struct flow_block *block =
        atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    while (block != NULL) {
        struct flow_block *next = block->next;
        const unsigned size_class = block->size_class;
        if (is_surplus(pool, size_class)) {
            destroy(pool, block);
        } else {
            block->next = pool->free_blocks[size_class];
            pool->free_blocks[size_class] = block;
            pool->free_count[size_class]++;
        }
        block = next;
    }
}

void flow_pool_free(struct flow_pool *pool)
{
    if (pool == NULL)
        return;

    collect(pool);
    for (unsigned i = 0; i < FLOW_POOL_CLASSES; i++) {
        while (pool->free_blocks[i] != NULL) {
            struct flow_block *block = pool->free_blocks[i];
            pool->free_blocks[i] = block->next;
            destroy(pool, block);
        }
    }
    assert(pool->total == 0);
    free(pool);
}

static unsigned class_of(size_t capacity)
{
    unsigned size_class = 0;
    while (((size_t)1 << (size_class + SMALLEST_SHIFT)) < capacity)
        size_class++;
    return size_class;
}

static struct flow_block *create(struct flow_pool *pool, unsigned size_class)
{
    const size_t capacity = (size_t)1 << (size_class + SMALLEST_SHIFT);
    struct flow_block *block =
        flow_alloc_aligned(64, sizeof(*block) + FLOW_FRAME_HEADER + capacity);
    if (block == NULL)
        return NULL;

    *block = (struct flow_block){
        .size_class = (uint8_t)size_class,
        .writable = true,
        .pool = pool,
        .frame = (uint8_t *)(block + 1),
        .capacity = capacity,
    };
    pool->total++;
    return block;
}

struct flow_block *flow_pool_take(struct flow_pool *pool, size_t capacity)
{
    const unsigned size_class = class_of(capacity);
    if (size_class >= FLOW_POOL_CLASSES)
        return NULL;

    if (pool->free_blocks[size_class] == NULL)
        collect(pool);
    struct flow_block *block = pool->free_blocks[size_class];
    if (block != NULL) {
        pool->free_blocks[size_class] = block->next;
        pool->free_count[size_class]--;
    } else {
        block = create(pool, size_class);
        if (block == NULL)
            return NULL;
    }

    block->next = NULL;
    block->keyed = false;
    block->framed = false;
    block->data = block->frame + FLOW_FRAME_HEADER;
    block->top = block->data + block->capacity;
    block->size = 0;
    block->count = 0;
    atomic_store_explicit(&block->refs, 1, memory_order_relaxed);
    return block;
}

static void give_back(struct flow_pool *pool, struct flow_block *block)
{
    struct flow_block *head = atomic_load_explicit(&pool->returned, memory_order_relaxed);
    do {
        block->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&pool->returned, &head, block,
                                                    memory_order_release, memory_order_relaxed));
}

void flow_block_unref(struct flow_block *block)
{
    if (block == NULL || atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1)
        return;

    if (block->pool != NULL)
        give_back(block->pool, block);
    else
        block->release(block);
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
