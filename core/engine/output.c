/* SPDX-License-Identifier: MIT */
#include "engine/output.h"

#include <stdlib.h>

#include "base/mem.h"

/* Where link `id` of this replica leads. */
static struct flow_edge_out *edge_of_link(struct flow_output *output, size_t id, size_t *reader)
{
    for (size_t p = 0; p < output->port_count; p++) {
        for (size_t e = 0; e < output->ports[p].edge_count; e++) {
            struct flow_edge_out *edge = &output->ports[p].edges[e];
            const size_t first = edge->outlet.first_link;
            if (id >= first && id < first + edge->outlet.link_count) {
                *reader = id - first;
                return edge;
            }
        }
    }
    return NULL;
}

enum flow_status flow_output_init(struct flow_output *output, struct flow_host *host,
                                  size_t port_count)
{
    const struct flow_plan *plan = host->plan;
    const struct flow_plan_replica *self = &plan->replicas[host->replica];
    output->shared.host = host;
    output->numbered = plan->stages[self->stage].numbered;
    output->ports = flow_calloc(port_count + 1, sizeof(*output->ports));
    if (output->ports == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for %zu ports", port_count);
    output->port_count = port_count + 1;
    for (size_t i = 0; i < output->port_count; i++)
        flow_port_init(&output->ports[i], &output->shared, output->numbered && i < port_count);
    output->rooms = flow_calloc(port_count + 1, sizeof(struct flow_room_ *));
    if (output->rooms == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for %zu ports", port_count);
    for (size_t i = 0; i < port_count; i++)
        output->rooms[i] = &output->ports[i].builder.room;
    output->rooms[port_count] = &output->closed;

    size_t i = 0;
    while (i < self->out_count) {
        const struct flow_plan_link *link = &plan->links[self->out[i]];
        size_t count = 1;
        while (i + count < self->out_count && plan->links[self->out[i + count]].edge == link->edge)
            count++;
        const unsigned from_port = plan->edges[link->edge].from_port;
        const size_t port = from_port == FLOW_PORT_ERRORS ? port_count : from_port;
        const enum flow_status rc = flow_port_add_edge(&output->ports[port], self->out[i], count);
        if (rc != FLOW_OK)
            return rc;
        i += count;
    }
    for (size_t p = 0; p < output->port_count; p++)
        flow_port_settle_edges(&output->ports[p], p < port_count);
    return FLOW_OK;
}

void flow_output_clear(struct flow_output *output)
{
    for (size_t p = 0; p < output->port_count; p++)
        flow_port_clear(&output->ports[p]);
    free(output->ports);
    free(output->rooms);
    flow_str_clear(&output->shared.key);
    output->ports = NULL;
    output->rooms = NULL;
    output->port_count = 0;
}

bool flow_output_is_connected(const struct flow_output *output, size_t port)
{
    return port < output->port_count && output->ports[port].edge_count > 0;
}

void flow_output_tally(struct flow_output *output)
{
    for (size_t p = 0; p < output->port_count; p++)
        flow_port_tally(&output->ports[p]);
}

enum flow_status flow_output_emit(struct flow_output *output, size_t port,
                                  const struct flow_piece *record)
{
    return flow_port_emit(&output->ports[port], record);
}

void *flow_output_reserve(struct flow_output *output, size_t port, size_t size)
{
    return flow_port_reserve(&output->ports[port], size);
}

enum flow_status flow_output_commit(struct flow_output *output, size_t port, size_t size,
                                    const void *key, size_t key_size)
{
    return flow_port_commit(&output->ports[port], size, key, key_size);
}

enum flow_status flow_output_forward(struct flow_output *output, size_t port,
                                     struct flow_block *block, uint32_t first, uint32_t count)
{
    return flow_port_forward(&output->ports[port], block, first, count);
}

enum flow_status flow_output_settle_runs(struct flow_output *output)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count && rc == FLOW_OK; p++)
        rc = flow_port_end_run(&output->ports[p]);
    return rc;
}

void flow_output_rollback(struct flow_output *output)
{
    if (*output->shared.host->in_hand == 0)
        return;
    for (size_t p = 0; p < output->port_count; p++)
        flow_port_rollback(&output->ports[p]);
}

