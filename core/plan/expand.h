/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_EXPAND_H
#define FLOW_PLAN_EXPAND_H

/*
 * From a graph to the stages and edges of a plan: how many replicas each stage gets, which stages
 * number their batches, and where a sequencer must stand.
 */

#include "plan/plan.h"

#define FLOW_PLAN_MAX_REPLICAS 65536
#define FLOW_PLAN_MAX_LINKS 1000000

/*
 * Fill plan->stages and plan->edges from plan->graph and plan->cpus; replicas and links are counted
 * and placed one after the other, but not made.  `recovers` says of each stage of the graph whether
 * its processes are to be replaced when they die, where that can be done; NULL: of none.
 * FLOW_ENOMEM, or FLOW_ERANGE beyond the limits above.
 */
FLOW_NODISCARD enum flow_status flow_plan_expand(struct flow_plan *plan, const bool *recovers,
                                                 struct flow_error *err);

/* The replicas that "auto" makes of a stage; `shared_by_key`: all its input is. */
unsigned flow_plan_auto_workers(const struct flow_stage_type *type, bool shared_by_key,
                                unsigned cpus);

#endif /* FLOW_PLAN_EXPAND_H */
