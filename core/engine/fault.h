/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_FAULT_H
#define FLOW_ENGINE_FAULT_H

/*
 * Faults that a graph's own test asks for: a stage is handed a record and refuses it, dies, or
 * takes its time.  How often that has happened is noted by files of the test, so that it counts
 * over all workers, and over processes that die of it.
 *
 * Threads: the replica's own.
 */

#include "engine/replica.h"

/*
 * The stage is about to be handed a record.  FLOW_EBAD: it refuses it, and the reason is noted; or
 * FLOW_OK.  It does not return if the stage is to die.
 */
FLOW_NODISCARD enum flow_status flow_fault_meet(struct flow_replica *replica,
                                                const struct flow_record *record);

static inline bool flow_fault_any(const struct flow_replica *replica)
{
    return replica->faults != NULL;
}

#endif /* FLOW_ENGINE_FAULT_H */
