/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_STREAM_H
#define RANDOM_STREAM_H

/*
 * Records in a row, with what is promised about their order: two records of one chain come in the
 * order in which they stand in the stream, two of different chains in any order.
 *
 * Memory: bytes lie in an arena that outlives the streams.  Want of memory ends the test program.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rt_item {
    const uint8_t *data, *key; /* key_size 0: no key */
    uint32_t size, key_size;
    unsigned port; /* of the stage it arrives at */
    uint64_t chain;
    uint64_t group; /* expected: records of one group arrive at one replica; 0: at any.
                       found: 1 + the replica that it arrived at */
};

struct rt_stream {
    struct rt_item *items;
    size_t count, room;
};

struct rt_arena;

struct rt_arena *rt_arena_new(void);
void rt_arena_free(struct rt_arena *arena);
uint8_t *rt_arena_take(struct rt_arena *arena, size_t size);
/* Bytes taken so far. */
size_t rt_arena_size(const struct rt_arena *arena);

void rt_stream_add(struct rt_stream *stream, const struct rt_item *item);
void rt_stream_clear(struct rt_stream *stream);

/* The canonical form of what an errors port emits: stage, reason and tries, zeros behind, bytes. */
struct rt_dead {
    const char *stage, *reason;
    unsigned tries;
    const void *data;
    size_t size;
};
void rt_dead_item(struct rt_arena *arena, const struct rt_dead *dead, struct rt_item *item);

#endif /* RANDOM_STREAM_H */
