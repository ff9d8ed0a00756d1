/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_PEERS_H
#define FLOW_ENGINE_PEERS_H

/*
 * The tasks that a task talks to: those that its members send batches to, and those that it sends
 * credits back to, with an outbox for each.
 *
 * Threads: the task's own.
 */

#include "link/transport.h"
#include "plan/plan.h"

struct flow_peers {
    const struct flow_plan *plan;
    size_t *tasks; /* ascending */
    struct flow_outbox **outboxes;
    size_t count;
};

/* Open an outbox to every peer of a task.  On failure disconnect is still owed. */
FLOW_NODISCARD enum flow_status flow_peers_connect(struct flow_peers *peers,
                                                   const struct flow_plan *plan, size_t task,
                                                   struct flow_transport *transport,
                                                   struct flow_error *err);
void flow_peers_disconnect(struct flow_peers *peers, bool abandon);

/* The outbox to the task of a replica; NULL: no link that is not fused leads there. */
struct flow_outbox *flow_peers_outbox(const struct flow_peers *peers, size_t replica);

/* Position of `id` in an ascending list; FLOW_NONE if it is not there. */
size_t flow_peers_find(const size_t *list, size_t count, size_t id);

#endif /* FLOW_ENGINE_PEERS_H */
