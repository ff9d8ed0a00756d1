/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_STALL_H
#define FLOW_WATCH_STALL_H

/*
 * When something last moved: for each replica, and for the run as a whole.  What moves is counters:
 * records and batches that were sent, taken or judged, and replicas that begin or end.  A replica
 * that only wakes up and looks around has not moved.
 *
 * Movement is noticed by looking, so its time is that of the first look after it.
 *
 * Threads: one owner.  Memory: plan and board are borrowed; flow_stall_clear releases.
 */

#include <stdbool.h>
#include <stdint.h>

#include "plan/plan.h"
#include "watch/board.h"

struct flow_stall_replica {
    uint64_t sum; /* of its counters, which grow, or are set back with the run */
    int64_t moved_ns;
};

struct flow_stall {
    const struct flow_plan *plan;
    const struct flow_board *board;
    struct flow_stall_replica *replicas;
    int64_t moved_ns; /* of any of them */
    int64_t looked_ns;
};

/* False: no memory.  Everything counts as moved at `now_ns`. */
bool flow_stall_init(struct flow_stall *stall, const struct flow_plan *plan,
                     const struct flow_board *board, int64_t now_ns);
void flow_stall_clear(struct flow_stall *stall);

void flow_stall_look(struct flow_stall *stall, int64_t now_ns);

/* Everything counts as moved at `now_ns`. */
void flow_stall_touch(struct flow_stall *stall, int64_t now_ns);

#endif /* FLOW_WATCH_STALL_H */
