/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * The one mutable global of core/, for tests alone: how many allocations still succeed, negative
 * while disarmed.  It is atomic because every thread of the engine reads it with each allocation.
 */
static atomic_int fail_countdown = -1;

static bool must_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) < 0)
        return false;
    return atomic_fetch_sub_explicit(&fail_countdown, 1, memory_order_relaxed) == 0;
}

void *flow_alloc(size_t size)
{
    return flow_calloc(1, size);
}

void *flow_calloc(size_t count, size_t size)
{
    if (must_fail() || (size > 0 && count > (size_t)PTRDIFF_MAX / size))
        return NULL;
    /* Nothing is still something: NULL always means that memory is short. */
    return count > 0 && size > 0 ? calloc(count, size) : calloc(1, 1);
}

void *flow_realloc(void *old, size_t size)
{
    return must_fail() ? NULL : realloc(old, size > 0 ? size : 1);
}

void *flow_alloc_aligned(size_t alignment, size_t size)
{
    void *memory = NULL;
    if (must_fail() || posix_memalign(&memory, alignment, size > 0 ? size : 1) != 0)
        return NULL;
    return memory;
}

char *flow_strdup(const char *text)
{
    return flow_strndup(text, strlen(text));
}

char *flow_strndup(const char *bytes, size_t size)
{
    if (must_fail() || size == SIZE_MAX)
        return NULL;
    char *copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

bool flow_grow(void *array, size_t *capacity, size_t needed, size_t element_size)
{
    if (needed <= *capacity)
        return true;

    const size_t most = SIZE_MAX / 2 / (element_size > 0 ? element_size : 1);
    if (needed > most)
        return false;
    size_t wanted = *capacity > 0 ? *capacity : 4;
    while (wanted < needed)
        wanted = wanted <= most / 2 ? wanted * 2 : most;

    void *old;
    memcpy(&old, array, sizeof(old));
    void *grown = flow_realloc(old, wanted * element_size);
    if (grown == NULL)
        return false;
    memcpy(array, &grown, sizeof(grown));
    *capacity = wanted;
    return true;
}

void flow_mem_fail_at(int n)
{
    atomic_store_explicit(&fail_countdown, n, memory_order_relaxed);
}
