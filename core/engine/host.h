/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_HOST_H
#define FLOW_ENGINE_HOST_H

/*
 * What the parts of one replica share: its place in the plan, its pool, whom it can reach, and how
 * to wait.  The replica owns it; its input and output sides borrow it.
 *
 * Threads: the replica's own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/peers.h"
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
    const struct flow_peers *peers; /* of its task */
    bool tracks;                    /* its input comes from another process: to be acknowledged */
    uint64_t *clock;       /* of its task: batches begun, what acknowledgements are told by */
    uint64_t *in_hand;     /* the stage's: which record is; 0: emissions cannot be withdrawn */
    struct flow_error err; /* why the replica fails; the first reason stays */
    void *waiter;
    /* Sleep until some reader has reported.  FLOW_OK, or FLOW_EABORT. */
    enum flow_status (*wait_room)(void *waiter);
    /* Take in what has been reported, without sleeping. */
    enum flow_status (*look)(void *waiter);
    /*
     * Hand a batch or an end to the reader of a fused link, which deals with it before the call
     * returns.  Takes over the message's reference to its block.  FLOW_OK, or FLOW_EABORT: the
     * reader, or one further down, has failed, and the task knows why.
     */
    enum flow_status (*call)(void *waiter, const struct flow_message *message);
};

#endif /* FLOW_ENGINE_HOST_H */
