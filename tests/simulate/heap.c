/* SPDX-License-Identifier: MIT */

/*
 * The memory of processes.  Each process has a heap of its own, which goes as a whole when the
 * process dies, as it does where the kernel sees to it.  Under AddressSanitizer the heaps stay
 * unused, so that it watches every allocation; what a killed process had is then leaked.
 *
 *     heaps:  | 0: used ▓▓▓▓▓▓▓▓ | next ──>      | 1: ...
 *     block:  | class | offset of the base | bytes ...
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "simulate/world.h"

#define HEAPS 96
#define HEAP_SIZE ((size_t)256 << 20)
#define HEAD 16u
#define SMALL 512u /* up to here sizes are rounded to 16 bytes, beyond to a power of two */
#define CLASSES (SMALL / 16 + 24)

struct head {
    uint32_t size_class;
    uint32_t offset; /* from the start of the block to the bytes */
    uint64_t unused;
};

struct sim_heap {
    unsigned char *memory;
    size_t used;
    void *free[CLASSES];
    bool taken;
};

struct sim_heaps {
    unsigned char *memory;
    struct sim_heap heaps[HEAPS];
};

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);

struct sim_heaps *sim_heaps_new(void)
{
    struct sim_heaps *heaps = sim_own_alloc(sizeof(*heaps));
    heaps->memory = mmap(NULL, HEAPS * HEAP_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (heaps->memory == MAP_FAILED) {
        perror("simulate: no memory for heaps");
        exit(70);
    }
    for (size_t i = 0; i < HEAPS; i++)
        heaps->heaps[i].memory = heaps->memory + i * HEAP_SIZE;
    return heaps;
}

struct sim_heap *sim_heap_take(struct sim_heaps *heaps)
{
    for (size_t i = 0; i < HEAPS; i++) {
        struct sim_heap *heap = &heaps->heaps[i];
        if (heap->taken)
            continue;
        heap->taken = true;
        heap->used = 0;
        memset(heap->free, 0, sizeof(heap->free));
        return heap;
    }
    fputs("simulate: too many processes\n", stderr);
    exit(70);
}

void sim_heap_give(struct sim_heaps *heaps, struct sim_heap *heap)
{
    (void)heaps;
    heap->taken = false;
}

static unsigned class_of(size_t size)
{
    if (size <= SMALL)
        return (unsigned)((size + 15) / 16);
    unsigned shift = 10;
    while (((size_t)1 << shift) < size)
        shift++;
    return SMALL / 16 + shift - 9;
}

static size_t size_of(unsigned size_class)
{
    return size_class <= SMALL / 16 ? (size_t)size_class * 16
                                    : (size_t)1 << (size_class - SMALL / 16 + 9);
}

static void *take(struct sim_heap *heap, size_t size, size_t alignment)
{
    const size_t most = size + (alignment > 16 ? alignment : 0);
    const unsigned size_class = class_of(most > 16 ? most : 16);
    unsigned char *block = heap->free[size_class];
    if (block != NULL) {
        memcpy(&heap->free[size_class], block + HEAD, sizeof(void *));
    } else {
        const size_t whole = HEAD + size_of(size_class);
        if (heap->used + whole > HEAP_SIZE) {
            fputs("simulate: a process needs too much memory\n", stderr);
            exit(70);
        }
        block = heap->memory + heap->used;
        heap->used += whole;
    }
    unsigned char *bytes = block + HEAD;
    if (alignment > 16)
        bytes += (alignment - (uintptr_t)bytes % alignment) % alignment;
    const struct head head = {.size_class = size_class, .offset = (uint32_t)(bytes - block)};
    memcpy(bytes - HEAD, &head, sizeof(head));
    return bytes;
}

static struct head head_of(const void *bytes)
{
    struct head head;
    memcpy(&head, (const unsigned char *)bytes - HEAD, sizeof(head));
    return head;
}

/* The heap that it lies in; NULL: it is the real one's. */
static struct sim_heap *owner_of(const void *bytes)
{
    if (sim_world == NULL)
        return NULL;
    struct sim_heaps *heaps = sim_world->heaps;
    const uintptr_t at = (uintptr_t)bytes - (uintptr_t)heaps->memory;
    return at < HEAPS * HEAP_SIZE ? &heaps->heaps[at / HEAP_SIZE] : NULL;
}

#if defined(__SANITIZE_ADDRESS__)
#define OWN_HEAPS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_HEAPS 0
#endif
#endif
#ifndef OWN_HEAPS
#define OWN_HEAPS 1
#endif

static struct sim_heap *heap_now(void)
{
    const struct sim_process *process = sim_process_now();
    return OWN_HEAPS && process != NULL ? process->heap : NULL;
}

void *__wrap_malloc(size_t size)
{
    struct sim_heap *heap = heap_now();
    return heap != NULL ? take(heap, size, 16) : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    struct sim_heap *heap = heap_now();
    if (heap == NULL)
        return __real_calloc(count, size);
    return memset(take(heap, count * size, 16), 0, count * size);
}

void __wrap_free(void *memory)
{
    struct sim_heap *heap = owner_of(memory);
    if (heap == NULL) {
        __real_free(memory);
        return;
    }
    const struct head head = head_of(memory);
    unsigned char *block = (unsigned char *)memory - head.offset;
    memcpy(block + HEAD, &heap->free[head.size_class], sizeof(void *));
    heap->free[head.size_class] = block;
}

void *__wrap_realloc(void *old, size_t size)
{
    const struct sim_heap *heap = owner_of(old);
    if (old == NULL)
        return __wrap_malloc(size);
    if (heap == NULL)
        return __real_realloc(old, size);
    const struct head head = head_of(old);
    const size_t room = size_of(head.size_class) - (head.offset - HEAD);
    if (size <= room)
        return old;
    void *grown = __wrap_malloc(size);
    memcpy(grown, old, room);
    __wrap_free(old);
    return grown;
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
    struct sim_heap *heap = heap_now();
    if (heap == NULL)
        return __real_posix_memalign(memory, alignment, size);
    *memory = take(heap, size, alignment);
    return 0;
}
