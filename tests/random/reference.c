/* SPDX-License-Identifier: MIT */
#include "random/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reference {
    const struct rt_graph *graph;
    struct rt_expected *expected;
    struct rt_stream out[RT_STAGES_MAX][RT_PORTS];
    bool read[RT_STAGES_MAX][RT_PORTS]; /* something takes from it */
    uint64_t last_chain;
    uint64_t most_records, most_bytes;
};

/* One record in one stage. */
struct call {
    struct reference *ref;
    unsigned stage;
    const struct rt_item *item;
    unsigned emitted;
};

static uint64_t fresh_chain(struct reference *ref)
{
    return rt_mix(++ref->last_chain);
}

static uint64_t sub_chain(uint64_t chain, uint64_t part)
{
    return rt_mix(rt_mix(chain) + part);
}

static uint8_t *take(struct reference *ref, size_t size)
{
    return rt_arena_take(ref->expected->arena, size);
}

static void emit(struct call *call, unsigned port, const struct rt_item *item)
{
    struct reference *ref = call->ref;
    struct rt_counts *counts = &ref->expected->counts[call->stage];
    call->emitted++;
    if (!ref->read[call->stage][port]) {
        counts->unread++;
        return;
    }
    counts->out++;
    rt_stream_add(&ref->out[call->stage][port], item);
}

/* Sources. */

static void run_source(struct reference *ref, unsigned stage)
{
    const struct rt_stage *s = &ref->graph->stages[stage];
    for (unsigned replica = 0; replica < s->workers; replica++) {
        struct rt_item item = {.chain = fresh_chain(ref)};
        struct call call = {.ref = ref, .stage = stage};
        for (uint64_t i = replica; i < (uint64_t)s->source.count; i += s->workers) {
            char key[RT_KEY_SIZE];
            const size_t size = rt_source_size(&s->source, i);
            const size_t key_size = rt_source_key(&s->source, i, key);
            uint8_t *bytes = take(ref, size + key_size);
            rt_source_fill(&s->source, i, bytes, size);
            memcpy(bytes + size, key, key_size);
            item.data = bytes;
            item.size = (uint32_t)size;
            item.key = bytes + size;
            item.key_size = (uint32_t)key_size;
            emit(&call, 0, &item);
        }
    }
}

/* What arrives at a stage, with what its sharing and order leave of the promises. */

struct span {
    const uint8_t *data;
    size_t size;
};

/* The key that an edge shares by: what its pointer finds, the record's own, or its bytes. */
static struct span share_key(const struct rt_edge *edge, const struct rt_item *item)
{
    if (edge->pointer == NULL)
        return item->key_size > 0 ? (struct span){item->key, item->key_size}
                                  : (struct span){item->data, item->size};
    const bool id = strcmp(edge->pointer, "/id") == 0;
    const char *mark = id ? "\"id\":" : "\"k\":\"";
    const uint8_t *start = memmem(item->data, item->size, mark, strlen(mark));
    start += strlen(mark);
    const size_t left = item->size - (size_t)(start - item->data);
    const uint8_t *end = memchr(start, id ? ',' : '"', left);
    return (struct span){start, (size_t)(end - start)};
}

/*
 * Whether the results of a parallel stage are read in the order of its input: all its edges share
 * by balance and lead to one port.
 */
static bool is_numbered(const struct rt_graph *graph, unsigned stage)
{
    const struct rt_stage *s = &graph->stages[stage];
    if (s->workers == 1 || s->type == RT_SOURCE || rt_is_sink(s) ||
        rt_effective_order(graph, stage) == RT_ORDER_NONE)
        return false;
    unsigned port = RT_PORTS;
    for (unsigned e = 0; e < graph->edge_count; e++) {
        const struct rt_edge *edge = &graph->edges[e];
        if (edge->to != stage)
            continue;
        if (edge->share != RT_BALANCE || (port != RT_PORTS && port != edge->to_port))
            return false;
        port = edge->to_port;
    }
    return true;
}

/*
 * Whether the workers that share this edge by balance keep no order.  Sinks have no results to put
 * in order: each takes what it gets in order, unless it takes from several workers as they come.
 */
