/* SPDX-License-Identifier: MIT */
#include "engine/port.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/batching.h"
#include "engine/keys.h"
#include "record/append.h"

#define RUN_MIN_BYTES 4096 /* a shorter run of forwarded records is copied instead */

static void init_builder(struct flow_builder *builder, const struct flow_emission *shared)
{
    const struct flow_plan *plan = shared->host->plan;
    const struct flow_plan_replica *self = &plan->replicas[shared->host->replica];
    *builder = (struct flow_builder){
        .pool = shared->host->pool,
        .target = plan->fused_bytes, /* what leaves the task is worth larger ones */
        .most = plan->batch_records,
    };
    for (size_t i = 0; i < self->out_count; i++)
        builder->compact = builder->compact || !plan->links[self->out[i]].local;
}

void flow_port_init(struct flow_port_out *port, struct flow_emission *shared, bool ordered)
{
    *port = (struct flow_port_out){.shared = shared, .ordered = ordered};
    init_builder(&port->builder, shared);
}

enum flow_status flow_port_add_edge(struct flow_port_out *port, size_t first_link,
                                    size_t link_count)
{
    struct flow_emission *shared = port->shared;
    struct flow_host *host = shared->host;
    struct flow_edge_out *edges =
        flow_realloc(port->edges, (port->edge_count + 1) * sizeof(*port->edges));
    if (edges == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for an edge");
    port->edges = edges;
    struct flow_edge_out *edge = &edges[port->edge_count];
    *edge = (struct flow_edge_out){0};
    port->edge_count++;

    const size_t id = host->plan->links[first_link].edge;
    const enum flow_status rc = flow_outlet_init(&edge->outlet, host, id, first_link, link_count);
    const uint32_t target =
        host->plan->edges[id].fused ? host->plan->fused_bytes : host->plan->batch_bytes;
    if (rc != FLOW_OK || host->plan->edges[id].share != FLOW_KEY) {
        port->shares = port->shares || rc == FLOW_OK;
        if (target > port->builder.target)
            port->builder.target = target;
        return rc;
    }
    port->keys = true;
    edge->builders = flow_calloc(link_count, sizeof(*edge->builders));
    if (edge->builders == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for an edge");
    for (size_t i = 0; i < link_count; i++) {
        init_builder(&edge->builders[i], shared);
        edge->builders[i].target = target;
    }
    return FLOW_OK;
}

void flow_port_settle_edges(struct flow_port_out *port, bool is_own)
{
    flow_batching_choose_all(port);
    port->builder.direct = is_own && port->shares && !port->keys;
    if (port->edge_count == 1 && port->keys && port->edges[0].outlet.edge->key == NULL)
        port->only = &port->edges[0];
}

static void clear_edge(struct flow_edge_out *edge)
{
    for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++)
        flow_builder_clear(&edge->builders[i]);
    free(edge->builders);
    flow_outlet_clear(&edge->outlet);
}

void flow_port_clear(struct flow_port_out *port)
{
    for (size_t e = 0; e < port->edge_count; e++)
        clear_edge(&port->edges[e]);
    free(port->edges);
    flow_builder_clear(&port->builder);
}

/* Without records a slice is a mark for readers that take results by number; others need none. */
static bool concerns(const struct flow_edge_out *edge, const struct flow_slice *slice)
{
    return slice->count > 0 || (slice->last && edge->outlet.edge->merge_numbered);
}

/* To the edges that take whole batches, either the fused ones or the others. */
static enum flow_status offer_some(struct flow_port_out *port, const struct flow_slice *slice,
                                   bool fused)
{
    enum flow_status rc = FLOW_OK;
    for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++) {
        struct flow_edge_out *edge = &port->edges[e];
        if (edge->builders == NULL && edge->outlet.edge->fused == fused && concerns(edge, slice))
            rc = flow_outlet_offer(&edge->outlet, slice, 0);
    }
    return rc;
}

/*
 * Send records of a sealed block to every edge that takes whole batches: first to those whose
 * readers can begin on it by themselves, then to those that are called.
 */
