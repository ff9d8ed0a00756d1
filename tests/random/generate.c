/* SPDX-License-Identifier: MIT */
#include "random/generate.h"

#include <string.h>

/* What a graph may carry, so that a run takes a fraction of a second. */
#define MOST_RECORDS 40000
#define MOST_BYTES ((uint64_t)24 << 20)
#define MOST_REPLICAS 48
#define MOST_ROUND_TRIPS 1500 /* on an edge: records by queue items */
#define MOST_SPIN_US 50000    /* of a stage */
#define MOST_RETRIES 40       /* of a stage */

struct maker {
    struct rt_graph *graph;
    uint64_t random;
    unsigned readers[RT_STAGES_MAX][RT_PORTS];
    unsigned replicas;
    unsigned shrink; /* attempts that were too large */
    bool lossy;      /* edges may drop */
    bool isolated;   /* stages may have a process of their own */
    bool may_stop;   /* one stage may end the run with a bad record */
};

static uint64_t pick(struct maker *maker, uint64_t count)
{
    maker->random = rt_mix(maker->random);
    return maker->random % count;
}

static bool chance(struct maker *maker, unsigned percent)
{
    return pick(maker, 100) < percent;
}

static uint64_t between(struct maker *maker, uint64_t low, uint64_t high)
{
    return low + pick(maker, high - low + 1);
}

static struct rt_stage *add_stage(struct maker *maker, enum rt_type type)
{
    struct rt_graph *graph = maker->graph;
    struct rt_stage *stage = &graph->stages[graph->stage_count++];
    *stage = (struct rt_stage){.type = type, .workers = 1};
    stage->isolate = maker->isolated && chance(maker, 20);
    return stage;
}

/* More than one worker for about half the stages, while the graph has few replicas. */
static unsigned pick_workers(struct maker *maker, unsigned most)
{
    const bool one = maker->replicas > MOST_REPLICAS || chance(maker, 50);
    const unsigned workers = one ? 1 : (unsigned)between(maker, 2, most);
    maker->replicas += workers;
    return workers;
}

/* Sources. */

static void pick_sizes(struct maker *maker, struct rt_source *source)
{
    static const struct {
        uint64_t count, size;
    } most[] = {{1, 100},    {20, 0},    {60, 300000}, {12, 1048576}, {4, 1048576},
                {300, 4000}, {2000, 64}, {2000, 400},  {800, 3000},   {8000, 24}};
    const uint64_t which = pick(maker, sizeof(most) / sizeof(most[0]));
    source->size_max = most[which].size;
    source->size_min = chance(maker, 50) ? 0 : pick(maker, source->size_max + 1);
    source->count = (int64_t)(chance(maker, 3) ? 0 : between(maker, 1, most[which].count));
    source->count >>= maker->shrink;
}

static void make_source(struct maker *maker)
{
    struct rt_stage *stage = add_stage(maker, RT_SOURCE);
    struct rt_source *source = &stage->source;
    stage->workers = chance(maker, 75) ? 1 : (unsigned)between(maker, 2, 3);
    maker->replicas += stage->workers;
    pick_sizes(maker, source);
    source->seed = (int64_t)pick(maker, 1u << 30);
    source->keyed = chance(maker, 40) ? 0 : (int64_t)between(maker, 1, 100);
    source->key_space = (int64_t)between(maker, 1, chance(maker, 50) ? 5 : 500);
    source->json = chance(maker, 25);
    if (chance(maker, 40))
        source->flush_every = 1 + source->count / (int64_t)between(maker, 2, 200);
    rt_stage_trace(maker->graph, maker->graph->stage_count - 1);
}

/* Edges. */

struct output {
    unsigned stage, port;
};

