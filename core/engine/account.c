/* SPDX-License-Identifier: MIT */
#include "engine/port.h"

/* What a port has emitted: how much that is, what of it can be withdrawn, what has not arrived. */

void flow_port_tally(struct flow_port_out *port)
{
    struct flow_run_out *run = &port->run;
    const uint64_t records = flow_port_uncounted(port);
    uint64_t bytes = (uint64_t)(port->builder.room.at - port->builder.counted_at);
    if (run->count > run->counted)
        bytes += flow_block_span(run->block, run->first + run->counted, run->count - run->counted);
    run->counted = run->count;
    flow_builder_count_all(&port->builder);
    port->emitted += records;
    port->shared->emitted += records;
    port->shared->emitted_bytes += bytes;
}

static bool has_sent_part(const struct flow_edge_out *edge, uint64_t id)
{
    for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++) {
        if (flow_builder_has_sent(&edge->builders[i], id))
            return true;
    }
    return false;
}

/* Has some edge of several, with batches of their own, sent a part of what the record emitted? */
static bool is_uneven(const struct flow_port_out *port, uint64_t id)
{
    bool sent = flow_builder_has_sent(&port->builder, id);
    bool keyed = false;
    for (size_t e = 0; e < port->edge_count; e++) {
        sent = sent || has_sent_part(&port->edges[e], id);
        keyed = keyed || port->edges[e].builders != NULL;
    }
    return sent && keyed && port->edge_count > 1;
}

/* The same on one keyed edge; the records and bytes are the most that any edge has withdrawn. */
static void rollback_edge(const struct flow_edge_out *edge, uint64_t id, uint64_t *records,
                          uint64_t *bytes)
{
    uint64_t here = 0;
    uint64_t here_bytes = 0;
    for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++)
        here += flow_builder_rollback(&edge->builders[i], id, &here_bytes);
    *records = here > *records ? here : *records;
    *bytes = here_bytes > *bytes ? here_bytes : *bytes;
}

void flow_port_rollback(struct flow_port_out *port)
{
    struct flow_emission *shared = port->shared;
    const uint64_t id = *shared->host->in_hand;
    flow_port_tally(port);
    if (is_uneven(port, id))
        return;
    uint64_t bytes = 0;
    uint64_t records = port->shares ? flow_builder_rollback(&port->builder, id, &bytes) : 0;
    for (size_t e = 0; e < port->edge_count; e++)
        rollback_edge(&port->edges[e], id, &records, &bytes);
    struct flow_run_out *run = &port->run;
    if (run->block != NULL && run->record_id == id) {
        records++;
        bytes += flow_block_span(run->block, run->first + run->count - 1, 1);
        run->counted--;
        if (--run->count == 0)
            *run = (struct flow_run_out){0};
    }
    if (run->block != NULL)
        flow_builder_bar(&port->builder);
    else
        flow_builder_unbar(&port->builder);
    port->emitted -= records;
    shared->emitted -= records;
    shared->emitted_bytes -= bytes;
}

static uint64_t oldest_open(const struct flow_builder *builder, uint64_t oldest)
{
    const bool open = flow_builder_count(builder) > 0;
    return open && builder->order < oldest ? builder->order : oldest;
}

uint64_t flow_port_oldest(const struct flow_port_out *port)
{
    uint64_t oldest = port->shares ? oldest_open(&port->builder, UINT64_MAX) : UINT64_MAX;
    for (size_t e = 0; e < port->edge_count; e++) {
        const struct flow_edge_out *edge = &port->edges[e];
        for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++)
            oldest = oldest_open(&edge->builders[i], oldest);
        const uint64_t sent = flow_outlet_oldest(&edge->outlet);
        oldest = sent < oldest ? sent : oldest;
    }
    return oldest;
}
