/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_HAND_GRAPH_H
#define FLOW_TESTS_HAND_GRAPH_H

/*
 * Graphs made by hand, for tests of what comes after the reader: stages and edges are added one by
 * one and nothing is checked.
 *
 *     struct hand *h = hand_new();
 *     const size_t read = hand_stage(h, "read", &hand_source, 1);
 *     const size_t work = hand_stage(h, "work", &hand_map, 4);
 *     hand_edge(h, read, work)->queue.items = 1;
 *     ... &h->graph ...
 *     hand_free(h);
 */

#include <stdio.h>
#include <stdlib.h>

#include "graph/graph.h"
#include "support/check.h"

#define HAND_MAX 1200

struct hand {
    struct flow_graph graph;
    struct flow_graph_stage stages[HAND_MAX];
    struct flow_graph_edge edges[HAND_MAX];
    char names[HAND_MAX][FLOW_GRAPH_MAX_NAME + 1];
    char title[8];
};

static const struct flow_port hand_two_outputs[] = {
    {"short", "bytes", "the short ones"}, {"long", "bytes", "the long ones"}, {NULL, NULL, NULL}};
static const struct flow_port hand_two_inputs[] = {
    {"left", "bytes", "one side"}, {"right", "bytes", "the other"}, {NULL, NULL, NULL}};

__attribute__((unused)) static const struct flow_stage_type hand_source = {.name = "lines.read",
                                                                           .role = FLOW_PRODUCER};
__attribute__((unused)) static const struct flow_stage_type hand_map = {.name = "text.words",
                                                                        .role = FLOW_WORKER};
__attribute__((unused)) static const struct flow_stage_type hand_count = {
    .name = "count.keys", .role = FLOW_WORKER, .traits = FLOW_STATEFUL};
__attribute__((unused)) static const struct flow_stage_type hand_top = {
    .name = "sort.top", .role = FLOW_WORKER, .traits = FLOW_STATEFUL | FLOW_SINGLE};
__attribute__((unused)) static const struct flow_stage_type hand_split = {
    .name = "text.split", .role = FLOW_WORKER, .outputs = hand_two_outputs};
__attribute__((unused)) static const struct flow_stage_type hand_join = {
    .name = "text.join", .role = FLOW_WORKER, .inputs = hand_two_inputs};
__attribute__((unused)) static const struct flow_stage_type hand_either = {.name = "inspect",
                                                                           .role = FLOW_EITHER};
__attribute__((unused)) static const struct flow_stage_type hand_sink = {.name = "lines.write",
                                                                         .role = FLOW_CONSUMER};

__attribute__((unused)) static struct hand *hand_new(void)
{
    struct hand *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    (void)snprintf(h->title, sizeof(h->title), "hand");
    h->graph.name = h->title;
    h->graph.stages = h->stages;
    h->graph.edges = h->edges;
    return h;
}

__attribute__((unused)) static void hand_free(struct hand *h)
{
    free(h);
}

__attribute__((unused)) static size_t hand_stage(struct hand *h, const char *name,
                                                 const struct flow_stage_type *type,
                                                 unsigned workers)
{
    const size_t i = h->graph.stage_count++;
    assert_true(i < HAND_MAX);
    (void)snprintf(h->names[i], sizeof(h->names[i]), "%s", name);
    h->stages[i] = (struct flow_graph_stage){.name = h->names[i], .type = type, .workers = workers};
    return i;
}

__attribute__((unused)) static struct flow_graph_edge *hand_edge(struct hand *h, size_t from,
                                                                 size_t to)
{
    const size_t i = h->graph.edge_count++;
    assert_true(i < HAND_MAX);
    h->edges[i] = (struct flow_graph_edge){.from = from, .to = to};
    return &h->edges[i];
}

/* The graph of the main job: broadcast, workers, keys. */
__attribute__((unused)) static struct hand *hand_wordcount(void)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t words = hand_stage(h, "words", &hand_map, FLOW_WORKERS_AUTO);
    const size_t count = hand_stage(h, "count", &hand_count, 2);
    const size_t top = hand_stage(h, "top", &hand_top, FLOW_WORKERS_AUTO);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    const size_t lines = hand_stage(h, "lines", &hand_top, 1);
    const size_t total = hand_stage(h, "total", &hand_sink, 1);
    h->stages[words].order = FLOW_ORDER_NONE;
    h->stages[count].order = FLOW_ORDER_KEY;
    (void)hand_edge(h, read, words);
    hand_edge(h, words, count)->share = FLOW_KEY;
    (void)hand_edge(h, count, top);
    (void)hand_edge(h, top, print);
    (void)hand_edge(h, read, lines);
    (void)hand_edge(h, lines, total);
    return h;
}

#endif /* FLOW_TESTS_HAND_GRAPH_H */
