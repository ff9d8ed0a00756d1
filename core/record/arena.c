/* SPDX-License-Identifier: MIT */
#include "record/arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

struct extent {
    size_t at, size;
};

struct flow_arena {
    uint8_t *base;
    struct extent *free; /* ascending, and never two that touch */
    size_t count, capacity;
    size_t taken; /* pieces */
};

struct flow_arena *flow_arena_new(const struct flow_memory *memory, uint64_t at, uint64_t size,
                                  struct flow_error *err)
{
    struct flow_arena *arena = flow_alloc(sizeof(*arena));
    if (arena == NULL || !flow_grow(&arena->free, &arena->capacity, 3, sizeof(*arena->free))) {
        free(arena);
        (void)flow_fail(err, FLOW_ENOMEM, "out of memory for an arena");
        return NULL;
    }
    if (flow_memory_own(memory, at, size, &arena->base, err) != FLOW_OK) {
        flow_arena_free(arena);
        return NULL;
    }
    arena->free[0] = (struct extent){0, (size_t)size};
    arena->count = size > 0;
    return arena;
}

void flow_arena_free(struct flow_arena *arena)
{
    if (arena == NULL)
        return;
    free(arena->free);
    free(arena);
}

static void remove_extent(struct flow_arena *arena, size_t i)
{
    arena->count--;
    memmove(&arena->free[i], &arena->free[i + 1], (arena->count - i) * sizeof(*arena->free));
}

uint8_t *flow_arena_take(struct flow_arena *arena, size_t size)
{
    /* n pieces keep at most n + 1 apart; one more, and giving back never needs memory. */
    if (!flow_grow(&arena->free, &arena->capacity, arena->taken + 3, sizeof(*arena->free)))
        return NULL;
    size_t i = 0;
    while (i < arena->count && arena->free[i].size < size)
        i++;
    if (i == arena->count)
        return NULL;

    struct extent *extent = &arena->free[i];
    uint8_t *bytes = arena->base + extent->at;
    extent->at += size;
    extent->size -= size;
    if (extent->size == 0)
        remove_extent(arena, i);
    arena->taken++;
    return bytes;
}

void flow_arena_give(struct flow_arena *arena, uint8_t *bytes, size_t size, bool empty)
{
    if (empty) /* that it fails costs memory, no more */
        (void)madvise(bytes, size, MADV_REMOVE);

    const size_t at = (size_t)(bytes - arena->base);
    size_t i = 0;
    while (i < arena->count && arena->free[i].at < at)
        i++;
    memmove(&arena->free[i + 1], &arena->free[i], (arena->count - i) * sizeof(*arena->free));
    arena->free[i] = (struct extent){at, size};
    arena->count++;
    arena->taken--;

    if (i + 1 < arena->count && at + size == arena->free[i + 1].at) {
        arena->free[i].size += arena->free[i + 1].size;
        remove_extent(arena, i + 1);
    }
    if (i > 0 && arena->free[i - 1].at + arena->free[i - 1].size == at) {
        arena->free[i - 1].size += arena->free[i].size;
        remove_extent(arena, i);
    }
}
