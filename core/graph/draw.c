/* SPDX-License-Identifier: MIT */
#include "graph/draw.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/draw_label.h"

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

static void add_dot_stage(const struct flow_graph_stage *stage, enum flow_role role,
                          struct flow_str *out)
{
    static const char *const shapes[] = {
        [FLOW_PRODUCER] = "shape=ellipse",
        [FLOW_WORKER] = "shape=box, style=rounded",
        [FLOW_CONSUMER] = "shape=cylinder",
    };
    struct flow_str title = {0};
    flow_draw_title(stage, &title);
    flow_str_add(out, "    \"");
    add_dot(out, stage->name);
    flow_str_add(out, "\" [label=\"");
    add_dot(out, title.text != NULL ? title.text : "");
    flow_str_add(out, "\\n");
    add_dot(out, stage->type->name);
    flow_str_addf(out, "\", %s%s];\n", shapes[role], stage->isolate ? ", penwidth=2" : "");
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

void flow_graph_draw_dot(const struct flow_graph *graph, struct flow_str *out)
{
    enum flow_role *roles = roles_of(graph);
    if (roles == NULL) {
        out->failed = true;
        return;
    }
    flow_str_add(out, "digraph \"");
    add_dot(out, graph->name);
    flow_str_add(out, "\" {\n    rankdir=LR;\n"
                      "    node [fontname=\"sans-serif\"];\n"
                      "    edge [fontname=\"sans-serif\", fontsize=11];\n");
    for (size_t i = 0; i < graph->stage_count; i++)
        add_dot_stage(&graph->stages[i], roles[i], out);
    for (size_t i = 0; i < graph->edge_count; i++)
        add_dot_edge(graph, &graph->edges[i], out);
    flow_str_add(out, "}\n");
    free(roles);
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
static void add_mermaid_stage(const struct flow_graph *graph, size_t index, enum flow_role role,
                              struct flow_str *out)
{
    static const char *const brackets[][2] = {
        [FLOW_PRODUCER] = {"([", "])"},
        [FLOW_WORKER] = {"[", "]"},
        [FLOW_CONSUMER] = {"[(", ")]"},
    };
    struct flow_str title = {0};
    flow_draw_title(&graph->stages[index], &title);
    flow_str_addf(out, "    s%zu%s\"", index, brackets[role][0]);
    add_mermaid(out, title.text != NULL ? title.text : "");
    flow_str_add(out, "<br/>");
    add_mermaid(out, graph->stages[index].type->name);
    flow_str_addf(out, "\"%s\n", brackets[role][1]);
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

void flow_graph_draw_mermaid(const struct flow_graph *graph, struct flow_str *out)
{
    enum flow_role *roles = roles_of(graph);
    if (roles == NULL) {
        out->failed = true;
        return;
    }
    flow_str_add(out, "flowchart LR\n");
    for (size_t i = 0; i < graph->stage_count; i++)
        add_mermaid_stage(graph, i, roles[i], out);
    for (size_t i = 0; i < graph->edge_count; i++)
        add_mermaid_edge(graph, &graph->edges[i], out);
    for (size_t i = 0; i < graph->edge_count; i++) {
        if (graph->edges[i].from_port == FLOW_PORT_ERRORS)
            flow_str_addf(out, "    linkStyle %zu stroke:red,color:red\n", i);
    }
    free(roles);
}
