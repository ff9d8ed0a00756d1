/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_BESIDE_H
#define FLOW_ENGINE_BESIDE_H

/*
 * What was emitted for a record in flight before its turn: pieces in a row, each with its port and
 * the sizes of its data and key before it.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/builder.h"

struct flow_beside {
    uint8_t *bytes;
    size_t size, capacity;
    size_t count;    /* pieces */
    size_t reserved; /* of the piece that is being written */
};

struct flow_beside_mark {
    size_t size, count;
};

/* Add a copy.  False: no memory. */
bool flow_beside_add(struct flow_beside *beside, unsigned port, const struct flow_piece *piece);

/* Room for a piece of up to `size` bytes; NULL: no memory. */
void *flow_beside_reserve(struct flow_beside *beside, size_t size);

/* The first `size` bytes of it are a piece.  False: no memory, or so many were not reserved. */
bool flow_beside_commit(struct flow_beside *beside, unsigned port, size_t size, const void *key,
                        size_t key_size);

/* The piece at offset *at, which goes on to the next; false: there is none. */
bool flow_beside_next(const struct flow_beside *beside, size_t *at, unsigned *port,
                      struct flow_piece *piece);

static inline struct flow_beside_mark flow_beside_mark(const struct flow_beside *beside)
{
    return (struct flow_beside_mark){beside->size, beside->count};
}

/* Drop what came after the mark. */
static inline void flow_beside_rewind(struct flow_beside *beside,
                                      const struct flow_beside_mark *mark)
{
    beside->size = mark->size;
    beside->count = mark->count;
    beside->reserved = 0;
}

/* Drop all, and a large piece of memory too. */
void flow_beside_empty(struct flow_beside *beside);
void flow_beside_clear(struct flow_beside *beside);

#endif /* FLOW_ENGINE_BESIDE_H */
