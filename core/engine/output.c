/* SPDX-License-Identifier: MIT */
#include "engine/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/keys.h"

#define RUN_MIN_BYTES 4096 /* a shorter run of forwarded records is copied instead */

/* Records of the batch in hand that are being forwarded, so far without a gap. */
struct run {
    struct flow_block *block; /* borrowed; NULL: none */
    uint32_t first, count;
    uint64_t record_id; /* of the last one, for rollback */
};

struct edge_out {
    struct flow_outlet outlet;
    struct flow_builder *builders; /* keyed: one for each reader */
};

struct flow_port_out {
    struct edge_out *edges;
    size_t edge_count;
    bool shares;                 /* some edge takes whole batches */
    bool ordered;                /* results are numbered (never on the errors port) */
    struct flow_builder builder; /* of whole batches; or a scratch area for reservations */
    struct run run;
};

/* Where link `id` of this replica leads. */
static struct edge_out *edge_of_link(struct flow_output *output, size_t id, size_t *reader)
{
    for (size_t p = 0; p < output->port_count; p++) {
        for (size_t e = 0; e < output->ports[p].edge_count; e++) {
            struct edge_out *edge = &output->ports[p].edges[e];
            const size_t first = edge->outlet.first_link;
            if (id >= first && id < first + edge->outlet.link_count) {
                *reader = id - first;
                return edge;
            }
        }
    }
    return NULL;
}

static void init_builder(struct flow_builder *builder, const struct flow_output *output)
{
    const struct flow_plan *plan = output->host->plan;
    const struct flow_plan_replica *self = &plan->replicas[output->host->replica];
    *builder = (struct flow_builder){
        .pool = output->host->pool,
        .target = plan->batch_bytes,
        .most = plan->batch_records,
    };
    for (size_t i = 0; i < self->out_count; i++)
        builder->compact = builder->compact || !plan->links[self->out[i]].local;
}

