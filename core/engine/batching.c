/* SPDX-License-Identifier: MIT */
#include "engine/batching.h"

void flow_batching_choose(struct flow_port_out *port)
{
    uint32_t most = port->shared->host->plan->batch_records;
    for (size_t e = 0; e < port->edge_count; e++) {
        const struct flow_edge_out *edge = &port->edges[e];
        const uint32_t wanted = edge->builders == NULL ? flow_outlet_batch(&edge->outlet, 0) : most;
        most = wanted < most ? wanted : most;
    }
    port->builder.most = most;
}

void flow_batching_choose_keyed(struct flow_edge_out *edge, size_t reader)
{
    const uint32_t most = edge->outlet.host->plan->batch_records;
    const uint32_t wanted = flow_outlet_batch(&edge->outlet, reader);
    edge->builders[reader].most = wanted < most ? wanted : most;
}

void flow_batching_choose_all(struct flow_port_out *port)
{
    flow_batching_choose(port);
    for (size_t e = 0; e < port->edge_count; e++) {
        struct flow_edge_out *edge = &port->edges[e];
        for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++)
            flow_batching_choose_keyed(edge, i);
    }
}

/* Has the record in hand emitted something into the open batch? */
static bool is_inside(const struct flow_emission *shared, const struct flow_builder *builder)
{
    const struct flow_room_ *room = &builder->room;
    const uint64_t in_hand = *shared->host->in_hand;
    return in_hand != 0 && room->mark_id == in_hand && room->mark_column != room->column;
}

bool flow_batching_fits(const struct flow_emission *shared, struct flow_builder *builder,
                        size_t size, size_t key_size)
{
    bool fits = flow_builder_fits(builder, size, key_size);
    while (!fits && is_inside(shared, builder) &&
           flow_builder_widen(builder, shared->host->plan->batch_records))
        fits = flow_builder_fits(builder, size, key_size);
    return fits;
}