static enum flow_status offer_shared(struct flow_port_out *port, const struct flow_slice *slice)
{
    const enum flow_status rc = offer_some(port, slice, false);
    return rc == FLOW_OK ? offer_some(port, slice, true) : rc;
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
static enum flow_status seal(struct flow_emission *shared, struct flow_builder *builder, bool last,
                             struct flow_slice *slice)
{
    *slice = (struct flow_slice){.result = shared->result, .last = last, .order = builder->order};
    slice->block = flow_builder_seal(builder, last ? 0 : *shared->host->in_hand, &slice->count);
    if (slice->block == NULL && slice->count > 0)
        return flow_fail(&shared->host->err, FLOW_ENOMEM, "out of memory for a batch");
    return FLOW_OK;
}

static enum flow_status flush_shared(struct flow_emission *shared, struct flow_port_out *port,
                                     bool last)
{
    if (!port->shares)
        return FLOW_OK;
    struct flow_slice slice;
    enum flow_status rc = seal(shared, &port->builder, last, &slice);
    if (rc != FLOW_OK)
        return rc;
    /* Its only reader may edit it in place, also if it is called. */
    slice.gives =
        slice.block != NULL && port->edge_count == 1 && flow_outlet_takes(&port->edges[0].outlet);
    rc = offer_shared(port, &slice);
    flow_batching_choose(port);
    if (!slice.gives)
        flow_block_unref(slice.block);
    return rc;
}

static enum flow_status flush_keyed(struct flow_emission *shared, struct flow_edge_out *edge,
                                    size_t reader, bool last)
{
    struct flow_slice slice;
    enum flow_status rc = seal(shared, &edge->builders[reader], last, &slice);
    if (rc != FLOW_OK)
        return rc;
    slice.gives = slice.block != NULL && flow_outlet_takes(&edge->outlet);
    if (concerns(edge, &slice))
        rc = flow_outlet_offer(&edge->outlet, &slice, reader);
    flow_batching_choose_keyed(edge, reader);
    if (!slice.gives)
        flow_block_unref(slice.block);
    return rc;
}

/* Room in the open batch; acknowledgements count from where it gets its first record. */
static uint8_t *make_room(struct flow_emission *shared, struct flow_builder *builder, size_t size,
                          size_t key_size)
{
    if (flow_builder_count(builder) == 0)
        builder->order = ++*shared->host->clock;
    uint8_t *at = flow_builder_reserve(builder, size, key_size);
    if (at == NULL)
        (void)flow_fail(&shared->host->err, FLOW_ENOMEM, "out of memory for a record of %zu bytes",
                        size);
    else if (*shared->host->in_hand != 0)
        flow_builder_mark(builder, *shared->host->in_hand);
    return at;
}

static enum flow_status put(struct flow_emission *shared, struct flow_builder *builder,
                            const struct flow_piece *record)
{
    uint8_t *at = make_room(shared, builder, record->size, record->key_size);
    if (at == NULL)
        return FLOW_ENOMEM;
    memcpy(at, record->data, record->size);
    flow_builder_commit(builder, record->size, record->key, record->key_size);
    return FLOW_OK;
}

/* Sealing cuts before the record in hand, so what is left may have to be sealed once more. */
static enum flow_status put_shared(struct flow_emission *shared, struct flow_port_out *port,
                                   const struct flow_piece *record)
{
    if (flow_builder_has(&port->builder, record)) {
        flow_builder_add(&port->builder, *shared->host->in_hand, record);
        return FLOW_OK;
    }
    while (!flow_batching_fits(shared, &port->builder, record->size, record->key_size)) {
        const enum flow_status rc = flush_shared(shared, port, false);
        if (rc != FLOW_OK)
            return rc;
    }
    return put(shared, &port->builder, record);
}

static enum flow_status put_to_reader(struct flow_emission *shared, struct flow_edge_out *edge,
                                      size_t reader, const struct flow_piece *record)
{
    struct flow_builder *builder = &edge->builders[reader];
    if (flow_builder_has(builder, record)) {
        flow_builder_add(builder, *shared->host->in_hand, record);
        return FLOW_OK;
    }
    while (!flow_batching_fits(shared, builder, record->size, record->key_size)) {
        const enum flow_status rc = flush_keyed(shared, edge, reader, false);
        if (rc != FLOW_OK)
            return rc;
    }
    return put(shared, builder, record);
}

/* The key is what a JSON pointer finds in the record; on this edge, the record has it from then on.
 */
static enum flow_status put_pointed(struct flow_emission *shared, struct flow_edge_out *edge,
                                    const struct flow_piece *record)
{
    struct flow_error why = {0};
    const enum flow_status rc = flow_key_find(record, edge->outlet.edge->key, &shared->key, &why);
    if (rc == FLOW_EBAD)
        return shared->unkeyed(shared->judge, record, shared->number, why.text);
    if (rc != FLOW_OK)
        return flow_fail(&shared->host->err, rc, "%s", why.text);
    const struct flow_piece keyed = {record->data, record->size, shared->key.text,
                                     shared->key.size};
    /* By the key alone, since an empty one is a key too. */
    const struct flow_piece key = {.data = shared->key.text, .size = shared->key.size};
    return put_to_reader(shared, edge, flow_key_reader(&key, edge->outlet.link_count), &keyed);
}

static enum flow_status put_keyed(struct flow_emission *shared, struct flow_edge_out *edge,
                                  const struct flow_piece *record)
{
    if (edge->outlet.edge->key != NULL)
        return put_pointed(shared, edge, record);
    return put_to_reader(shared, edge, flow_key_reader(record, edge->outlet.link_count), record);
}

static enum flow_status put_all_keyed(struct flow_emission *shared, struct flow_port_out *port,
                                      const struct flow_piece *record)
{
    enum flow_status rc = FLOW_OK;
    for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++) {
        if (port->edges[e].builders != NULL)
            rc = put_keyed(shared, &port->edges[e], record);
    }
    return rc;
}