static void pick_queue(struct maker *maker, struct rt_edge *edge)
{
    static const unsigned items[] = {1, 1, 2, 3, 10, 100};
    static const unsigned bytes[] = {1, 100, 4096, 65536};
    if (chance(maker, 30))
        edge->items = items[pick(maker, 6)];
    if (chance(maker, 15))
        edge->bytes = bytes[pick(maker, 4)];
    if (!maker->lossy || !chance(maker, 20))
        return;
    edge->when_full = chance(maker, 50) ? RT_DROP_NEW : RT_DROP_OLD;
    if (edge->items == 0 && chance(maker, 70))
        edge->items = (unsigned)between(maker, 1, 10);
}

static void add_edge(struct maker *maker, struct output from, unsigned to_port, enum rt_share share)
{
    struct rt_graph *graph = maker->graph;
    struct rt_edge *edge = &graph->edges[graph->edge_count++];
    *edge = (struct rt_edge){.from = from.stage,
                             .from_port = from.port,
                             .to = graph->stage_count - 1,
                             .to_port = to_port,
                             .share = share};
    maker->readers[from.stage][from.port]++;
    const struct rt_traits *traits = &graph->out[from.stage][from.port];
    if (share == RT_BY_KEY && traits->json && !traits->dead && chance(maker, 50))
        edge->pointer = chance(maker, 70) ? "/k" : "/id";
    pick_queue(maker, edge);
}

/* Outputs that the next stage could take from: `unread` narrows them down, `dead` are errors. */
static size_t list_outputs(const struct maker *maker, bool unread, bool dead,
                           struct output outputs[RT_STAGES_MAX * RT_PORTS])
{
    const struct rt_graph *graph = maker->graph;
    size_t count = 0;
    for (unsigned s = 0; s < graph->stage_count; s++)
        for (unsigned port = 0; port < RT_PORTS; port++) {
            const struct rt_stage *stage = &graph->stages[s];
            const bool exists = port == 0 || (port == 1 && stage->type == RT_SPLIT) ||
                                (port == RT_ERRORS && stage->errors.then == RT_ROUTE);
            if (!exists || rt_is_sink(stage) || graph->out[s][port].dead != dead ||
                (unread && maker->readers[s][port] > 0))
                continue;
            outputs[count++] = (struct output){s, port};
        }
    return count;
}

/* An output for the next worker: mostly one that nothing reads yet, and a late one. */
static struct output pick_output(struct maker *maker)
{
    struct output outputs[RT_STAGES_MAX * RT_PORTS];
    size_t count = chance(maker, 70) ? list_outputs(maker, true, false, outputs) : 0;
    if (count == 0)
        count = list_outputs(maker, false, false, outputs);
    const size_t late = chance(maker, 50) ? count - 1 : 0;
    return outputs[late + pick(maker, count - late)];
}

/* Workers. */

static void pick_transform(struct maker *maker, struct rt_stage *stage)
{
    struct rt_transform *t = &stage->transform;
    t->kind = stage->type == RT_FAIL || chance(maker, 30) ? RT_SAME : (int)between(maker, 1, 4);
    t->key = stage->type == RT_FAIL || chance(maker, 60) ? RT_KEY_KEEP : (int)between(maker, 1, 2);
    t->key_space = (int64_t)between(maker, 1, 50);
    t->salt = (int64_t)pick(maker, 1u << 30);
    t->spin = stage->type <= RT_FAIL && chance(maker, 25) ? (int64_t)between(maker, 2, 300) : 0;
    if (stage->type == RT_RESERVE || stage->type == RT_BATCH)
        t->spin = 0;
    t->tries = 1;
    t->fails = 1;
    if (stage->type != RT_FAIL && chance(maker, 70))
        return;
    t->bad = (int64_t)(chance(maker, 10) ? 100 : between(maker, 1, 30));
    stage->errors.then = chance(maker, 40) ? RT_SKIP : RT_ROUTE;
    if (stage->type == RT_BATCH || chance(maker, 50))
        return;
    stage->errors.retries = (unsigned)between(maker, 1, 3);
    stage->errors.backoff_ms = 1;
    t->tries = stage->errors.retries + 1;
    t->fails = (int64_t)between(maker, 1, 5);
    if (stage->type == RT_HOLD) /* it does not know a record again */
        t->fails = 1000;
}