static bool deals_out(const struct rt_graph *graph, const struct rt_edge *edge)
{
    if (edge->share != RT_BALANCE)
        return false;
    return rt_is_sink(&graph->stages[edge->to]) ? is_numbered(graph, edge->from)
                                                : !is_numbered(graph, edge->to);
}

/* An edge that several workers share, but not by "all". */
static void arrive_shared(struct reference *ref, const struct rt_edge *edge, struct rt_item *item)
{
    const struct rt_graph *graph = ref->graph;
    const enum rt_order order = rt_effective_order(graph, edge->to);
    const struct rt_traits *traits = &graph->out[edge->from][edge->from_port];
    const bool known = !traits->dead && (edge->pointer != NULL || !traits->loose);
    const struct span key = share_key(edge, item);
    const uint64_t hash = rt_hash(key.data, key.size, 7) | 1;
    item->group = edge->share == RT_BY_KEY && known ? hash : 0;
    if (order == RT_ORDER_NONE || (order == RT_ORDER_KEY && !known) || deals_out(graph, edge))
        item->chain = fresh_chain(ref);
    else if (order == RT_ORDER_KEY)
        item->chain = sub_chain(item->chain, hash);
}

static void arrive_item(struct reference *ref, const struct rt_edge *edge, struct rt_item item,
                        struct rt_stream *in)
{
    const struct rt_stage *to = &ref->graph->stages[edge->to];
    const unsigned copies = edge->share == RT_ALL ? to->workers : 1;
    item.group = 0;
    if (to->workers > 1 && edge->share != RT_ALL)
        arrive_shared(ref, edge, &item);
    const uint64_t chain = item.chain;
    for (unsigned copy = 0; copy < copies; copy++) {
        if (copies > 1) {
            item.chain = rt_effective_order(ref->graph, edge->to) == RT_ORDER_NONE
                             ? fresh_chain(ref)
                             : sub_chain(chain, copy);
            item.group = copy + 1;
        }
        rt_stream_add(in, &item);
        ref->expected->records++;
        ref->expected->bytes += item.size;
    }
}

static bool arrive(struct reference *ref, unsigned stage, struct rt_stream *in)
{
    for (unsigned e = 0; e < ref->graph->edge_count; e++) {
        const struct rt_edge *edge = &ref->graph->edges[e];
        if (edge->to != stage)
            continue;
        const struct rt_stream *from = &ref->out[edge->from][edge->from_port];
        const size_t before = in->count;
        for (size_t i = 0; i < from->count; i++) {
            struct rt_item item = from->items[i];
            item.chain = sub_chain(item.chain, e);
            item.port = edge->to_port;
            arrive_item(ref, edge, item, in);
            if (ref->expected->records > ref->most_records ||
                ref->expected->bytes > ref->most_bytes)
                return false;
        }
        ref->expected->offered[e] = in->count - before;
    }
    return true;
}

/* Stages. */

static void set_bytes(struct rt_item *item, const uint8_t *data, size_t size)
{
    item->data = data;
    item->size = (uint32_t)size;
}

static void set_key(struct rt_item *item, const uint8_t *key, size_t size)
{
    item->key = key;
    item->key_size = (uint32_t)size;
}

static void refuse(struct call *call, unsigned tries)
{
    struct reference *ref = call->ref;
    const struct rt_graph *graph = ref->graph;
    const struct rt_stage *s = &graph->stages[call->stage];
    struct rt_counts *counts = &ref->expected->counts[call->stage];
    switch (s->errors.then) {
    case RT_STOP:
        counts->failed++;
        ref->expected->failing = call->stage;
        return;
    case RT_SKIP:
        counts->skipped++;
        return;
    case RT_ROUTE:
        break;
    }
    counts->routed++;
    char name[RT_KEY_SIZE], reason[RT_KEY_SIZE];
    rt_reason(call->item->data, call->item->size, reason);
    const struct rt_dead dead = {rt_stage_name(graph, call->stage, name), reason, tries,
                                 call->item->data, call->item->size};
    struct rt_item item = *call->item;
    rt_dead_item(ref->expected->arena, &dead, &item);
    if (s->workers > 1)
        item.chain = fresh_chain(ref);
    rt_stream_add(&ref->out[call->stage][RT_ERRORS], &item);
}

