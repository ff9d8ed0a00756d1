/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/mem.h"
#include "graph/canvas.h"
#include "graph/draw.h"
#include "graph/draw_label.h"
#include "graph/layout.h"

#define BOX_ROWS 4 /* frame, title, type, frame */

/* A picture in the making: the words in it, where they go, and the sheet. */
struct picture {
    const struct flow_graph *graph;
    const size_t *threads;
    struct flow_str *titles; /* by stage */
    struct flow_str *labels; /* by edge */
    size_t *widths;          /* of boxes, by stage */
    size_t *label_sizes;     /* by edge */
    struct flow_layout layout;
    size_t *tops; /* the first row of each layer, and the end of the last */
    struct flow_canvas canvas;
};

static const char *text_of(const struct flow_str *str)
{
    return str->text != NULL ? str->text : "";
}

static void add_label(const struct flow_graph *graph, const size_t *threads, size_t index,
                      struct flow_str *label)
{
    const struct flow_graph_edge *edge = &graph->edges[index];
    flow_draw_label(graph, edge, label);
    if (threads != NULL && threads[edge->from] == threads[edge->to])
        flow_str_addf(label, "%sfused", label->size > 0 ? " " : "");
}

static bool write_words(struct picture *p)
{
    const struct flow_graph *graph = p->graph;
    p->titles = flow_calloc(graph->stage_count, sizeof(*p->titles));
    p->labels = flow_calloc(graph->edge_count, sizeof(*p->labels));
    p->widths = flow_calloc(graph->stage_count, sizeof(*p->widths));
    p->label_sizes = flow_calloc(graph->edge_count, sizeof(*p->label_sizes));
    bool failed =
        p->titles == NULL || p->labels == NULL || p->widths == NULL || p->label_sizes == NULL;
    for (size_t i = 0; i < graph->stage_count && !failed; i++) {
        flow_draw_title(&graph->stages[i], &p->titles[i]);
        const size_t title = flow_canvas_width(text_of(&p->titles[i]));
        const size_t type = flow_canvas_width(graph->stages[i].type->name);
        p->widths[i] = (title > type ? title : type) + 4;
        failed = p->titles[i].failed;
    }
    for (size_t i = 0; i < graph->edge_count && !failed; i++) {
        add_label(graph, p->threads, i, &p->labels[i]);
        p->label_sizes[i] = flow_canvas_width(text_of(&p->labels[i]));
        failed = p->labels[i].failed;
    }
    return !failed;
}

/* Rows below a layer: its tracks, one for labels where there are any, and one for arrows. */
static size_t channel_rows(const struct picture *p, size_t layer)
{
    const struct flow_layout *layout = &p->layout;
    size_t tracks = 0;
    bool labelled = false;
    for (size_t i = 0; i < layout->wire_count; i++) {
        const struct flow_layout_node *from = &layout->nodes[layout->wires[i].from];
        if (from->layer != layer)
            continue;
        if (from->track != FLOW_LAYOUT_NONE && from->track + 1 > tracks)
            tracks = from->track + 1;
        labelled = labelled || layout->wires[i].label_size > 0;
    }
    return tracks + labelled + 1;
}

static bool make_sheet(struct picture *p)
{
    const size_t layers = p->layout.layer_count;
    p->tops = flow_calloc(layers + 1, sizeof(*p->tops));
    if (p->tops == NULL)
        return false;
    for (size_t i = 0; i < layers; i++)
        p->tops[i + 1] = p->tops[i] + BOX_ROWS + (i + 1 < layers ? channel_rows(p, i) : 0);
    return flow_canvas_init(&p->canvas, p->layout.width, p->tops[layers]);
}

/* A line of text in the middle of a box, whose centre is its middle or right of it. */
static void write_centred(struct picture *p, const struct flow_layout_node *node, size_t y,
                          const char *text)
{
    const size_t start = (size_t)node->centre - node->width / 2;
    flow_canvas_text(&p->canvas, start + (node->width - flow_canvas_width(text)) / 2, y, text);
}

static void draw_node(struct picture *p, size_t index)
{
    const struct flow_layout_node *node = &p->layout.nodes[index];
    const size_t top = p->tops[node->layer];
    const size_t centre = (size_t)node->centre;
    if (node->passing) {
        flow_canvas_down(&p->canvas, centre, top - 1, top + BOX_ROWS, index);
        return;
    }
    const struct flow_canvas_box box = {centre - node->width / 2, top, node->width, BOX_ROWS};
    flow_canvas_frame(&p->canvas, &box);
    write_centred(p, node, top + 1, text_of(&p->titles[node->stage]));
    write_centred(p, node, top + 2, p->graph->stages[node->stage].type->name);
}