static enum flow_status add_edge(struct flow_output *output, struct flow_port_out *port,
                                 size_t first_link, size_t link_count)
{
    struct flow_host *host = output->host;
    struct edge_out *edges =
        flow_realloc(port->edges, (port->edge_count + 1) * sizeof(*port->edges));
    if (edges == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for an edge");
    port->edges = edges;
    struct edge_out *edge = &edges[port->edge_count];
    *edge = (struct edge_out){0};
    port->edge_count++;

    const size_t id = host->plan->links[first_link].edge;
    const enum flow_status rc = flow_outlet_init(&edge->outlet, host, id, first_link, link_count);
    if (rc != FLOW_OK || host->plan->edges[id].share != FLOW_KEY) {
        port->shares = port->shares || rc == FLOW_OK;
        return rc;
    }
    edge->builders = flow_calloc(link_count, sizeof(*edge->builders));
    if (edge->builders == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for an edge");
    for (size_t i = 0; i < link_count; i++)
        init_builder(&edge->builders[i], output);
    return FLOW_OK;
}

enum flow_status flow_output_init(struct flow_output *output, struct flow_host *host,
                                  size_t port_count)
{
    const struct flow_plan *plan = host->plan;
    const struct flow_plan_replica *self = &plan->replicas[host->replica];
    output->host = host;
    output->numbered = plan->stages[self->stage].numbered;
    output->ports = flow_calloc(port_count + 1, sizeof(*output->ports));
    if (output->ports == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for %zu ports", port_count);
    output->port_count = port_count + 1;
    for (size_t i = 0; i < output->port_count; i++) {
        init_builder(&output->ports[i].builder, output);
        output->ports[i].ordered = output->numbered && i < port_count;
    }

    size_t i = 0;
    while (i < self->out_count) {
        const struct flow_plan_link *link = &plan->links[self->out[i]];
        size_t count = 1;
        while (i + count < self->out_count && plan->links[self->out[i + count]].edge == link->edge)
            count++;
        const unsigned from_port = plan->edges[link->edge].from_port;
        const size_t port = from_port == FLOW_PORT_ERRORS ? port_count : from_port;
        const enum flow_status rc = add_edge(output, &output->ports[port], self->out[i], count);
        if (rc != FLOW_OK)
            return rc;
        i += count;
    }
    return FLOW_OK;
}

static void clear_edge(struct edge_out *edge)
{
    for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++)
        flow_builder_clear(&edge->builders[i]);
    free(edge->builders);
    flow_outlet_clear(&edge->outlet);
}

void flow_output_clear(struct flow_output *output)
{
    for (size_t p = 0; p < output->port_count; p++) {
        struct flow_port_out *port = &output->ports[p];
        for (size_t e = 0; e < port->edge_count; e++)
            clear_edge(&port->edges[e]);
        free(port->edges);
        flow_builder_clear(&port->builder);
    }
    free(output->ports);
    flow_str_clear(&output->key);
    output->ports = NULL;
    output->port_count = 0;
}

bool flow_output_is_connected(const struct flow_output *output, size_t port)
{
    return port < output->port_count && output->ports[port].edge_count > 0;
}

/* Without records a slice is a mark for readers that take results by number; others need none. */
static bool concerns(const struct edge_out *edge, const struct flow_slice *slice)
{
    return slice->count > 0 || (slice->last && edge->outlet.edge->merge_numbered);
}

/* Send records of a sealed block to every edge that takes whole batches. */
static enum flow_status offer_shared(struct flow_port_out *port, const struct flow_slice *slice)
{
    enum flow_status rc = FLOW_OK;
    for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++) {
        if (port->edges[e].builders == NULL && concerns(&port->edges[e], slice))
            rc = flow_outlet_offer(&port->edges[e].outlet, slice, 0);
    }
    return rc;
}

static bool has_room(const struct flow_port_out *port)
{
    for (size_t e = 0; e < port->edge_count; e++) {
        if (port->edges[e].builders == NULL && !flow_outlet_has_room(&port->edges[e].outlet, 0))
            return false;
    }
    return true;
}

/* Seal what a builder holds; `last` demands a slice even when that is nothing. */
static enum flow_status seal(struct flow_output *output, struct flow_builder *builder, bool last,
                             struct flow_slice *slice)
{
    *slice = (struct flow_slice){.result = output->result, .last = last, .order = builder->order};
    slice->block = flow_builder_seal(builder, last ? 0 : output->host->record_id, &slice->count);
    if (slice->block == NULL && slice->count > 0)
        return flow_fail(&output->host->err, FLOW_ENOMEM, "out of memory for a batch");
    return FLOW_OK;
}

static enum flow_status flush_shared(struct flow_output *output, struct flow_port_out *port,
                                     bool last)
{
    if (!port->shares)
        return FLOW_OK;
    struct flow_slice slice;
    enum flow_status rc = seal(output, &port->builder, last, &slice);
    if (rc == FLOW_OK)
        rc = offer_shared(port, &slice);
    flow_block_unref(slice.block);
    return rc;
}

static enum flow_status flush_keyed(struct flow_output *output, struct edge_out *edge,
                                    size_t reader, bool last)
{
    struct flow_slice slice;
    enum flow_status rc = seal(output, &edge->builders[reader], last, &slice);
    if (rc == FLOW_OK && concerns(edge, &slice))
        rc = flow_outlet_offer(&edge->outlet, &slice, reader);
    flow_block_unref(slice.block);
    return rc;
}

/* A builder is about to get its first record: acknowledgements count from here. */
static void note_opening(struct flow_output *output, struct flow_builder *builder)
{
    if (builder->block == NULL || builder->count == 0)
        builder->order = ++output->host->opened;
    if (output->host->record_id != 0)
        flow_builder_mark(builder, output->host->record_id);
}

static enum flow_status put(struct flow_output *output, struct flow_builder *builder,
                            const struct flow_piece *record)
{
    note_opening(output, builder);
    uint8_t *at = flow_builder_reserve(builder, record->size, record->key_size);
    if (at == NULL)
        return flow_fail(&output->host->err, FLOW_ENOMEM, "out of memory for a record of %zu bytes",
                         record->size);
    memcpy(at, record->data, record->size);
    flow_builder_commit(builder, record->size, record->key, record->key_size);
    return FLOW_OK;
}

static enum flow_status put_shared(struct flow_output *output, struct flow_port_out *port,
                                   const struct flow_piece *record)
{
    if (!flow_builder_fits(&port->builder, record->size, record->key_size)) {
        const enum flow_status rc = flush_shared(output, port, false);
        if (rc != FLOW_OK)
            return rc;
    }
    return put(output, &port->builder, record);
}

static enum flow_status put_keyed(struct flow_output *output, struct edge_out *edge,
                                  const struct flow_piece *record)
{
    size_t reader = 0;
    struct flow_error why = {0};
    enum flow_status rc = flow_key_reader(record, edge->outlet.edge->key, edge->outlet.link_count,
                                          &output->key, &reader, &why);
    if (rc == FLOW_EBAD)
        return output->unkeyed(output->judge, record, why.text);
    if (rc != FLOW_OK)
        return flow_fail(&output->host->err, rc, "%s", why.text);

    struct flow_builder *builder = &edge->builders[reader];
    if (!flow_builder_fits(builder, record->size, record->key_size)) {
        rc = flush_keyed(output, edge, reader, false);
        if (rc != FLOW_OK)
            return rc;
    }
    return put(output, builder, record);
}

static enum flow_status put_all_keyed(struct flow_output *output, struct flow_port_out *port,
                                      const struct flow_piece *record)
{
    enum flow_status rc = FLOW_OK;
    for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++) {
        if (port->edges[e].builders != NULL)
            rc = put_keyed(output, &port->edges[e], record);
    }
    return rc;
}

