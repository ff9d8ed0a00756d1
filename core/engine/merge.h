/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_MERGE_H
#define FLOW_ENGINE_MERGE_H

/*
 * An ordered merge: batches from the replicas of a parallel stage come in any order and are taken
 * in the order of the input batches that they are results of.
 *
 *     number      7        8        9        10       11
 *              ┌────────┬────────┬────────┬────────┬────────┐
 *              │ ■ ■ L  │        │ ■ L    │ ■      │ L      │      L: the result is complete
 *              └────────┴────────┴────────┴────────┴────────┘
 *              next ^
 *
 * Parts of result `next` are ready as soon as they come; `next` moves on when its last part has
 * been taken.  The window needs no limit of its own: each replica works on its input in ascending
 * numbers and has bounded credit, so the spread is bounded by the credits of the links.
 *
 * Threads: one owner.
 */

#include "flowrun/error.h"
#include "record/builder.h"
#include "record/frame.h"

struct flow_merge_slot; /* private */

struct flow_merge {
    uint64_t next;
    struct flow_merge_slot *slots; /* a ring, by number */
    size_t mask;
    struct flow_merge_part *parts; /* list nodes; a free list runs through the unused ones */
    size_t part_count, part_capacity;
    uint32_t free_part;
    uint64_t held; /* parts that wait */
};

/* A message with the index of the link that it came by. */
struct flow_arrival {
    struct flow_message message;
    uint64_t sequence; /* in full */
    uint32_t link;
};

struct flow_merge_part {
    struct flow_arrival arrival;
    uint32_t next;
};

FLOW_NODISCARD enum flow_status flow_merge_init(struct flow_merge *merge, struct flow_error *err);

/* Lets go of the blocks it holds. */
void flow_merge_clear(struct flow_merge *merge);

/* Put a part in.  FLOW_EPROTO: its number has been completed before, or lies absurdly far ahead. */
FLOW_NODISCARD enum flow_status flow_merge_put(struct flow_merge *merge,
                                               const struct flow_arrival *arrival,
                                               struct flow_error *err);

/* Take the next part in order; false: it has not come yet. */
bool flow_merge_take(struct flow_merge *merge, struct flow_arrival *arrival);

/*
 * Let go of the blocks of all parts that wait and have come by `link`: copies take their place.
 * FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_merge_copy(struct flow_merge *merge, uint32_t link,
                                                struct flow_pool *pool, struct flow_error *err);

#endif /* FLOW_ENGINE_MERGE_H */