static void count_emitted(struct flow_port_out *port, uint64_t records, uint64_t bytes)
{
    port->shared->number = port->emitted;
    port->emitted += records;
    port->shared->emitted += records;
    port->shared->emitted_bytes += bytes;
}

static enum flow_status put_everywhere(struct flow_emission *shared, struct flow_port_out *port,
                                       const struct flow_piece *record)
{
    const enum flow_status rc = port->shares ? put_shared(shared, port, record) : FLOW_OK;
    return rc == FLOW_OK && port->keys ? put_all_keyed(shared, port, record) : rc;
}

/* A copy of record `i` of a run, to all edges or to those that do not take whole batches. */
static enum flow_status copy_one(struct flow_port_out *port, const struct flow_run_out *run,
                                 uint32_t i, bool only_keyed)
{
    const struct flow_batch view = flow_block_view(run->block, run->first, run->count);
    const struct flow_record record = flow_batch_record(&view, i);
    const struct flow_piece piece = {record.data, record.size, record.key, record.key_size};
    port->shared->number = run->number + i;
    return only_keyed ? put_all_keyed(port->shared, port, &piece)
                      : put_everywhere(port->shared, port, &piece);
}

/* Copies of the records; where nothing looks at each, as many at a time as fit. */
static enum flow_status copy_run(struct flow_port_out *port, const struct flow_run_out *run,
                                 bool only_keyed)
{
    const bool at_once = !port->keys && *port->shared->host->in_hand == 0;
    enum flow_status rc = FLOW_OK;
    for (uint32_t i = 0; i < run->count && rc == FLOW_OK;) {
        uint32_t added = 0;
        if (at_once)
            added =
                flow_builder_add_run(&port->builder, run->block, run->first + i, run->count - i);
        if (added == 0) { /* the first of a batch, or a batch turns keyed */
            rc = copy_one(port, run, i, only_keyed);
            added = 1;
        }
        i += added;
    }
    return rc;
}

/* A slice keeps its whole block, whose other records no credit would count. */
static bool is_worth_keeping(const struct flow_run_out *run)
{
    const size_t bytes = flow_block_span(run->block, run->first, run->count);
    return run->count == run->block->count ||
           (bytes >= RUN_MIN_BYTES && bytes >= run->block->size / 2);
}

/* Records that will not be withdrawn. */
static enum flow_status pass_run(struct flow_port_out *port, const struct flow_run_out *run)
{
    struct flow_emission *shared = port->shared;
    if (run->count == 0)
        return FLOW_OK;
    if (!port->shares || !is_worth_keeping(run))
        return copy_run(port, run, false);

    enum flow_status rc = flush_shared(shared, port, false);
    const struct flow_slice slice = {
        .block = run->block,
        .first = run->first,
        .count = run->count,
        .order = ++*shared->host->clock,
        .result = shared->result,
    };
    if (rc == FLOW_OK)
        rc = offer_shared(port, &slice);
    return rc == FLOW_OK && port->keys ? copy_run(port, run, true) : rc;
}

enum flow_status flow_port_end_run(struct flow_port_out *port)
{
    struct flow_host *host = port->shared->host;
    if (port->run.block == NULL)
        return FLOW_OK;
    flow_port_tally(port);
    struct flow_run_out run = port->run;
    port->run = (struct flow_run_out){0};

    /* The last record may be the one in hand, which may yet be withdrawn, alone: it is copied. */
    const uint64_t in_hand = *host->in_hand;
    const uint32_t own = in_hand != 0 && run.record_id == in_hand;
    run.count -= own;
    *host->in_hand = 0;
    const enum flow_status rc = pass_run(port, &run);
    *host->in_hand = in_hand;
    run.first += run.count;
    run.number += run.count;
    run.count = own;
    flow_builder_unbar(&port->builder);
    return rc == FLOW_OK ? copy_run(port, &run, false) : rc;
}

static enum flow_status refuse_size(struct flow_emission *shared, size_t size)
{
    return flow_fail(&shared->host->err, FLOW_ERANGE,
                     "a record of %zu bytes was emitted; the most is %zu", size, FLOW_RECORD_MAX);
}