/* Whether the record in hand survives the tries that its stage's policy grants. */
static bool survives(struct call *call)
{
    const struct rt_stage *s = &call->ref->graph->stages[call->stage];
    if (!rt_is_bad(&s->transform, call->item->data, call->item->size))
        return true;
    const unsigned granted = s->errors.retries + 1;
    const unsigned fails =
        s->type == RT_BATCH ? granted : (unsigned)s->transform.fails; /* batches remember nothing */
    call->ref->expected->counts[call->stage].retried += fails < granted ? fails : granted - 1;
    if (fails < granted)
        return true;
    refuse(call, granted);
    return false;
}

static void transform(struct call *call)
{
    const struct rt_transform *t = &call->ref->graph->stages[call->stage].transform;
    struct rt_item item = *call->item;
    const size_t size = rt_transform_size(t, item.size);
    uint8_t *bytes = take(call->ref, size);
    rt_transform_fill(t, item.data, item.size, bytes);
    if (t->key == RT_KEY_DROP) {
        set_key(&item, item.data, 0);
    } else if (t->key == RT_KEY_DERIVE) {
        char key[RT_KEY_SIZE];
        const size_t key_size = rt_derived_key(t, item.data, item.size, key);
        set_key(&item, memcpy(take(call->ref, key_size), key, key_size), key_size);
    }
    set_bytes(&item, bytes, size);
    emit(call, 0, &item);
}

static void expand(struct call *call)
{
    const struct rt_expand *x = &call->ref->graph->stages[call->stage].expand;
    const struct rt_item *in = call->item;
    const unsigned count = rt_expand_count(x, in->data, in->size);
    for (unsigned j = 0; j < count; j++) {
        struct rt_item item = *in;
        const size_t size = rt_expand_size(x, in->size, j);
        uint8_t *bytes = take(call->ref, size);
        rt_expand_fill(x, in->data, j, bytes, size);
        set_bytes(&item, bytes, size);
        emit(call, 0, &item);
    }
}

static void mark_port(struct call *call)
{
    struct rt_item item = *call->item;
    uint8_t *bytes = take(call->ref, item.size + 2u);
    memcpy(bytes, item.port == 0 ? "L:" : "R:", 2);
    memcpy(bytes + 2, item.data, item.size);
    set_bytes(&item, bytes, item.size + 2u);
    emit(call, 0, &item);
}

static void choose(struct call *call, enum rt_type type)
{
    const struct rt_choice *choice = &call->ref->graph->stages[call->stage].choice;
    const bool chosen = rt_is_chosen(choice, call->item->data, call->item->size);
    if (type == RT_SPLIT)
        emit(call, chosen ? 0 : 1, call->item);
    else if (chosen)
        emit(call, 0, call->item);
}

static void apply(struct call *call)
{
    const struct rt_stage *s = &call->ref->graph->stages[call->stage];
    switch (s->type) {
    case RT_MAP:
    case RT_RESERVE:
    case RT_BATCH:
    case RT_HOLD:
        transform(call);
        break;
    case RT_FAIL:
    case RT_FORWARD:
    case RT_FORWARD_BATCH:
        emit(call, 0, call->item);
        break;
    case RT_FILTER:
    case RT_RUNS:
    case RT_SPLIT:
        choose(call, s->type);
        break;
    case RT_EXPAND:
        expand(call);
        break;
    case RT_JOIN2:
        mark_port(call);
        break;
    case RT_SOURCE:
    case RT_COUNT:
    case RT_SINK:
    case RT_SINKN:
        break;
    }
}

static bool may_refuse(enum rt_type type)
{
    return type == RT_MAP || type == RT_RESERVE || type == RT_BATCH || type == RT_HOLD ||
           type == RT_FAIL;
}

static void run_records(struct reference *ref, unsigned stage, const struct rt_stream *in)
{
    const struct rt_stage *s = &ref->graph->stages[stage];
    struct rt_counts *counts = &ref->expected->counts[stage];
    counts->in = in->count;
    for (size_t i = 0; i < in->count; i++) {
        struct call call = {.ref = ref, .stage = stage, .item = &in->items[i]};
        if (may_refuse(s->type) && !survives(&call))
            continue;
        counts->done++;
        apply(&call);
        if (call.emitted == 0 && !rt_is_sink(s))
            counts->filtered++;
    }
}