static void count_emitted(struct flow_output *output, uint64_t records, uint64_t bytes)
{
    output->emitted += records;
    output->emitted_bytes += bytes;
}

static enum flow_status put_everywhere(struct flow_output *output, struct flow_port_out *port,
                                       const struct flow_piece *record)
{
    enum flow_status rc = port->shares ? put_shared(output, port, record) : FLOW_OK;
    return rc == FLOW_OK ? put_all_keyed(output, port, record) : rc;
}

/* Pass a run on: by reference where it pays, else as copies. */
static enum flow_status end_run(struct flow_output *output, struct flow_port_out *port)
{
    const struct run run = port->run;
    if (run.block == NULL)
        return FLOW_OK;
    port->run.block = NULL;

    const size_t bytes = flow_block_span(run.block, run.first, run.count);
    const bool by_reference =
        port->shares && (bytes >= RUN_MIN_BYTES || run.count == run.block->count);
    enum flow_status rc = FLOW_OK;
    if (by_reference) {
        rc = flush_shared(output, port, false);
        const struct flow_slice slice = {
            .block = run.block,
            .first = run.first,
            .count = run.count,
            .order = ++output->host->opened,
            .result = output->result,
        };
        if (rc == FLOW_OK)
            rc = offer_shared(port, &slice);
    }
    const struct flow_batch view = flow_block_view(run.block, run.first, run.count);
    for (uint32_t i = 0; i < run.count && rc == FLOW_OK; i++) {
        const struct flow_record record = flow_batch_record(&view, i);
        const struct flow_piece piece = {record.data, record.size, record.key, record.key_size};
        if (!by_reference)
            rc = put_everywhere(output, port, &piece);
        else
            rc = put_all_keyed(output, port, &piece);
    }
    return rc;
}

static enum flow_status refuse_size(struct flow_output *output, size_t size)
{
    return flow_fail(&output->host->err, FLOW_ERANGE,
                     "a record of %zu bytes was emitted; the most is %zu", size, FLOW_RECORD_MAX);
}

enum flow_status flow_output_emit(struct flow_output *output, size_t port_index,
                                  const struct flow_piece *record)
{
    struct flow_port_out *port = &output->ports[port_index];
    if (port->edge_count == 0) {
        output->unread++;
        return FLOW_OK;
    }
    if (record->size > FLOW_RECORD_MAX || record->key_size > FLOW_RECORD_MAX - record->size)
        return refuse_size(output, record->size);
    if (port->run.block != NULL) {
        const enum flow_status rc = end_run(output, port);
        if (rc != FLOW_OK)
            return rc;
    }
    count_emitted(output, 1, record->size);
    return put_everywhere(output, port, record);
}

void *flow_output_reserve(struct flow_output *output, size_t port_index, size_t size)
{
    struct flow_port_out *port = &output->ports[port_index];
    struct flow_builder *builder = &port->builder;
    if (size > FLOW_RECORD_MAX) {
        (void)refuse_size(output, size);
        return NULL;
    }
    if (port->run.block != NULL && end_run(output, port) != FLOW_OK)
        return NULL;
    if (port->shares) { /* else the builder is a scratch area, where nothing is ever committed */
        if (!flow_builder_fits(builder, size, 0) && flush_shared(output, port, false) != FLOW_OK)
            return NULL;
        note_opening(output, builder);
    }
    uint8_t *at = flow_builder_reserve(builder, size, 0);
    if (at == NULL)
        (void)flow_fail(&output->host->err, FLOW_ENOMEM, "out of memory for a record of %zu bytes",
                        size);
    return at;
}

/* The key does not fit behind what was written in place: move the record to a batch of its own. */
static enum flow_status commit_elsewhere(struct flow_output *output, size_t port_index,
                                         const struct flow_piece *record)
{
    struct flow_block *copy = flow_pool_take(output->host->pool, record->size);
    if (copy == NULL)
        return flow_fail(&output->host->err, FLOW_ENOMEM, "out of memory for a record of %zu bytes",
                         record->size);
    uint8_t *data = copy->frame + FLOW_FRAME_HEADER;
    memcpy(data, record->data, record->size);
    const struct flow_piece moved = {data, record->size, record->key, record->key_size};
    const enum flow_status rc = flow_output_emit(output, port_index, &moved);
    flow_block_unref(copy);
    return rc;
}