static void pick_expand(struct maker *maker, struct rt_expand *expand)
{
    static const uint64_t sizes[] = {0, 3, 100, 1000, 100000, 1048576};
    expand->salt = (int64_t)pick(maker, 1u << 30);
    expand->most = (int64_t)between(maker, 0, 4);
    expand->burst = chance(maker, 40) ? 200 : 0;
    expand->size_most = sizes[pick(maker, 6)];
}

static void pick_parameters(struct maker *maker, struct rt_stage *stage)
{
    stage->choice.salt = (int64_t)pick(maker, 1u << 30);
    stage->choice.percent =
        (int64_t)(chance(maker, 10) ? pick(maker, 2) * 100 : between(maker, 5, 95));
    pick_expand(maker, &stage->expand);
    pick_transform(maker, stage);
    const bool refuses = stage->type >= RT_MAP && stage->type <= RT_FAIL;
    if (!refuses)
        stage->errors = (struct rt_policy){.then = chance(maker, 10) ? RT_SKIP : RT_STOP};
}

static enum rt_order pick_order(struct maker *maker, const struct rt_stage *stage,
                                enum rt_share share)
{
    if (stage->workers == 1)
        return chance(maker, 90) ? RT_ORDER_DEFAULT : RT_ORDER_INPUT;
    if (chance(maker, 50))
        return RT_ORDER_DEFAULT;
    if (chance(maker, 40))
        return RT_ORDER_NONE;
    if (share == RT_BY_KEY)
        return RT_ORDER_KEY;
    return share == RT_BALANCE && chance(maker, 30) ? RT_ORDER_KEY : RT_ORDER_INPUT;
}

static enum rt_share pick_share(struct maker *maker)
{
    const uint64_t r = pick(maker, 100);
    return r < 60 ? RT_BALANCE : r < 85 ? RT_BY_KEY : RT_ALL;
}

static bool is_among(const struct output *chosen, size_t count, struct output output)
{
    for (size_t i = 0; i < count; i++)
        if (chosen[i].stage == output.stage && chosen[i].port == output.port)
            return true;
    return false;
}

/* One to three different outputs to merge. */
static size_t pick_inputs(struct maker *maker, struct output chosen[3])
{
    const size_t wanted = chance(maker, 75) ? 1 : (size_t)between(maker, 2, 3);
    size_t count = 0;
    for (size_t i = 0; i < wanted; i++) {
        const struct output output = pick_output(maker);
        if (!is_among(chosen, count, output))
            chosen[count++] = output;
    }
    return count;
}

/* Counting depends on every record having arrived, with the key that it had. */
static bool suits_counting(const struct rt_graph *graph, const struct output *chosen, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct rt_traits *traits = &graph->out[chosen[i].stage][chosen[i].port];
        if (traits->lossy || traits->loose)
            return false;
    }
    return true;
}

static void make_edges_whole(struct maker *maker)
{
    struct rt_graph *graph = maker->graph;
    for (unsigned e = 0; e < graph->edge_count; e++) {
        struct rt_edge *edge = &graph->edges[e];
        if (edge->to != graph->stage_count - 1)
            continue;
        edge->when_full = RT_BLOCK;
        edge->pointer = NULL;
        if (graph->stages[edge->to].workers > 1)
            edge->share = RT_BY_KEY;
    }
}

/* The stage that ends the run at its first bad record is one whose records all arrive. */
static void pick_stop(struct maker *maker, unsigned stage)
{
    struct rt_stage *s = &maker->graph->stages[stage];
    if (!maker->may_stop || s->transform.bad == 0 || s->type > RT_FAIL ||
        maker->graph->in[stage].lossy)
        return;
    s->errors.then = RT_STOP;
    maker->may_stop = false;
}