static void draw_wire(struct picture *p, const struct flow_layout_wire *wire)
{
    const struct flow_layout_node *from = &p->layout.nodes[wire->from];
    const size_t bottom = p->tops[from->layer] + BOX_ROWS - 1;
    const size_t end = p->tops[from->layer + 1] - 1;
    const size_t start = (size_t)from->centre;
    const size_t column = (size_t)wire->column;
    const size_t turn = from->track != FLOW_LAYOUT_NONE ? bottom + 1 + from->track : bottom;

    flow_canvas_down(&p->canvas, start, bottom, turn, wire->from);
    if (turn > bottom)
        flow_canvas_across(&p->canvas, turn, start < column ? start : column,
                           start < column ? column : start, wire->from);
    flow_canvas_down(&p->canvas, column, turn, end, wire->from);
    if (!from->passing)
        flow_canvas_text(&p->canvas, start, bottom, "┬");
    if (wire->edge == FLOW_LAYOUT_NONE)
        return;
    flow_canvas_text(&p->canvas, column, end, "▼");
    flow_canvas_text(&p->canvas, column - wire->label_size / 2, end - 1,
                     text_of(&p->labels[wire->edge]));
}

/* The boxes go first: what leaves them is drawn into their frames. */
static void draw_picture(struct picture *p, struct flow_str *out)
{
    for (size_t i = 0; i < p->layout.node_count; i++)
        draw_node(p, i);
    for (size_t i = 0; i < p->layout.wire_count; i++)
        draw_wire(p, &p->layout.wires[i]);
    flow_canvas_print(&p->canvas, out);
}

static void clear_picture(struct picture *p)
{
    for (size_t i = 0; i < p->graph->stage_count && p->titles != NULL; i++)
        flow_str_clear(&p->titles[i]);
    for (size_t i = 0; i < p->graph->edge_count && p->labels != NULL; i++)
        flow_str_clear(&p->labels[i]);
    free(p->titles);
    free(p->labels);
    free(p->widths);
    free(p->label_sizes);
    free(p->tops);
    flow_layout_clear(&p->layout);
    flow_canvas_clear(&p->canvas);
}

static enum flow_layout_result try_picture(const struct flow_graph *graph, const size_t *threads,
                                           struct flow_str *out)
{
    if (graph->stage_count > FLOW_LAYOUT_STAGES || graph->edge_count > FLOW_LAYOUT_EDGES)
        return FLOW_LAYOUT_CROWDED;
    struct picture p = {.graph = graph, .threads = threads};
    enum flow_layout_result result = FLOW_LAYOUT_NO_MEMORY;
    if (write_words(&p))
        result = flow_layout_init(&p.layout, graph, p.widths, p.label_sizes);
    if (result == FLOW_LAYOUT_DONE && p.layout.width > FLOW_DRAW_WIDTH)
        result = FLOW_LAYOUT_CROWDED;
    if (result == FLOW_LAYOUT_DONE && !make_sheet(&p))
        result = FLOW_LAYOUT_NO_MEMORY;
    if (result == FLOW_LAYOUT_DONE)
        draw_picture(&p, out);
    clear_picture(&p);
    return result;
}

/* Edge indices by the stage that they leave, each stage's in file order; `first` by stage. */
static bool sort_by_source(const struct flow_graph *graph, size_t *sorted, size_t *first)
{
    size_t *next = flow_calloc(graph->stage_count + 1, sizeof(*next));
    if (next == NULL)
        return false;
    for (size_t i = 0; i < graph->edge_count; i++)
        next[graph->edges[i].from + 1]++;
    for (size_t i = 0; i < graph->stage_count; i++) {
        next[i + 1] += next[i];
        first[i + 1] = next[i + 1];
    }
    for (size_t i = 0; i < graph->edge_count; i++)
        sorted[next[graph->edges[i].from]++] = i;
    free(next);
    return true;
}

static void list_stage(const struct flow_graph *graph, size_t stage, struct flow_str *out)
{
    flow_draw_title(&graph->stages[stage], out);
    flow_str_addf(out, "  (%s)\n", graph->stages[stage].type->name);
}

static void list_edge(const struct flow_graph *graph, const size_t *threads, size_t edge,
                      struct flow_str *out)
{
    struct flow_str label = {0};
    add_label(graph, threads, edge, &label);
    flow_str_addf(out, "  → %s%s%s\n", graph->stages[graph->edges[edge].to].name,
                  label.text != NULL ? "  " : "", text_of(&label));
    out->failed = out->failed || label.failed;
    flow_str_clear(&label);
}

static void draw_list(const struct flow_graph *graph, const size_t *threads, struct flow_str *out)
{
    size_t *sorted = flow_calloc(graph->edge_count, sizeof(*sorted));
    size_t *first = flow_calloc(graph->stage_count + 1, sizeof(*first));
    if (sorted == NULL || first == NULL || !sort_by_source(graph, sorted, first))
        out->failed = true;
    for (size_t i = 0; i < graph->stage_count && !out->failed; i++) {
        list_stage(graph, i, out);
        for (size_t k = first[i]; k < first[i + 1]; k++)
            list_edge(graph, threads, sorted[k], out);
    }
    free(sorted);
    free(first);
}

void flow_graph_draw_text(const struct flow_graph *graph, const size_t *threads,
                          struct flow_str *out)
{
    const enum flow_layout_result result = try_picture(graph, threads, out);
    if (result == FLOW_LAYOUT_NO_MEMORY)
        out->failed = true;
    if (result == FLOW_LAYOUT_CROWDED)
        draw_list(graph, threads, out);
}