enum flow_status flow_output_commit(struct flow_output *output, size_t port_index, size_t size,
                                    const void *key, size_t key_size)
{
    struct flow_port_out *port = &output->ports[port_index];
    struct flow_builder *builder = &port->builder;
    const struct flow_piece record = {flow_builder_reserved(builder), size, key, key_size};
    if (port->edge_count == 0) {
        output->unread++;
        return FLOW_OK;
    }
    if (!flow_builder_holds(builder, size, key_size))
        return commit_elsewhere(output, port_index, &record);

    count_emitted(output, 1, size);
    if (port->shares)
        flow_builder_commit(builder, size, key, key_size);
    return put_all_keyed(output, port, &record);
}

enum flow_status flow_output_forward(struct flow_output *output, size_t port_index,
                                     struct flow_block *block, uint32_t first, uint32_t count)
{
    struct flow_port_out *port = &output->ports[port_index];
    if (port->edge_count == 0) {
        output->unread += count;
        return FLOW_OK;
    }
    if (count == 0)
        return FLOW_OK;
    count_emitted(output, count, flow_block_span(block, first, count));

    struct run *run = &port->run;
    if (run->block == block && run->first + run->count == first) {
        run->count += count;
        run->record_id = output->host->record_id;
        return FLOW_OK;
    }
    const enum flow_status rc = end_run(output, port);
    *run = (struct run){block, first, count, output->host->record_id};
    return rc;
}

enum flow_status flow_output_settle_runs(struct flow_output *output)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count && rc == FLOW_OK; p++)
        rc = end_run(output, &output->ports[p]);
    return rc;
}

void flow_output_rollback(struct flow_output *output)
{
    const uint64_t id = output->host->record_id;
    for (size_t p = 0; p < output->port_count; p++) {
        struct flow_port_out *port = &output->ports[p];
        if (port->run.block != NULL && port->run.record_id == id && --port->run.count == 0)
            port->run.block = NULL;
        flow_builder_rollback(&port->builder, id);
        for (size_t e = 0; e < port->edge_count; e++) {
            const struct edge_out *edge = &port->edges[e];
            for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++)
                flow_builder_rollback(&edge->builders[i], id);
        }
    }
}

static enum flow_status flush_port(struct flow_output *output, struct flow_port_out *port,
                                   bool try_only, bool last)
{
    enum flow_status rc = end_run(output, port);
    if (rc == FLOW_OK && (!try_only || has_room(port)))
        rc = flush_shared(output, port, last);
    for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++) {
        struct edge_out *edge = &port->edges[e];
        for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++) {
            if (rc == FLOW_OK && (!try_only || flow_outlet_has_room(&edge->outlet, i)))
                rc = flush_keyed(output, edge, i, last);
        }
    }
    return rc;
}

enum flow_status flow_output_flush(struct flow_output *output, bool try_only)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count && rc == FLOW_OK; p++)
        rc = flush_port(output, &output->ports[p], try_only, false);
    return rc;
}

enum flow_status flow_output_complete_result(struct flow_output *output)
{
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count && rc == FLOW_OK; p++) {
        if (output->ports[p].ordered)
            rc = flush_port(output, &output->ports[p], false, true);
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

enum flow_status flow_output_credit(struct flow_output *output, const struct flow_message *message)
{
    size_t reader = 0;
    struct edge_out *edge = edge_of_link(output, message->link, &reader);
    if (edge == NULL)
        return flow_fail(&output->host->err, FLOW_EPROTO,
                         "a credit has come for link %u, which "
                         "does not start here",
                         message->link);
    const enum flow_status rc = flow_outlet_credit(&edge->outlet, reader, message);
    return rc == FLOW_OK ? flow_outlet_drain(&edge->outlet) : rc;
}

static uint64_t oldest_open(const struct flow_builder *builder, uint64_t oldest)
{
    const bool open = builder->block != NULL && builder->count > 0;
    return open && builder->order < oldest ? builder->order : oldest;
}

uint64_t flow_output_oldest(const struct flow_output *output)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t p = 0; p < output->port_count; p++) {
        const struct flow_port_out *port = &output->ports[p];
        if (port->shares)
            oldest = oldest_open(&port->builder, oldest);
        for (size_t e = 0; e < port->edge_count; e++) {
            const struct edge_out *edge = &port->edges[e];
            for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++)
                oldest = oldest_open(&edge->builders[i], oldest);
            const uint64_t sent = flow_outlet_oldest(&edge->outlet);
            oldest = sent < oldest ? sent : oldest;
        }
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
