/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_HOST_H
#define FLOW_ENGINE_HOST_H

/*
 * What the parts of one replica share: its place in the plan, its pool, its neighbours, and how to
 * wait.  The replica owns it; its input and output sides borrow it.
 *
 * Threads: the replica's own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "link/transport.h"
#include "plan/plan.h"
#include "record/builder.h"
#include "watch/board.h"

struct flow_host {
    const struct flow_plan *plan;
    size_t replica;
    struct flow_board *board;
    struct flow_board_replica *slot;
    struct flow_pool *pool;
    struct flow_outbox **outboxes; /* by neighbour; see flow_host_outbox */
    size_t *neighbours;            /* replicas, ascending */
    size_t neighbour_count;
    bool tracks;           /* some input comes from another process: acknowledgements matter */
    uint64_t opened;       /* batches begun: the replica's own clock for acknowledgements */
    uint64_t *in_hand;     /* the stage's: which record is; 0: emissions cannot be withdrawn */
    struct flow_error err; /* why the replica fails; the first reason stays */
    void *waiter;
    /* Sleep until some reader has reported.  FLOW_OK, or FLOW_EABORT. */
    enum flow_status (*wait_room)(void *waiter);
    /* Take in what has been reported, without sleeping. */
    enum flow_status (*look)(void *waiter);
};

/* The outbox to a neighbouring replica; never NULL for an end of one of this replica's links. */
struct flow_outbox *flow_host_outbox(const struct flow_host *host, size_t replica);

/* Open outboxes to all neighbours: readers for batches, writers for credits. */
FLOW_NODISCARD enum flow_status flow_host_connect(struct flow_host *host,
                                                  struct flow_transport *transport);
void flow_host_disconnect(struct flow_host *host, bool abandon);

/* Position of link `id` in an ascending list; FLOW_NONE if it is not there. */
size_t flow_host_find(const size_t *links, size_t count, size_t id);

#endif /* FLOW_ENGINE_HOST_H */
