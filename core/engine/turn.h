/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_TURN_H
#define FLOW_ENGINE_TURN_H

/*
 * What becomes of records in flight that are done or refused: they are tried again, or, when it is
 * their turn, what was emitted for them goes out, they are counted, and their batch is settled.
 *
 * Threads: the replica's own.
 */

#include "engine/hold.h"
#include "engine/replica.h"

/* Is it the record's turn? */
static inline bool flow_turn_is(const struct flow_hold *hold, const struct flow_held *held)
{
    return !hold->in_order || held == hold->first;
}

/* That a record may be in flight for; 0: any time. */
int64_t flow_turn_timeout(const struct flow_replica *replica);

/* It is done well. */
FLOW_NODISCARD enum flow_status flow_turn_done(struct flow_replica *replica,
                                               struct flow_held *held);

/* It was refused, for replica->reason: try again, or give up.  `held` may be NULL. */
FLOW_NODISCARD enum flow_status flow_turn_refuse(struct flow_replica *replica,
                                                 struct flow_held *held,
                                                 const struct flow_record *record);

/* It is not to be tried, not even once.  `held` may be NULL. */
FLOW_NODISCARD enum flow_status flow_turn_give_up_fatal(struct flow_replica *replica,
                                                        struct flow_held *held,
                                                        const struct flow_record *record,
                                                        const struct flow_fatal *fatal);

/* One without a token is done, for which so many were emitted. */
void flow_turn_count(struct flow_replica *replica, uint64_t emitted);

/* Settle the batches whose records are all gone, the oldest first. */
FLOW_NODISCARD enum flow_status flow_turn_settle(struct flow_replica *replica);

enum flow_status flow_turn_set_reason(struct flow_replica *replica, const char *reason);
enum flow_status flow_turn_no_memory(struct flow_replica *replica);

#endif /* FLOW_ENGINE_TURN_H */
