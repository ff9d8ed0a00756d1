/* SPDX-License-Identifier: MIT */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/reader.h"
#include "graph/text.h"

/* The folder of the file; "." where there is none. */
static char *folder_of(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    if (slash == NULL)
        return flow_strdup(".");
    return flow_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static struct flow_graph *new_graph(const char *path)
{
    struct flow_graph *graph = flow_alloc(sizeof(*graph));
    if (graph == NULL)
        return NULL;
    graph->stall_ns = FLOW_STALL_NS;
    graph->folder = folder_of(path);
    if (graph->folder == NULL) {
        flow_graph_free(graph);
        return NULL;
    }
    return graph;
}

/* The text into nodes.  False: nothing more can be said about it. */
static bool read_nodes(struct flow_reader *r)
{
    flow_text_skip_mark(r->diag);
    char *plain = flow_text_plain(r->diag);
    if (plain == NULL)
        return false;
    r->json = flow_node_read(r->diag, plain, &r->root);
    free(plain);
    if (r->json == NULL)
        return false;
    if (json_is_object(r->json)) {
        const struct flow_node *tests = flow_node_get(&r->root, "tests");
        if (tests != NULL && r->options->test > 0 && r->options->test <= tests->count)
            r->test = &tests->items[r->options->test - 1];
        return true;
    }
    flow_diag_add(r->diag, FLOW_AT(&r->root), "a graph begins with { \"flowrun\": 1, \"stages\": {",
                  "a graph is an object, not %s", flow_show(&r->root).text);
    return false;
}

static void read_model(struct flow_reader *r)
{
    static void (*const steps[])(struct flow_reader *) = {
        flow_reader_params, flow_reader_interpolate, flow_reader_head,  flow_reader_stages,
        flow_reader_edges,  flow_reader_rules,       flow_reader_tests,
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !r->diag->failed; i++)
        steps[i](r);
}

static void clear_reader(struct flow_reader *r)
{
    for (size_t i = 0; i < r->param_count; i++) {
        json_decref(r->params[i].value);
        free(r->params[i].text);
    }
    free(r->params);
    for (size_t i = 0; r->stages != NULL && i < r->graph->stage_count; i++)
        json_decref(r->stages[i].set);
    free(r->stages);
    free(r->names);
    free(r->by_name);
    free(r->edges);
    free(r->plugins);
    flow_node_clear(&r->root);
    json_decref(r->json);
}

struct flow_graph *flow_graph_read(const char *text, size_t size,
                                   const struct flow_graph_options *options,
                                   const struct flow_types *types, struct flow_diag *diag)
{
    static const struct flow_graph_options no_options = {0};
    struct flow_reader r = {
        .diag = diag,
        .types = types,
        .options = options != NULL ? options : &no_options,
    };
    diag->path = r.options->path != NULL ? r.options->path : "<memory>";
    diag->text = text;
    diag->text_size = size;
    r.graph = new_graph(r.options->path);
    if (r.graph == NULL) {
        diag->failed = true;
        return NULL;
    }

    if (read_nodes(&r))
        read_model(&r);
    clear_reader(&r);
    if (diag->count > 0 || diag->failed) {
        flow_graph_free(r.graph);
        return NULL;
    }
    return r.graph;
}

static void clear_stage(struct flow_graph_stage *stage)
{
    free(stage->name);
    json_decref(stage->with);
    free(stage->cpus);
    free(stage->description);
}

static void clear_test(struct flow_graph_test *test)
{
    for (size_t i = 0; i < test->feed_count; i++)
        json_decref(test->feeds[i].records);
    for (size_t i = 0; i < test->expect_count; i++) {
        struct flow_graph_expect *expect = &test->expects[i];
        free(expect->label);
        json_decref(expect->records);
        json_decref(expect->unordered);
        json_decref(expect->contains);
        json_decref(expect->matches);
    }
    free(test->feeds);
    free(test->expects);
    free(test->name);
    json_decref(test->env);
}

static void clear_tests(struct flow_graph *graph)
{
    for (size_t i = 0; i < graph->test_count; i++)
        clear_test(&graph->tests[i]);
    for (size_t i = 0; i < graph->own_type_count; i++)
        free(graph->own_types[i]);
    free(graph->tests);
    free(graph->own_types);
}

void flow_graph_free(struct flow_graph *graph)
{
    if (graph == NULL)
        return;
    clear_tests(graph);
    for (size_t i = 0; i < graph->stage_count; i++)
        clear_stage(&graph->stages[i]);
    for (size_t i = 0; i < graph->edge_count; i++)
        free(graph->edges[i].key);
    free(graph->stages);
    free(graph->edges);
    free(graph->name);
    free(graph->description);
    free(graph->state);
    free(graph->folder);
    free(graph);
}
