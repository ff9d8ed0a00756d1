/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_FUSE_H
#define FLOW_PLAN_FUSE_H

/*
 * Which stages share a thread.
 *
 * A task is what one thread runs: a replica, or several whose stages are fused.  Between fused
 * stages there is no link to speak of: the upstream one hands its batch over by calling the other,
 * which saves the waking and the wait, and keeps the batch in the cache.
 *
 * A stage can join the task of the stages that feed it if
 *   - all its input comes from stages of that one task, over edges without a queue of their own
 *     that block when full,
 *   - it and they have one replica each, stand in one process, and have the same `cpus`,
 *   - the task has not FLOW_PLAN_MAX_FUSED stages yet.
 * It does so if its "fuse" is on; and with "auto", if it is light (FLOW_LIGHT).  So no stage that
 * takes its time loses a core of its own or holds up what else reads from the same stage, and none
 * that takes none costs a thread.
 */

#include "plan/plan.h"

/* Calls nest as deep as the stages of a task stand in a row. */
#define FLOW_PLAN_MAX_FUSED 32u

/*
 * Fill plan->edges[].fused and plan->stages[].task_of: the first stage of the task that a stage
 * belongs to, by index.  FLOW_ENOMEM; FLOW_EINVAL: a stage demands what cannot be.
 */
FLOW_NODISCARD enum flow_status flow_plan_fuse(struct flow_plan *plan, struct flow_error *err);

#endif /* FLOW_PLAN_FUSE_H */