static enum rt_type pick_type(struct maker *maker)
{
    static const enum rt_type types[] = {
        RT_MAP,    RT_MAP,    RT_MAP,     RT_MAP,           RT_RESERVE,       RT_RESERVE, RT_BATCH,
        RT_BATCH,  RT_HOLD,   RT_HOLD,    RT_HOLD,          RT_FAIL,          RT_FAIL,    RT_FILTER,
        RT_RUNS,   RT_RUNS,   RT_FORWARD, RT_FORWARD_BATCH, RT_FORWARD_BATCH, RT_SPLIT,   RT_SPLIT,
        RT_EXPAND, RT_EXPAND, RT_COUNT,   RT_JOIN2,
    };
    return types[pick(maker, sizeof(types) / sizeof(types[0]))];
}

static void make_worker(struct maker *maker)
{
    struct rt_graph *graph = maker->graph;
    struct output chosen[2][3];
    size_t counts[2] = {pick_inputs(maker, chosen[0]), 0};
    enum rt_type type = pick_type(maker);
    if (type == RT_COUNT && !suits_counting(graph, chosen[0], counts[0]))
        type = RT_FORWARD_BATCH;
    if (type == RT_JOIN2)
        counts[1] = pick_inputs(maker, chosen[1]);

    struct rt_stage *stage = add_stage(maker, type);
    stage->workers = pick_workers(maker, 5);
    pick_parameters(maker, stage);
    enum rt_share share = type == RT_COUNT ? RT_BY_KEY : pick_share(maker);
    const bool mixed = type != RT_COUNT && chance(maker, 15);
    for (unsigned port = 0; port < 2; port++)
        for (size_t i = 0; i < counts[port]; i++) {
            const enum rt_share own = mixed ? pick_share(maker) : share;
            add_edge(maker, chosen[port][i], port, own);
            share = own == RT_BY_KEY ? own : share;
        }
    if (type == RT_COUNT)
        make_edges_whole(maker);
    stage->order = pick_order(maker, stage, share);
    rt_stage_trace(graph, graph->stage_count - 1);
    pick_stop(maker, graph->stage_count - 1);
}

/* Sinks. */

static void make_sink(struct maker *maker, const struct output *chosen, size_t count)
{
    struct rt_stage *stage = add_stage(maker, chance(maker, 60) ? RT_SINK : RT_SINKN);
    if (stage->type == RT_SINKN)
        stage->workers = pick_workers(maker, 4);
    const enum rt_share share = pick_share(maker);
    for (size_t i = 0; i < count; i++)
        add_edge(maker, chosen[i], 0, share);
    stage->order = stage->type == RT_SINK ? RT_ORDER_DEFAULT : pick_order(maker, stage, share);
    rt_stage_trace(maker->graph, maker->graph->stage_count - 1);
}

/* Now and then a dead letter passes a stage on its way. */
static void make_dead_forwards(struct maker *maker)
{
    struct output outputs[RT_STAGES_MAX * RT_PORTS];
    const size_t count = list_outputs(maker, true, true, outputs);
    for (size_t i = 0; i < count && maker->graph->stage_count < RT_STAGES_MAX - 20; i++) {
        if (!chance(maker, 25))
            continue;
        struct rt_stage *stage = add_stage(maker, RT_FORWARD);
        stage->workers = pick_workers(maker, 3);
        const enum rt_share share = pick_share(maker);
        add_edge(maker, outputs[i], 0, share);
        stage->order = pick_order(maker, stage, share);
        rt_stage_trace(maker->graph, maker->graph->stage_count - 1);
    }
}