/* Keyed counting: sort by key, then count runs. */

static int compare_names(const void *a, const void *b)
{
    const struct rt_item *x = a;
    const struct rt_item *y = b;
    const uint32_t common = x->key_size < y->key_size ? x->key_size : y->key_size;
    const int order = memcmp(x->key, y->key, common);
    if (order != 0 || x->key_size != y->key_size)
        return order != 0 ? order : (x->key_size > y->key_size) - (x->key_size < y->key_size);
    return (x->group > y->group) - (x->group < y->group);
}

/* The item's group becomes what tells keys of one name apart. */
static void name_counted(struct reference *ref, struct rt_item *item)
{
    const void *key = item->key_size > 0 ? item->key : item->data;
    const size_t key_size = item->key_size > 0 ? item->key_size : item->size;
    char name[RT_KEY_SIZE];
    const size_t size = rt_count_name(key, key_size, name);
    item->group = rt_hash(key, key_size, 5);
    set_key(item, memcpy(take(ref, size), name, size), size);
}

static void run_count(struct reference *ref, unsigned stage, struct rt_stream *in)
{
    struct call call = {.ref = ref, .stage = stage};
    const uint64_t chain = fresh_chain(ref);
    for (size_t i = 0; i < in->count; i++)
        name_counted(ref, &in->items[i]);
    if (in->count > 0)
        qsort(in->items, in->count, sizeof(*in->items), compare_names);
    for (size_t start = 0, end; start < in->count; start = end) {
        for (end = start; end < in->count; end++)
            if (compare_names(&in->items[start], &in->items[end]) != 0)
                break;
        struct rt_item item = in->items[start];
        char text[64];
        const size_t size = (size_t)snprintf(text, sizeof(text), "=%zu", end - start);
        set_bytes(&item, memcpy(take(ref, size), text, size), size);
        item.chain = ref->graph->stages[stage].workers == 1 ? chain : fresh_chain(ref);
        emit(&call, 0, &item);
    }
}

static void run_stage(struct reference *ref, unsigned stage, struct rt_stream *in)
{
    struct rt_counts *counts = &ref->expected->counts[stage];
    if (ref->graph->stages[stage].type == RT_SOURCE) {
        run_source(ref, stage);
        return;
    }
    run_records(ref, stage, in);
    if (ref->graph->stages[stage].type == RT_COUNT)
        run_count(ref, stage, in);
    if (!rt_is_sink(&ref->graph->stages[stage]))
        return;
    ref->expected->sinks[stage] = *in;
    *in = (struct rt_stream){0};
    counts->filtered = 0;
}

static void clear_reference(struct reference *ref)
{
    for (unsigned s = 0; s < ref->graph->stage_count; s++)
        for (unsigned port = 0; port < RT_PORTS; port++)
            rt_stream_clear(&ref->out[s][port]);
    free(ref);
}

bool rt_reference_run(const struct rt_graph *graph, uint64_t most_records, uint64_t most_bytes,
                      struct rt_expected *expected)
{
    *expected = (struct rt_expected){.arena = rt_arena_new(), .failing = RT_STAGES_MAX};
    struct reference *ref = calloc(1, sizeof(*ref));
    if (ref == NULL)
        return false;
    ref->graph = graph;
    ref->expected = expected;
    ref->most_records = most_records;
    ref->most_bytes = most_bytes;
    for (unsigned e = 0; e < graph->edge_count; e++)
        ref->read[graph->edges[e].from][graph->edges[e].from_port] = true;

    bool fits = true;
    for (unsigned s = 0; fits && s < graph->stage_count; s++) {
        struct rt_stream in = {0};
        fits = arrive(ref, s, &in) && rt_arena_size(expected->arena) <= most_bytes * 4;
        if (fits)
            run_stage(ref, s, &in);
        rt_stream_clear(&in);
    }
    clear_reference(ref);
    return fits;
}

void rt_expected_clear(struct rt_expected *expected)
{
    for (unsigned s = 0; s < RT_STAGES_MAX; s++)
        rt_stream_clear(&expected->sinks[s]);
    rt_arena_free(expected->arena);
    *expected = (struct rt_expected){0};
}
