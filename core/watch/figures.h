/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_FIGURES_H
#define FLOW_WATCH_FIGURES_H

/*
 * The board added up by stages and edges of the plan: what both forms of the report show.
 *
 * Memory: flow_figures_clear releases; plan and board are borrowed for flow_figures_init only,
 * but names point into the plan.
 */

#include <stdbool.h>
#include <stdint.h>

#include "plan/plan.h"
#include "watch/board.h"

/* Shares of the run's time, each from 0 to 1; a stage that ends early has less than 1 in sum. */
struct flow_shares {
    double busy;
    double wait_in;
    double wait_out;
    double wait_self; /* in flow_wait, or between tries of a record */
    double cpu;       /* may be less than `busy`: other threads had the CPU, or a call blocked */
    double ready;     /* other threads had the CPU */
};

struct flow_figures_stage {
    const char *name;
    size_t replicas;
    bool producer, consumer;               /* nothing comes in; nothing goes out */
    uint64_t in, out, bytes_in, bytes_out; /* errors are not among `out` */
    uint64_t filtered, skipped, routed, failed, retried, unkeyed, dropped, unread;
    uint64_t restarts;         /* of its processes */
    double seconds;            /* from the start of its first replica to the end of its last */
    double rate;               /* records per second of the run: taken in, by a producer emitted */
    struct flow_shares shares; /* on average of its replicas */
    double occupied;           /* what the thread of its busiest replica did not wait for others */
    size_t busiest;            /* that replica, in the plan */
};

struct flow_figures_edge {
    uint64_t sent, received, dropped, bytes;
    uint64_t redelivered; /* sent once more, to processes that took the place of others */
};

struct flow_figures {
    struct flow_figures_stage *stages; /* as in the plan */
    struct flow_figures_edge *edges;   /* as in the plan */
    uint64_t peak_bytes;               /* of all processes of the run together */
    uint64_t bound_bytes;              /* what the plan allows */
    double cpus_used;                  /* CPU time of all replicas over elapsed time */
};

bool flow_figures_init(struct flow_figures *figures, const struct flow_plan *plan,
                       const struct flow_board *board, int64_t elapsed_ns);
void flow_figures_clear(struct flow_figures *figures);

/* Records that a replica of `stage` has put on its errors port. */
uint64_t flow_count_routed(const struct flow_plan_stage *stage,
                           const struct flow_board_replica *counts);

/* How a replica has spent its life, until `now_ns` or until its end if it has ended [ns]. */
struct flow_times {
    int64_t busy, wait_in, wait_out, wait_self;
};

struct flow_times flow_replica_times(const struct flow_board_replica *counts, int64_t now_ns);

/*
 * The bottleneck in one sentence, with advice, without a newline; the caller's.  NULL: no memory.
 * `stage` is set to its index in the plan, or FLOW_NONE.
 */
char *flow_bottleneck(const struct flow_plan *plan, const struct flow_figures *figures,
                      int64_t elapsed_ns, size_t *stage);

/* "words.errors -> late"; the caller's.  NULL: no memory. */
char *flow_edge_name(const struct flow_plan *plan, size_t index);

#endif /* FLOW_WATCH_FIGURES_H */
