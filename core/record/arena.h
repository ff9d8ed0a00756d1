/* SPDX-License-Identifier: MIT */
#ifndef FLOW_RECORD_ARENA_H
#define FLOW_RECORD_ARENA_H

/*
 * The part of the shared memory that one replica fills: whole pages, handed out first fit, so that
 * what is in use stays near the start.  What is free where is known here, in private memory, and
 * nowhere in the shared pages; a successor could begin anew with the same pages.
 *
 * Only when a pool has no block of the right size left does it come here, so none of this is on the
 * way of a record.
 *
 * Threads: one owner.
 */

#include "record/memory.h"

struct flow_arena;

/* `size` bytes from `at`, see flow_memory_own; `memory` is borrowed.  NULL when memory is short. */
struct flow_arena *flow_arena_new(const struct flow_memory *memory, uint64_t at, uint64_t size,
                                  struct flow_error *err);

/* Takes NULL.  What was taken and not given back keeps its bytes: others may still read them. */
void flow_arena_free(struct flow_arena *arena);

/* `size` bytes, whole pages; NULL: no room in one piece. */
uint8_t *flow_arena_take(struct flow_arena *arena, size_t size);

/* Give back what was taken with that size; with `empty`, the pages go back to the system. */
void flow_arena_give(struct flow_arena *arena, uint8_t *bytes, size_t size, bool empty);

#endif /* FLOW_RECORD_ARENA_H */
