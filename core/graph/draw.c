/* SPDX-License-Identifier: MIT */
#include "graph/draw.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/draw_label.h"

/* What both languages need to know: what each stage is, and who shares a thread with whom. */
struct sketch {
    const struct flow_graph *graph;
    enum flow_role *roles;
    size_t *first; /* by stage: the first one in the file of its thread */
    size_t *next;  /* by stage: the next one of its thread; 0: none, since 0 is nobody's next */
};

/* What stands around fused stages, after "subgraph NAME" and the number of the first. */
struct frame {
    const char *name, *begin, *end;
};

static const struct frame dot_frame = {
    "cluster_", " {\n        label=\"fused\"; style=dashed; fontname=\"sans-serif\";\n", "    }\n"};
static const struct frame mermaid_frame = {"fused", " [\"fused\"]\n", "    end\n"};

typedef void add_stage(const struct sketch *sketch, size_t stage, struct flow_str *out);

/* The role that each stage plays: a type that may be either is a consumer where nobody reads it. */
static enum flow_role *roles_of(const struct flow_graph *graph)
{
    enum flow_role *roles = flow_calloc(graph->stage_count, sizeof(*roles));
    if (roles == NULL)
        return NULL;
    for (size_t i = 0; i < graph->stage_count; i++) {
        const enum flow_role role = graph->stages[i].type->role;
        roles[i] = role == FLOW_EITHER ? FLOW_CONSUMER : role;
    }
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct flow_graph_edge *edge = &graph->edges[i];
        const bool own = edge->from_port != FLOW_PORT_ERRORS;
        if (own && graph->stages[edge->from].type->role == FLOW_EITHER)
            roles[edge->from] = FLOW_WORKER;
    }
    return roles;
}

/* From the last stage to the first, each goes in front of those of its thread that follow it. */
static bool list_threads(struct sketch *sketch, const size_t *threads)
{
    const size_t count = sketch->graph->stage_count;
    size_t *heads = flow_calloc(count + 1, sizeof(*heads));
    sketch->first = flow_calloc(count + 1, sizeof(*sketch->first));
    sketch->next = flow_calloc(count + 1, sizeof(*sketch->next));
    const bool ok = heads != NULL && sketch->first != NULL && sketch->next != NULL;
    for (size_t i = count; i-- > 0 && ok;) {
        const size_t thread = threads != NULL ? threads[i] : i;
        sketch->next[i] = heads[thread];
        heads[thread] = i;
    }
    for (size_t i = 0; i < count && ok; i++)
        sketch->first[i] = heads[threads != NULL ? threads[i] : i];
    free(heads);
    return ok;
}

static void sketch_clear(struct sketch *sketch)
{
    free(sketch->roles);
    free(sketch->first);
    free(sketch->next);
}

static bool sketch_init(struct sketch *sketch, const struct flow_graph *graph,
                        const size_t *threads, struct flow_str *out)
{
    *sketch = (struct sketch){.graph = graph, .roles = roles_of(graph)};
    if (sketch->roles != NULL && list_threads(sketch, threads))
        return true;
    sketch_clear(sketch);
    out->failed = true;
    return false;
}

/* Every stage once: alone, or with the others of its thread in a frame, where the first stands. */
static void add_stages(const struct sketch *sketch, const struct frame *frame, add_stage *add,
                       struct flow_str *out)
{
    for (size_t i = 0; i < sketch->graph->stage_count; i++) {
        if (sketch->first[i] != i)
            continue;
        const bool fused = sketch->next[i] != 0;
        if (fused)
            flow_str_addf(out, "    subgraph %s%zu%s", frame->name, i, frame->begin);
        size_t k = i;
        do {
            flow_str_add(out, fused ? "    " : "");
            add(sketch, k, out);
            k = sketch->next[k];
        } while (k != 0);
        if (fused)
            flow_str_add(out, frame->end);
    }
}

