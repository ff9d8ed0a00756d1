/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_WIRE_H
#define FLOW_PLAN_WIRE_H

/* From the stages and edges of a plan to its replicas, links and groups. */

#include "plan/plan.h"

/* Fill plan->replicas, links and groups, all but the credits of the links.  FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_plan_wire(struct flow_plan *plan);

/* Do both ends of an edge run in one process?  It holds for all its links or for none. */
bool flow_plan_edge_local(const struct flow_plan *plan, const struct flow_plan_edge *edge);

#endif /* FLOW_PLAN_WIRE_H */
