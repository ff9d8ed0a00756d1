/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_MODEL_H
#define RANDOM_MODEL_H

/*
 * A random graph as the tests see it: plain tables, not the engine's own model, so that a mistake
 * in the reader or the plan cannot hide itself.  Stages stand in an order in which every edge leads
 * from an earlier stage to a later one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random/functions.h"

#define RT_STAGES_MAX 64
#define RT_EDGES_MAX 320
#define RT_OUTPUTS 2 /* normal outputs of a stage, at most */
#define RT_ERRORS 2  /* the errors port, as an index behind them */
#define RT_PORTS 3

enum rt_type {
    RT_SOURCE,
    RT_MAP,
    RT_RESERVE,
    RT_BATCH,
    RT_HOLD,
    RT_FAIL,
    RT_FILTER,
    RT_RUNS,
    RT_FORWARD,
    RT_FORWARD_BATCH,
    RT_SPLIT,
    RT_EXPAND,
    RT_COUNT,
    RT_JOIN2,
    RT_SINK,
    RT_SINKN,
};

enum rt_share { RT_BALANCE, RT_BY_KEY, RT_ALL };
enum rt_order { RT_ORDER_DEFAULT, RT_ORDER_INPUT, RT_ORDER_KEY, RT_ORDER_NONE };
enum rt_when_full { RT_BLOCK, RT_DROP_NEW, RT_DROP_OLD };
enum rt_then { RT_STOP, RT_SKIP, RT_ROUTE };

struct rt_policy {
    enum rt_then then;
    unsigned retries;
    unsigned backoff_ms;
};

struct rt_stage {
    enum rt_type type;
    unsigned workers;
    enum rt_order order;
    struct rt_policy errors;
    bool isolate;
    struct rt_source source; /* the parameters; those of `type` count */
    struct rt_transform transform;
    struct rt_choice choice;
    struct rt_expand expand;
};

struct rt_edge {
    unsigned from, from_port; /* stage and output, RT_ERRORS for its errors */
    unsigned to, to_port;
    enum rt_share share;
    const char *pointer; /* "/k", "/id", or NULL: the record's own key */
    unsigned items;      /* 0: not given */
    unsigned bytes;      /* 0: not given */
    enum rt_when_full when_full;
};

/* What is known of the records on an output or arriving at a stage. */
struct rt_traits {
    bool lossy; /* some may have been dropped on the way */
    bool loose; /* whether a record carries the key that a JSON pointer found is not promised */
    bool dead;  /* what an errors port emits */
    bool json;  /* JSON objects as rt.source makes them */
};

struct rt_graph {
    uint64_t seed, index;
    struct rt_traits in[RT_STAGES_MAX]; /* filled by rt_stage_trace */
    struct rt_traits out[RT_STAGES_MAX][RT_PORTS];
    struct rt_stage stages[RT_STAGES_MAX];
    struct rt_edge edges[RT_EDGES_MAX];
    unsigned stage_count, edge_count;
    unsigned memory_mib; /* run.memory; 0: not given */
};

static inline bool rt_is_sink(const struct rt_stage *stage)
{
    return stage->type == RT_SINK || stage->type == RT_SINKN;
}

/* Fill in the traits of a stage; those of the stages before it and all edges into it are there. */
void rt_stage_trace(struct rt_graph *graph, unsigned stage);

/* "rt.map" */
const char *rt_type_name(enum rt_type type);

/* "map3" for the stage 3, into `buf`; returns it. */
char *rt_stage_name(const struct rt_graph *graph, unsigned stage, char buf[RT_KEY_SIZE]);

/* The order that holds in a parallel stage whose `order` says RT_ORDER_DEFAULT. */
enum rt_order rt_effective_order(const struct rt_graph *graph, unsigned stage);

/*
 * Write the graph as a graph file with the stages of the plugin in the file `plugin`; sinks write
 * to STAGE.bin in the folder that the graph's parameter "out" names.  False: see errno.
 */
bool rt_graph_write(const struct rt_graph *graph, const char *plugin, const char *path);

#endif /* RANDOM_MODEL_H */
