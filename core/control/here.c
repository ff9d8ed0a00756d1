/* SPDX-License-Identifier: MIT */
#include "control/here.h"

#include "machine/room.h"
#include "plan/delivery.h"

struct flow_plan *flow_plan_here(const struct flow_graph *graph, struct flow_topology *topology,
                                 struct flow_error *err)
{
    *topology = (struct flow_topology){0};
    if (flow_plan_places(graph) && flow_topology_load(topology, err) != FLOW_OK)
        return NULL;
    const struct flow_room room = flow_room_find("", graph->mode == FLOW_THREADS);
    const struct flow_plan_options options = {
        .room_bytes = room.bytes != UINT64_MAX ? room.bytes : 0,
        .topology = topology,
    };
    struct flow_plan *plan = flow_plan_new(graph, &options, err);
    if (plan == NULL || flow_delivery_check(plan, err) == FLOW_OK)
        return plan;
    flow_plan_free(plan);
    return NULL;
}