/* Everything unread gets a sink, alone or merged; a second output of a split may stay unread. */
static void make_sinks(struct maker *maker, bool dead)
{
    struct output outputs[RT_STAGES_MAX * RT_PORTS];
    const size_t count = list_outputs(maker, true, dead, outputs);
    for (size_t i = 0; i < count;) {
        const struct output output = outputs[i];
        const bool last = maker->graph->stage_count >= RT_STAGES_MAX - 3;
        size_t merged = chance(maker, 70) ? 1 : (size_t)between(maker, 2, 3);
        if (merged > count - i || last)
            merged = count - i;
        const bool leave = merged == 1 && output.port == 1 && chance(maker, 30) &&
                           maker->readers[output.stage][0] > 0;
        if (!leave)
            make_sink(maker, &outputs[i], merged);
        i += merged;
    }
}

/* A second reader for some outputs that have one. */
static void make_extra_sinks(struct maker *maker)
{
    const size_t count = chance(maker, 30) ? (size_t)between(maker, 1, 2) : 0;
    for (size_t i = 0; i < count && maker->graph->stage_count < RT_STAGES_MAX - 20; i++) {
        const struct output output = pick_output(maker);
        make_sink(maker, &output, 1);
    }
}

static void make_graph(struct maker *maker)
{
    const uint64_t sources = chance(maker, 60) ? 1 : between(maker, 2, 3);
    for (uint64_t i = 0; i < sources; i++)
        make_source(maker);
    const uint64_t size = pick(maker, 100);
    const uint64_t workers = size < 35   ? between(maker, 0, 4)
                             : size < 85 ? between(maker, 4, 12)
                                         : between(maker, 12, 24);
    for (uint64_t i = 0; i < workers; i++)
        make_worker(maker);
    make_extra_sinks(maker);
    make_sinks(maker, false);
    make_dead_forwards(maker);
    make_sinks(maker, true);
    if (chance(maker, 15))
        maker->graph->memory_mib = (unsigned)between(maker, 4, 64);
}

/* Take out what would only make the run slow; returns whether the outcome changes with it. */
static bool calm_stages(struct rt_graph *graph, const struct rt_expected *expected)
{
    bool changed = false;
    for (unsigned s = 0; s < graph->stage_count; s++) {
        struct rt_stage *stage = &graph->stages[s];
        const uint64_t in = expected->counts[s].in + 1;
        if ((uint64_t)stage->transform.spin * in / 2 > MOST_SPIN_US)
            stage->transform.spin = (int64_t)(2 * MOST_SPIN_US / in);
        if (expected->counts[s].retried <= MOST_RETRIES)
            continue;
        stage->errors.retries = 0;
        stage->transform.tries = 1;
        changed = true;
    }
    return changed;
}

static void calm_edges(struct rt_graph *graph, const struct rt_expected *expected)
{
    for (unsigned e = 0; e < graph->edge_count; e++) {
        struct rt_edge *edge = &graph->edges[e];
        const unsigned least = (unsigned)(expected->offered[e] / MOST_ROUND_TRIPS);
        if (edge->items > 0 && edge->items < least)
            edge->items = least;
        if (edge->bytes > 0 && edge->bytes < 4096 && least > 0)
            edge->bytes = 4096;
    }
}

void rt_generate(uint64_t seed, uint64_t index, struct rt_graph *graph,
                 struct rt_expected *expected)
{
    struct maker maker = {.graph = graph, .random = rt_mix(seed) ^ rt_mix(index + 1)};
    for (;;) {
        const unsigned shrink = maker.shrink;
        *graph = (struct rt_graph){.seed = seed, .index = index};
        maker = (struct maker){.graph = graph, .random = maker.random, .shrink = shrink};
        maker.lossy = chance(&maker, 20);
        maker.isolated = chance(&maker, 12);
        maker.may_stop = chance(&maker, 20);
        make_graph(&maker);
        bool fits = rt_reference_run(graph, MOST_RECORDS, MOST_BYTES, expected);
        if (fits && calm_stages(graph, expected)) {
            rt_expected_clear(expected);
            fits = rt_reference_run(graph, MOST_RECORDS, MOST_BYTES, expected);
        }
        if (fits)
            break;
        rt_expected_clear(expected);
        maker.shrink++;
    }
    calm_edges(graph, expected);
}
