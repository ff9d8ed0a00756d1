/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_BARRIER_H
#define FLOW_ENGINE_BARRIER_H

/*
 * A task's part in checkpoints.
 *
 * A checkpoint is a cut through the run: for each replica a moment, such that what it sent before
 * its moment is what its readers took before theirs.  Then the states at these moments are a whole
 * run's, with nothing under way, and a run can begin from them.  The cut is made by barriers:
 *
 *     producer ── 9 ─ 8 ─|e|─ 7 ─ 6 ──>  ┐
 *                                        ├─> holds 8, 9 back until |e| has come here too
 *     producer ──────── 5 ─ 4 ─ 3 ─ 2 ─> ┘      then flushes, passes |e| on, and saves
 *
 * Producers send the barrier between two calls of produce; whoever reads several links waits until
 * it has come by all that have not ended (engine/align.h).  Barriers need no credit, and nobody
 * waits for room downstream because of one: what is held back by one reader was sent by somebody
 * whose own moment has passed, and all that lies before a barrier goes on as ever.  So a run that
 * does not lock without checkpoints does not lock with them.
 *
 * A replica that has finished has its moment behind it: what it saved then goes for all epochs in
 * which it sent no barrier.
 *
 * Threads: the task's own.
 */

#include "engine/task.h"

/* A barrier has come by all links of a replica, or a producer's turn has come. */
FLOW_NODISCARD enum flow_status flow_barrier_pass(struct flow_replica *replica, uint64_t epoch);

/* The replica has finished: save it as such. */
FLOW_NODISCARD enum flow_status flow_barrier_finish(struct flow_replica *replica);

/* The stage is open: be as at the checkpoint that the run goes on from. */
FLOW_NODISCARD enum flow_status flow_barrier_restore(struct flow_replica *replica);

/* Is it time for the task's producer to send a barrier? */
static inline bool flow_barrier_is_due(const struct flow_task *task)
{
    const struct flow_epochs *epochs = task->env->epochs;
    return epochs != NULL &&
           atomic_load_explicit(&epochs->begun, memory_order_relaxed) > task->epoch;
}

/* Is there a commit that members have not been told of? */
static inline bool flow_barrier_has_commit(const struct flow_task *task)
{
    const struct flow_epochs *epochs = task->env->epochs;
    return epochs != NULL &&
           atomic_load_explicit(&epochs->committed, memory_order_relaxed) > task->committed;
}

/* Send the barrier that is due. */
FLOW_NODISCARD enum flow_status flow_barrier_begin(struct flow_task *task);

/* The run goes on from a checkpoint: tell members again that it is committed. */
FLOW_NODISCARD enum flow_status flow_barrier_recommit(struct flow_task *task);

/* Tell members of commits. */
FLOW_NODISCARD enum flow_status flow_barrier_commit(struct flow_task *task);

/* The task's producer is to stop: send what barriers there may still be, until the abort. */
FLOW_NODISCARD enum flow_status flow_barrier_stop(struct flow_task *task);

/* Everything of the task has ended: stay until a checkpoint says so, and can no longer be lost. */
FLOW_NODISCARD enum flow_status flow_barrier_settle(struct flow_task *task);

#endif /* FLOW_ENGINE_BARRIER_H */
