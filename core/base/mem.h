/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BASE_MEM_H
#define FLOW_BASE_MEM_H

/*
 * The only allocation calls core may use: they can be told to fail, which lets a test walk every
 * out-of-memory path of a function (see flow_mem_fail_at).  Memory comes zeroed, except from
 * flow_realloc.  Release with free().
 */

#include <stddef.h>

void *flow_alloc(size_t size);
void *flow_calloc(size_t count, size_t size);
void *flow_realloc(void *old, size_t size);

/* `alignment` is a power of two and at least sizeof(void *); not zeroed. */
void *flow_alloc_aligned(size_t alignment, size_t size);

char *flow_strdup(const char *text);

/* A copy of `size` bytes and a zero after them. */
char *flow_strndup(const char *bytes, size_t size);

/*
 * Room for one more element in an array that grows by doubling.  `array` is the address of the
 * pointer, `capacity` in elements is kept by the caller.  Returns false and changes nothing when
 * memory is short.
 *     if (!flow_grow(&list->items, &list->capacity, list->count + 1, sizeof(*list->items))) ...
 */
_Bool flow_grow(void *array, size_t *capacity, size_t needed, size_t element_size);

/*
 * Tests only: make the n-th allocation from now on (0 = the next one) return NULL, once; a negative
 * n disarms it.  Not thread-safe.
 */
void flow_mem_fail_at(int n);

#endif /* FLOW_BASE_MEM_H */