/* Append `text` with what `escape` makes of each of its bytes that `special` holds. */
static void add_escaped(struct flow_str *out, const char *text, const char *special,
                        void (*escape)(struct flow_str *out, char c))
{
    for (;;) {
        const size_t plain = strcspn(text, special);
        flow_str_add_bytes(out, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        escape(out, *text++);
    }
}

static void escape_dot(struct flow_str *out, char c)
{
    if (c == '\n')
        flow_str_add(out, "\\n");
    else
        flow_str_addf(out, "\\%c", c);
}

static void add_dot(struct flow_str *out, const char *text)
{
    add_escaped(out, text, "\"\\\n", escape_dot);
}

static void add_dot_stage(const struct sketch *sketch, size_t index, struct flow_str *out)
{
    static const char *const shapes[] = {
        [FLOW_PRODUCER] = "shape=ellipse",
        [FLOW_WORKER] = "shape=box, style=rounded",
        [FLOW_CONSUMER] = "shape=cylinder",
    };
    const struct flow_graph_stage *stage = &sketch->graph->stages[index];
    struct flow_str title = {0};
    flow_draw_title(stage, &title);
    flow_str_add(out, "    \"");
    add_dot(out, stage->name);
    flow_str_add(out, "\" [label=\"");
    add_dot(out, title.text != NULL ? title.text : "");
    flow_str_add(out, "\\n");
    add_dot(out, stage->type->name);
    flow_str_addf(out, "\", %s%s];\n", shapes[sketch->roles[index]],
                  stage->isolate ? ", penwidth=2" : "");
    out->failed = out->failed || title.failed;
    flow_str_clear(&title);
}

static void add_dot_edge(const struct flow_graph *graph, const struct flow_graph_edge *edge,
                         struct flow_str *out)
{
    struct flow_str label = {0};
    flow_draw_label(graph, edge, &label);
    flow_str_add(out, "    \"");
    add_dot(out, graph->stages[edge->from].name);
    flow_str_add(out, "\" -> \"");
    add_dot(out, graph->stages[edge->to].name);
    flow_str_add(out, "\"");
    if (label.text != NULL) {
        flow_str_add(out, " [label=\"");
        add_dot(out, label.text);
        flow_str_add(out, edge->from_port == FLOW_PORT_ERRORS
                              ? "\", color=red, fontcolor=red, style=dashed]"
                              : "\"]");
    }
    flow_str_add(out, ";\n");
    out->failed = out->failed || label.failed;
    flow_str_clear(&label);
}

void flow_graph_draw_dot(const struct flow_graph *graph, const size_t *threads,
                         struct flow_str *out)
{
    struct sketch sketch;
    if (!sketch_init(&sketch, graph, threads, out))
        return;
    flow_str_add(out, "digraph \"");
    add_dot(out, graph->name);
    flow_str_add(out, "\" {\n    rankdir=LR;\n"
                      "    node [fontname=\"sans-serif\"];\n"
                      "    edge [fontname=\"sans-serif\", fontsize=11];\n");
    add_stages(&sketch, &dot_frame, add_dot_stage, out);
    for (size_t i = 0; i < graph->edge_count; i++)
        add_dot_edge(graph, &graph->edges[i], out);
    flow_str_add(out, "}\n");
    sketch_clear(&sketch);
}

/* Mermaid has entities of its own form, by name or by number. */
static void escape_mermaid(struct flow_str *out, char c)
{
    flow_str_addf(out, "#%d;", c);
}

static void add_mermaid(struct flow_str *out, const char *text)
{
    add_escaped(out, text, "\"#<>&\\`\n", escape_mermaid);
}

/* Names are free to be words of Mermaid's own, such as "end": stages go by number. */
static void add_mermaid_stage(const struct sketch *sketch, size_t index, struct flow_str *out)
{
    static const char *const brackets[][2] = {
        [FLOW_PRODUCER] = {"([", "])"},
        [FLOW_WORKER] = {"[", "]"},
        [FLOW_CONSUMER] = {"[(", ")]"},
    };
    const struct flow_graph_stage *stage = &sketch->graph->stages[index];
    const char *const *bracket = brackets[sketch->roles[index]];
    struct flow_str title = {0};
    flow_draw_title(stage, &title);
    flow_str_addf(out, "    s%zu%s\"", index, bracket[0]);
    add_mermaid(out, title.text != NULL ? title.text : "");
    flow_str_add(out, "<br/>");
    add_mermaid(out, stage->type->name);
    flow_str_addf(out, "\"%s\n", bracket[1]);
    out->failed = out->failed || title.failed;
    flow_str_clear(&title);
}

static void add_mermaid_edge(const struct flow_graph *graph, const struct flow_graph_edge *edge,
                             struct flow_str *out)
{
    struct flow_str label = {0};
    flow_draw_label(graph, edge, &label);
    flow_str_addf(out, "    s%zu %s", edge->from,
                  edge->from_port == FLOW_PORT_ERRORS ? "-.->" : "-->");
    if (label.text != NULL) {
        flow_str_add(out, "|\"");
        add_mermaid(out, label.text);
        flow_str_add(out, "\"|");
    }
    flow_str_addf(out, " s%zu\n", edge->to);
    out->failed = out->failed || label.failed;
    flow_str_clear(&label);
}

void flow_graph_draw_mermaid(const struct flow_graph *graph, const size_t *threads,
                             struct flow_str *out)
{
    struct sketch sketch;
    if (!sketch_init(&sketch, graph, threads, out))
        return;
    flow_str_add(out, "flowchart LR\n");
    add_stages(&sketch, &mermaid_frame, add_mermaid_stage, out);
    for (size_t i = 0; i < graph->edge_count; i++)
        add_mermaid_edge(graph, &graph->edges[i], out);
    for (size_t i = 0; i < graph->edge_count; i++) {
        if (graph->edges[i].from_port == FLOW_PORT_ERRORS)
            flow_str_addf(out, "    linkStyle %zu stroke:red,color:red\n", i);
    }
    sketch_clear(&sketch);
}
