/* SPDX-License-Identifier: MIT */
#include "graph/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void flow_rig_feed_path(const struct flow_rig *rig, size_t i, struct flow_str *out)
{
    flow_str_addf(out, "%s/feed-%zu", rig->folder, i);
}

void flow_rig_take_path(const struct flow_rig *rig, size_t i, struct flow_str *out)
{
    flow_str_addf(out, "%s/take-%zu", rig->folder, i);
}

/* A type with the ports of the one that it replaces (NULL: with its own). */
static const struct flow_stage_type *add_type(struct flow_graph *graph,
                                              const struct flow_stage_type *from,
                                              const struct flow_stage_type *ports)
{
    struct flow_stage_type *type = flow_alloc(sizeof(*type));
    struct flow_stage_type **types = flow_realloc(
        graph->own_types, (graph->own_type_count + 1) * sizeof(struct flow_stage_type *));
    if (types != NULL)
        graph->own_types = types;
    if (type == NULL || types == NULL) {
        free(type);
        return NULL;
    }
    *type = *from;
    if (ports != NULL) {
        type->inputs = ports->inputs;
        type->outputs = ports->outputs;
    }
    graph->own_types[graph->own_type_count++] = type;
    return type;
}

static bool put_type(struct flow_graph *graph, struct flow_graph_stage *stage,
                     const struct flow_stage_type *from, const char *path)
{
    if (path == NULL)
        return false;
    stage->type = add_type(graph, from, stage->type);
    json_decref(stage->with);
    stage->with = json_pack("{s:s}", "path", path);
    stage->workers = 1;
    stage->timeout_ns = 0;
    return stage->type != NULL && stage->with != NULL;
}

static bool put_feed(struct flow_graph *graph, const struct flow_graph_test *test, size_t i,
                     const struct flow_rig *rig)
{
    struct flow_str path = {0};
    flow_rig_feed_path(rig, i, &path);
    const bool done = put_type(graph, &graph->stages[test->feeds[i].stage], rig->feed, path.text);
    flow_str_clear(&path);
    return done;
}

/* Consumers write what the test asks for, and do nothing else to the world. */
static bool put_take(struct flow_graph *graph, const struct flow_graph_test *test, size_t stage,
                     const struct flow_rig *rig)
{
    struct flow_str path = {0};
    for (size_t i = 0; i < test->expect_count; i++)
        if (test->expects[i].consumer && test->expects[i].stage == stage)
            flow_rig_take_path(rig, i, &path);
    flow_str_add(&path, "");
    const bool done = put_type(graph, &graph->stages[stage], rig->take, path.text);
    flow_str_clear(&path);
    return done;
}

/* Another reader of the port that is looked at; there is room for it. */
static bool add_reader(struct flow_graph *graph, const struct flow_graph_test *test, size_t i,
                       const struct flow_rig *rig)
{
    struct flow_graph_stage *stage = &graph->stages[graph->stage_count];
    *stage = (struct flow_graph_stage){
        .type = rig->take, .fuse = graph->fuse, .workers = 1, .restart = {.on = false}};
    struct flow_str text = {0};
    flow_str_addf(&text, "flowrun-take-%zu", i);
    stage->name = flow_str_take(&text);
    flow_rig_take_path(rig, i, &text);
    graph->edges[graph->edge_count++] = (struct flow_graph_edge){
        .from = test->expects[i].stage,
        .from_port = test->expects[i].port,
        .to = graph->stage_count++,
    };
    const bool done = stage->name != NULL && put_type(graph, stage, rig->take, text.text);
    flow_str_clear(&text);
    return done;
}

/* The test's faults by stage, in lists that end with NULL.  A stage that dies does so alone. */
static bool put_faults(struct flow_graph *graph, struct flow_graph_test *test,
                       const struct flow_rig *rig)
{
    const size_t stage_count = graph->stage_count;
    size_t used = 0;
    test->by_stage =
        flow_calloc(test->fault_count + stage_count + 1, sizeof(const struct flow_graph_fault *));
    bool done = test->by_stage != NULL;
    for (size_t i = 0; done && i < test->fault_count; i++) {
        struct flow_str mark = {0};
        flow_str_addf(&mark, "%s/fault-%zu", rig->folder, i);
        test->faults[i].mark = flow_str_take(&mark);
        done = test->faults[i].mark != NULL;
        if (test->faults[i].kind == FLOW_FAULT_KILL)
            graph->stages[test->faults[i].stage].isolate = true;
    }
    for (size_t s = 0; done && test->fault_count > 0 && s < stage_count; s++) {
        graph->stages[s].faults = test->by_stage + used;
        for (size_t i = 0; i < test->fault_count; i++)
            if (test->faults[i].stage == s)
                test->by_stage[used++] = &test->faults[i];
        if (graph->stages[s].faults == test->by_stage + used)
            graph->stages[s].faults = NULL;
        else
            test->by_stage[used++] = NULL;
    }
    return done;
}

static bool make_room(struct flow_graph *graph, size_t more)
{
    struct flow_graph_stage *stages =
        flow_realloc(graph->stages, (graph->stage_count + more) * sizeof(*stages));
    if (stages != NULL)
        graph->stages = stages;
    struct flow_graph_edge *edges =
        flow_realloc(graph->edges, (graph->edge_count + more) * sizeof(*edges));
    if (edges != NULL)
        graph->edges = edges;
    return stages != NULL && edges != NULL;
}

bool flow_graph_rig(struct flow_graph *graph, size_t test, const struct flow_rig *rig)
{
    struct flow_graph_test *plan = &graph->tests[test];
    const size_t stage_count = graph->stage_count;
    bool done = make_room(graph, plan->expect_count + 1) && put_faults(graph, plan, rig);
    for (size_t i = 0; done && i < plan->feed_count; i++)
        done = put_feed(graph, plan, i, rig);
    for (size_t i = 0; done && i < stage_count; i++)
        if (graph->stages[i].type->role == FLOW_CONSUMER)
            done = put_take(graph, plan, i, rig);
    for (size_t i = 0; done && i < plan->expect_count; i++)
        if (!plan->expects[i].consumer)
            done = add_reader(graph, plan, i, rig);
    graph->checkpoints = false;
    flow_graph_forget_delivery(graph);
    return done;
}
