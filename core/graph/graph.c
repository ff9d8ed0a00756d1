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

struct flow_source *flow_reader_enter(struct flow_reader *r, struct flow_source *source)
{
    struct flow_source *before = r->source;
    r->source = source;
    r->diag = source->diag;
    return before;
}

struct flow_source *flow_reader_add_source(struct flow_reader *r, const char *path)
{
    if (!flow_grow(&r->sources, &r->source_capacity, r->source_count + 1, sizeof(*r->sources)))
        return NULL;
    struct flow_source *source = flow_alloc(sizeof(*source));
    if (source == NULL)
        return NULL;
    r->sources[r->source_count++] = source;
    source->path = flow_strdup(path != NULL ? path : "<memory>");
    source->folder = folder_of(path);
    return source->path != NULL && source->folder != NULL ? source : NULL;
}

bool flow_reader_nodes(struct flow_reader *r)
{
    struct flow_source *source = r->source;
    flow_text_skip_mark(r->diag);
    char *plain = flow_text_plain(r->diag);
    if (plain == NULL)
        return false;
    source->json = flow_node_read(r->diag, plain, &source->root);
    free(plain);
    if (source->json == NULL)
        return false;
    if (json_is_object(source->json))
        return true;
    flow_diag_add(r->diag, FLOW_AT(&source->root),
                  "a graph begins with { \"flowrun\": 1, \"stages\": {",
                  "a graph is an object, not %s", flow_show(&source->root).text);
    return false;
}

/* Where the test stands that the graph is read for. */
static void find_test(struct flow_reader *r)
{
    const struct flow_node *tests = flow_node_get(&r->source->root, "tests");
    if (tests == NULL || r->options->test == 0 || r->options->test > tests->count)
        return;
    r->test = &tests->items[r->options->test - 1];
    r->given = flow_node_get(r->test, "params");
    r->given_diag = r->diag;
}

static void read_model(struct flow_reader *r)
{
    static void (*const steps[])(struct flow_reader *) = {
        flow_reader_params, flow_reader_interpolate, flow_reader_head,  flow_reader_stages,
        flow_reader_edges,  flow_reader_rules,       flow_reader_tests,
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !r->diag->failed; i++) {
        steps[i](r);
        (void)flow_reader_enter(r, r->sources[0]);
    }
}

static void free_source(struct flow_source *source)
{
    if (source->text != NULL) { /* then the findings are its own too */
        flow_diag_clear(source->diag);
        free(source->diag);
        free(source->text);
    }
    flow_node_clear(&source->root);
    json_decref(source->json);
    free(source->plugins);
    free(source->name);
    free(source->path);
    free(source->folder);
    free(source);
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
    for (size_t i = 0; i < r->source_count; i++)
        free_source(r->sources[i]);
    free(r->sources);
}

/* The graph's own source; its text and findings are the caller's. */
static bool begin(struct flow_reader *r, struct flow_diag *diag)
{
    r->graph = new_graph(r->options->path);
    struct flow_source *source =
        r->graph != NULL ? flow_reader_add_source(r, r->options->path) : NULL;
    if (source == NULL)
        return false;
    source->diag = diag;
    (void)flow_reader_enter(r, source);
    return true;
}

struct flow_graph *flow_graph_read(const char *text, size_t size,
                                   const struct flow_graph_options *options,
                                   const struct flow_types *types, struct flow_diag *diag)
{
    static const struct flow_graph_options no_options = {0};
    struct flow_reader r = {
        .types = types,
        .options = options != NULL ? options : &no_options,
    };
    diag->path = r.options->path != NULL ? r.options->path : "<memory>";
    diag->text = text;
    diag->text_size = size;
    if (!begin(&r, diag)) {
        diag->failed = true;
    } else if (flow_reader_nodes(&r)) {
        find_test(&r);
        read_model(&r);
        flow_reader_end_parts(&r);
    }
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
    for (size_t i = 0; i < test->fault_count; i++) {
        free(test->faults[i].reason);
        free(test->faults[i].mark);
    }
    free(test->feeds);
    free(test->expects);
    free(test->faults);
    free(test->by_stage);
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