enum flow_status flow_port_emit(struct flow_port_out *port, const struct flow_piece *record)
{
    struct flow_emission *shared = port->shared;
    if (port->edge_count == 0) {
        shared->unread++;
        return FLOW_OK;
    }
    if (record->size > FLOW_RECORD_MAX || record->key_size > FLOW_RECORD_MAX - record->size)
        return refuse_size(shared, record->size);
    if (port->run.block != NULL) {
        const enum flow_status rc = flow_port_end_run(port);
        if (rc != FLOW_OK)
            return rc;
    }
    if (port->only != NULL) {
        const size_t reader = flow_key_reader(record, port->only->outlet.link_count);
        count_emitted(port, 1, record->size);
        return put_to_reader(shared, port->only, reader, record);
    }
    flow_port_tally(port);
    count_emitted(port, 1, record->size);
    return put_everywhere(shared, port, record);
}

void *flow_port_reserve(struct flow_port_out *port, size_t size)
{
    struct flow_emission *shared = port->shared;
    struct flow_builder *builder = &port->builder;
    if (size > FLOW_RECORD_MAX) {
        (void)refuse_size(shared, size);
        return NULL;
    }
    if (port->run.block != NULL && flow_port_end_run(port) != FLOW_OK)
        return NULL;
    /* Of a port that does not share, the builder is a scratch area: nothing is ever committed. */
    if (!port->shares && flow_builder_holds(builder, size, 0))
        return flow_builder_reserved(builder);
    flow_port_tally(port);
    while (port->shares && !flow_batching_fits(shared, builder, size, 0)) {
        if (flush_shared(shared, port, false) != FLOW_OK)
            return NULL;
    }
    return make_room(shared, builder, size, 0);
}

/* The key does not fit behind what was written in place: move the record to a batch of its own. */
static enum flow_status commit_elsewhere(struct flow_port_out *port,
                                         const struct flow_piece *record)
{
    struct flow_emission *shared = port->shared;
    struct flow_block *copy = flow_pool_take(shared->host->pool, record->size);
    if (copy == NULL)
        return flow_fail(&shared->host->err, FLOW_ENOMEM, "out of memory for a record of %zu bytes",
                         record->size);
    uint8_t *data = copy->frame + FLOW_FRAME_HEADER;
    memcpy(data, record->data, record->size);
    const struct flow_piece moved = {data, record->size, record->key, record->key_size};
    const enum flow_status rc = flow_port_emit(port, &moved);
    flow_block_unref(copy);
    return rc;
}

enum flow_status flow_port_commit(struct flow_port_out *port, size_t size, const void *key,
                                  size_t key_size)
{
    struct flow_emission *shared = port->shared;
    struct flow_builder *builder = &port->builder;
    const struct flow_piece record = {flow_builder_reserved(builder), size, key, key_size};
    if (port->edge_count == 0) {
        shared->unread++;
        return FLOW_OK;
    }
    if (!flow_builder_holds(builder, size, key_size))
        return commit_elsewhere(port, &record);

    flow_port_tally(port);
    count_emitted(port, 1, size);
    if (port->shares)
        flow_builder_commit(builder, size, key, key_size);
    return port->keys ? put_all_keyed(shared, port, &record) : FLOW_OK;
}

enum flow_status flow_port_forward(struct flow_port_out *port, struct flow_block *block,
                                   uint32_t first, uint32_t count)
{
    struct flow_emission *shared = port->shared;
    if (port->edge_count == 0) {
        shared->unread += count;
        return FLOW_OK;
    }
    if (count == 0)
        return FLOW_OK;
    struct flow_run_out *run = &port->run;
    const uint64_t in_hand = *shared->host->in_hand;
    if (run->block == block && run->first + run->count == first) {
        run->count += count;
        run->record_id = in_hand;
        return FLOW_OK;
    }
    const enum flow_status rc = flow_port_end_run(port);
    flow_port_tally(port);
    flow_builder_bar(&port->builder); /* what is emitted now comes behind the run */
    *run = (struct flow_run_out){.block = block,
                                 .first = first,
                                 .count = count,
                                 .record_id = in_hand,
                                 .number = port->emitted};
    return rc;
}

enum flow_status flow_port_flush(struct flow_port_out *port, bool try_only, bool last)
{
    struct flow_emission *shared = port->shared;
    enum flow_status rc = flow_port_end_run(port);
    flow_port_tally(port);
    if (rc == FLOW_OK && (!try_only || has_room(port)))
        rc = flush_shared(shared, port, last);
    for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++) {
        struct flow_edge_out *edge = &port->edges[e];
        for (size_t i = 0; edge->builders != NULL && i < edge->outlet.link_count; i++) {
            if (rc == FLOW_OK && (!try_only || flow_outlet_has_room(&edge->outlet, i)))
                rc = flush_keyed(shared, edge, i, last);
        }
    }
    return rc;
}