enum flow_status flow_output_flush(struct flow_output *output, bool try_only)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count && rc == FLOW_OK; p++)
        rc = flow_port_flush(&output->ports[p], try_only, false);
    return rc;
}

enum flow_status flow_output_complete_result(struct flow_output *output)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count && rc == FLOW_OK; p++) {
        if (output->ports[p].ordered)
            rc = flow_port_flush(&output->ports[p], false, true);
    }
    return rc;
}

enum flow_status flow_output_barrier(struct flow_output *output, uint64_t epoch)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count; p++) {
        struct flow_port_out *port = &output->ports[p];
        for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++)
            rc = flow_outlet_barrier(&port->edges[e].outlet, epoch);
    }
    return rc;
}

enum flow_status flow_output_end(struct flow_output *output, uint64_t results)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count; p++) {
        struct flow_port_out *port = &output->ports[p];
        for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++)
            rc = flow_outlet_end(&port->edges[e].outlet, results);
    }
    return rc;
}

enum flow_status flow_output_credit(struct flow_output *output, const struct flow_message *message,
                                    double *work_ns)
{
    size_t reader = 0;
    struct flow_edge_out *edge = edge_of_link(output, message->link, &reader);
    if (edge == NULL)
        return flow_fail(&output->shared.host->err, FLOW_EPROTO,
                         "a credit has come for link %u, which "
                         "does not start here",
                         message->link);
    const enum flow_status rc = flow_outlet_credit(&edge->outlet, reader, message);
    if (edge->outlet.edge->when_full == FLOW_BLOCK)
        *work_ns = (double)flow_read(&output->shared.host->board->links[message->link].sent) *
                   message->credit.cost_ns;
    return rc == FLOW_OK ? flow_outlet_drain(&edge->outlet) : rc;
}

uint64_t flow_output_oldest(const struct flow_output *output)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t p = 0; p < output->port_count; p++) {
        const uint64_t port = flow_port_oldest(&output->ports[p]);
        oldest = port < oldest ? port : oldest;
    }
    return oldest;
}

bool flow_output_is_settled(const struct flow_output *output)
{
    for (size_t p = 0; p < output->port_count; p++) {
        for (size_t e = 0; e < output->ports[p].edge_count; e++) {
            if (!flow_outlet_is_settled(&output->ports[p].edges[e].outlet))
                return false;
        }
    }
    return true;
}

/* ---- links with an end that is replaced ---- */

enum flow_status flow_output_hello(struct flow_output *output, const struct flow_message *message,
                                   bool is_new)
{
    size_t reader = 0;
    struct flow_edge_out *edge = edge_of_link(output, message->link, &reader);
    if (edge == NULL)
        return flow_fail(&output->shared.host->err, FLOW_EPROTO,
                         "a process says hello by link %u, which does not start here",
                         message->link);
    if (!is_new)
        return flow_outlet_redeliver(&edge->outlet, reader, message);
    flow_outlet_note_answer(&edge->outlet, reader, message);
    return FLOW_OK;
}

enum flow_status flow_output_greet(struct flow_output *output, uint32_t incarnation)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count; p++) {
        for (size_t e = 0; e < output->ports[p].edge_count && rc == FLOW_OK; e++)
            rc = flow_outlet_greet(&output->ports[p].edges[e].outlet, incarnation);
    }
    return rc;
}

bool flow_output_is_answered(struct flow_output *output)
{
    bool answered = true;
    for (size_t p = 0; p < output->port_count; p++) {
        for (size_t e = 0; e < output->ports[p].edge_count; e++)
            answered = flow_outlet_is_answered(&output->ports[p].edges[e].outlet) && answered;
    }
    return answered;
}

void flow_output_resume(struct flow_output *output, bool *any)
{
    for (size_t p = 0; p < output->port_count; p++) {
        for (size_t e = 0; e < output->ports[p].edge_count; e++)
            flow_outlet_resume(&output->ports[p].edges[e].outlet, any);
    }
}

bool flow_output_is_ended(const struct flow_output *output)
{
    bool ended = true;
    for (size_t p = 0; p < output->port_count; p++) {
        for (size_t e = 0; e < output->ports[p].edge_count; e++)
            ended = flow_outlet_is_ended(&output->ports[p].edges[e].outlet) && ended;
    }
    return ended;
}
