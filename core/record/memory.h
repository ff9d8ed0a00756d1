/* SPDX-License-Identifier: MIT */
#ifndef FLOW_RECORD_MEMORY_H
#define FLOW_RECORD_MEMORY_H

/*
 * The memory that the processes of a run share: one memfd, made by the coordinator and mapped by
 * every process at once, so that a batch written by one is read by all others where it lies.  See
 * docs/shared-memory.md for the protocol.
 *
 *      0                                    arenas_at                                     size
 *     ┌────────────────────────────────────┬───────────────────┬───────────────────┬────────┐
 *     │ slots: FLOW_SLOTS words for a link │ arena of replica 0│ arena of replica 2│   …    │
 *     └────────────────────────────────────┴───────────────────┴───────────────────┴────────┘
 *       written by the readers of a link      written by that replica's process only
 *
 * It is sparse: only pages that were written take memory.  It has no name, so nothing of it
 * outlives the last process of the run, and its size is sealed, so that no process can take it away
 * from under another one.
 *
 * Threads: immutable once mapped, but for the bytes; flow_memory_own from one thread at a time.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowrun/error.h"

#define FLOW_SLOTS 64u                         /* batches of one link that may be lent at once */
#define FLOW_MEMORY_GRAIN ((uint64_t)64 << 10) /* arenas begin at multiples: the largest page */

struct flow_memory_size {
    uint64_t links;
    uint64_t arena_bytes; /* of all arenas together, whole grains */
};

struct flow_memory {
    uint8_t *map; /* NULL: none */
    size_t size;
    size_t arenas_at;
    uint64_t links;
    int fd; /* the maker's, for those it starts; else -1 */
};

/*
 * Make and map it.  FLOW_EIO: the system refuses so much address space (ulimit -v, ulimit -f) or
 * has no memfd; a run works without, more slowly.
 */
FLOW_NODISCARD enum flow_status flow_memory_new(const struct flow_memory_size *size,
                                                struct flow_memory *memory, struct flow_error *err);

/* Map what another process has made; `fd` may be closed afterwards.  FLOW_EPROTO: it is not that.
 */
FLOW_NODISCARD enum flow_status flow_memory_open(int fd, const struct flow_memory_size *size,
                                                 struct flow_memory *memory,
                                                 struct flow_error *err);

/* Safe on a zeroed one.  Nothing may point into it any more. */
void flow_memory_close(struct flow_memory *memory);

/* Make `size` bytes, `at` from where the arenas begin, writable for this process.  Whole grains. */
FLOW_NODISCARD enum flow_status flow_memory_own(const struct flow_memory *memory, uint64_t at,
                                                uint64_t size, uint8_t **base,
                                                struct flow_error *err);

/* The FLOW_SLOTS words of a link. */
static inline _Atomic uint32_t *flow_memory_slots(const struct flow_memory *memory, uint32_t link)
{
    return (_Atomic uint32_t *)(void *)memory->map + (size_t)link * FLOW_SLOTS;
}

#endif /* FLOW_RECORD_MEMORY_H */
