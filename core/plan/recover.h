/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_RECOVER_H
#define FLOW_PLAN_RECOVER_H

/*
 * Which stages may lose a process without the run being lost: a process that dies is replaced, and
 * what it had not passed on is delivered again.  See docs/recovery.md.
 *
 * A stage can if
 *   - its "restart" is not false, and each of its replicas has a process to itself;
 *   - it is a worker that keeps nothing from record to record, which a type that is stateful or has
 *     a `finish` may well do, and something takes its results;
 *   - one input port is connected, by edges that block when full;
 *   - all it reads comes from one replica which stays: the plan puts a sequencer there where it
 *     would not, if the stage's input can be dealt out by one.
 */

#include "plan/plan.h"

/* Why a stage of the graph is not replaced, if its input permits; NULL: it is. */
const char *flow_plan_obstacle(const struct flow_plan *plan, const struct flow_graph_stage *stage);

/*
 * Expand the plan again with the stages that can be replaced, now that it is known what is fused.
 * FLOW_ENOMEM, FLOW_ERANGE, as flow_plan_expand and flow_plan_fuse.
 */
FLOW_NODISCARD enum flow_status flow_plan_recover(struct flow_plan *plan, struct flow_error *err);

#endif /* FLOW_PLAN_RECOVER_H */
