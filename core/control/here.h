/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_HERE_H
#define FLOW_CONTROL_HERE_H

#include "plan/plan.h"

/*
 * Plan a graph for this machine.  `topology` is filled in if the graph says where its stages run,
 * else empty; the caller clears it.  NULL: as flow_plan_new, flow_topology_load and
 * flow_delivery_check fail.
 */
struct flow_plan *flow_plan_here(const struct flow_graph *graph, struct flow_topology *topology,
                                 struct flow_error *err);

#endif /* FLOW_CONTROL_HERE_H */
