/* SPDX-License-Identifier: MIT */
#include "random/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)1 << 20)

struct chunk {
    struct chunk *next;
    size_t used, size;
    uint8_t bytes[];
};

struct rt_arena {
    struct chunk *chunks;
    size_t taken;
};

static void *need(void *memory)
{
    if (memory != NULL)
        return memory;
    fputs("out of memory\n", stderr);
    exit(70);
}

struct rt_arena *rt_arena_new(void)
{
    return need(calloc(1, sizeof(struct rt_arena)));
}

void rt_arena_free(struct rt_arena *arena)
{
    if (arena == NULL)
        return;
    while (arena->chunks != NULL) {
        struct chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    free(arena);
}

uint8_t *rt_arena_take(struct rt_arena *arena, size_t size)
{
    struct chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        const size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = need(malloc(sizeof(*chunk) + room));
        *chunk = (struct chunk){.next = arena->chunks, .size = room};
        arena->chunks = chunk;
    }
    uint8_t *bytes = chunk->bytes + chunk->used;
    chunk->used += size;
    arena->taken += size;
    return bytes;
}

size_t rt_arena_size(const struct rt_arena *arena)
{
    return arena->taken;
}

void rt_stream_add(struct rt_stream *stream, const struct rt_item *item)
{
    if (stream->count == stream->room) {
        stream->room = stream->room == 0 ? 64 : stream->room * 2;
        stream->items = need(realloc(stream->items, stream->room * sizeof(*stream->items)));
    }
    stream->items[stream->count++] = *item;
}

void rt_stream_clear(struct rt_stream *stream)
{
    free(stream->items);
    *stream = (struct rt_stream){0};
}

void rt_dead_item(struct rt_arena *arena, const struct rt_dead *dead, struct rt_item *item)
{
    char tries[16];
    const size_t stage_size = strlen(dead->stage) + 1;
    const size_t reason_size = strlen(dead->reason) + 1;
    const size_t tries_size = (size_t)snprintf(tries, sizeof(tries), "%u", dead->tries) + 1;
    const size_t head_size = stage_size + reason_size + tries_size;
    uint8_t *bytes = rt_arena_take(arena, head_size + dead->size);
    memcpy(bytes, dead->stage, stage_size);
    memcpy(bytes + stage_size, dead->reason, reason_size);
    memcpy(bytes + stage_size + reason_size, tries, tries_size);
    memcpy(bytes + head_size, dead->data, dead->size);
    item->data = bytes;
    item->size = (uint32_t)(head_size + dead->size);
}
