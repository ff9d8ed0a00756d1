/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_READ_GRAPH_H
#define FLOW_TESTS_READ_GRAPH_H

/* Graphs from texts in a test, with the stage types of fake_types.h. */

#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/fake_types.h"

/* The graph; or NULL, and in `messages` what flowrun check would print. */
static inline struct flow_graph *try_graph(const char *text,
                                           const struct flow_graph_options *options,
                                           char **messages)
{
    struct flow_diag diag = {0};
    const size_t size = strlen(text);
    char *exact = malloc(size); /* without a zero at the end */
    assert_non_null(exact);
    memcpy(exact, text, size);
    struct flow_graph *graph = flow_graph_read(exact, size, options, &fake_catalog, &diag);
    struct flow_str out = {0};
    flow_diag_print(&diag, &out);
    flow_diag_clear(&diag);
    free(exact);
    if (graph == NULL)
        *messages = flow_str_take(&out);
    flow_str_clear(&out);
    return graph;
}

/* A graph that must be accepted. */
static inline struct flow_graph *read_graph(const char *text,
                                            const struct flow_graph_options *options)
{
    char *messages = NULL;
    struct flow_graph *graph = try_graph(text, options, &messages);
    if (graph == NULL)
        print_error("%s", messages);
    free(messages);
    assert_non_null(graph);
    return graph;
}

/* The stage of that name. */
static inline const struct flow_graph_stage *get_stage(const struct flow_graph *graph,
                                                       const char *name)
{
    for (size_t i = 0; i < graph->stage_count; i++)
        if (strcmp(graph->stages[i].name, name) == 0)
            return &graph->stages[i];
    fail_msg("no stage '%s'", name);
    return NULL;
}

#endif /* FLOW_TESTS_READ_GRAPH_H */
