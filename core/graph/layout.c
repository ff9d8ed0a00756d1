/* SPDX-License-Identifier: MIT */
#include "graph/layout.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#define GAP 3    /* columns between two nodes of a layer */
#define SWEEPS 4 /* the drawing hardly changes after that */

/* ---- layers ---- */

/* Push every reader below what it reads; returns whether any moved. */
static bool push_readers(const struct flow_graph *graph, struct flow_layout_node *nodes)
{
    bool moved = false;
    for (size_t i = 0; i < graph->edge_count; i++) {
        const size_t below = nodes[graph->edges[i].from].layer + 1;
        struct flow_layout_node *to = &nodes[graph->edges[i].to];
        if (to->layer < below) {
            to->layer = below;
            moved = true;
        }
    }
    return moved;
}

/* The longest way from a producer; false when there is no longest one: the graph has a cycle. */
static bool find_layers(const struct flow_graph *graph, struct flow_layout_node *nodes)
{
    bool moved = true;
    for (size_t round = 0; round <= graph->stage_count && moved; round++)
        moved = push_readers(graph, nodes);
    return !moved;
}

/* A producer stands right above its highest reader. */
static void lower_producers(const struct flow_graph *graph, struct flow_layout_node *nodes)
{
    for (size_t i = 0; i < graph->stage_count; i++) {
        size_t highest = SIZE_MAX;
        bool reads = false;
        for (size_t k = 0; k < graph->edge_count; k++) {
            const struct flow_graph_edge *edge = &graph->edges[k];
            reads = reads || edge->to == i;
            if (edge->from == i && nodes[edge->to].layer < highest)
                highest = nodes[edge->to].layer;
        }
        if (!reads && highest != SIZE_MAX)
            nodes[i].layer = highest - 1;
    }
}

/* ---- nodes and wires ---- */

/* How many layers below itself the lines of a stage pass through. */
static size_t count_passing(const struct flow_graph *graph, const struct flow_layout_node *nodes,
                            size_t stage)
{
    size_t lowest = nodes[stage].layer + 1;
    for (size_t i = 0; i < graph->edge_count; i++) {
        const size_t to = graph->edges[i].to;
        if (graph->edges[i].from == stage && nodes[to].layer > lowest)
            lowest = nodes[to].layer;
    }
    return lowest - nodes[stage].layer - 1;
}

/* The node of `stage` in `layer`: itself, or the point where its lines pass. */
static size_t node_in(const struct flow_layout *layout, const size_t *passing, size_t stage,
                      size_t layer)
{
    const size_t own = layout->nodes[stage].layer;
    return layer == own ? stage : passing[stage] + (layer - own - 1);
}

static bool make_nodes(struct flow_layout *layout, const struct flow_graph *graph, size_t *passing)
{
    size_t count = graph->stage_count;
    for (size_t i = 0; i < graph->stage_count; i++) {
        passing[i] = count;
        count += count_passing(graph, layout->nodes, i);
    }
    struct flow_layout_node *nodes =
        flow_realloc(layout->nodes, (count > 0 ? count : 1) * sizeof(*nodes));
    if (nodes == NULL)
        return false;
    layout->nodes = nodes;
    layout->node_count = count;
    for (size_t i = 0; i < graph->stage_count; i++) {
        const size_t end = i + 1 < graph->stage_count ? passing[i + 1] : count;
        for (size_t k = passing[i]; k < end; k++) {
            nodes[k] = (struct flow_layout_node){
                .stage = i,
                .passing = true,
                .layer = nodes[i].layer + 1 + k - passing[i],
                .width = 1,
            };
        }
    }
    return true;
}

static bool make_wires(struct flow_layout *layout, const struct flow_graph *graph,
                       const size_t *passing, const size_t *label_sizes)
{
    layout->wire_count = graph->edge_count + layout->node_count - graph->stage_count;
    layout->wires = flow_calloc(layout->wire_count, sizeof(*layout->wires));
    if (layout->wires == NULL)
        return false;
    struct flow_layout_wire *wire = layout->wires;
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct flow_graph_edge *edge = &graph->edges[i];
        const size_t above = layout->nodes[edge->to].layer - 1;
        *wire++ = (struct flow_layout_wire){
            .from = node_in(layout, passing, edge->from, above),
            .to = edge->to,
            .edge = i,
            .label_size = label_sizes[i],
        };
    }
    for (size_t i = graph->stage_count; i < layout->node_count; i++) {
        const struct flow_layout_node *node = &layout->nodes[i];
        *wire++ = (struct flow_layout_wire){
            .from = node_in(layout, passing, node->stage, node->layer - 1),
            .to = i,
            .edge = FLOW_LAYOUT_NONE,
        };
    }
    return true;
}

/* The columns that a wire needs above the node that it leads to. */
static size_t slot(const struct flow_layout_wire *wire)
{
    return (wire->label_size > 0 ? wire->label_size : 1) + 2;
}

static void widen_nodes(struct flow_layout *layout, const struct flow_graph *graph,
                        const size_t *widths)
{
    for (size_t i = 0; i < graph->stage_count; i++) {
        size_t needed = 2;
        for (size_t k = 0; k < graph->edge_count; k++)
            needed += layout->wires[k].to == i ? slot(&layout->wires[k]) : 0;
        layout->nodes[i].width = widths[i] > needed ? widths[i] : needed;
    }
}

/* ---- order within a layer ---- */

static bool make_order(struct flow_layout *layout)
{
    for (size_t i = 0; i < layout->node_count; i++) {
        if (layout->nodes[i].layer >= layout->layer_count)
            layout->layer_count = layout->nodes[i].layer + 1;
    }
    layout->order = flow_calloc(layout->node_count, sizeof(*layout->order));
    layout->first = flow_calloc(layout->layer_count + 1, sizeof(*layout->first));
    if (layout->order == NULL || layout->first == NULL)
        return false;
    size_t next = 0;
    for (size_t layer = 0; layer < layout->layer_count; layer++) {
        layout->first[layer] = next;
        for (size_t i = 0; i < layout->node_count; i++) {
            if (layout->nodes[i].layer == layer)
                layout->order[next++] = i;
        }
    }
    layout->first[layout->layer_count] = next;
    return true;
}

/* Until columns are known, the centre of a node is its place in its layer. */
static void number_places(struct flow_layout *layout, size_t layer)
{
    for (size_t i = layout->first[layer]; i < layout->first[layer + 1]; i++)
        layout->nodes[layout->order[i]].centre = (long)(i - layout->first[layer]);
}

/* The mean centre of a node's neighbours above, or below it; its own when there are none. */
static double mean_of_neighbours(const struct flow_layout *layout, size_t node, bool above)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < layout->wire_count; i++) {
        const struct flow_layout_wire *wire = &layout->wires[i];
        if ((above ? wire->to : wire->from) != node)
            continue;
        sum += (double)layout->nodes[above ? wire->from : wire->to].centre;
        count++;
    }
    return count > 0 ? sum / (double)count : (double)layout->nodes[node].centre;
}

static void wish(struct flow_layout *layout, size_t layer, bool above)
{
    for (size_t i = layout->first[layer]; i < layout->first[layer + 1]; i++) {
        const size_t node = layout->order[i];
        layout->nodes[node].wish = mean_of_neighbours(layout, node, above);
    }
}

/* A stable insertion sort: equals stay in file order. */
static void sort_layer(struct flow_layout *layout, size_t layer, bool above)
{
    size_t *order = layout->order;
    wish(layout, layer, above);
    for (size_t i = layout->first[layer] + 1; i < layout->first[layer + 1]; i++) {
        const size_t node = order[i];
        size_t at = i;
        for (; at > layout->first[layer] &&
               layout->nodes[order[at - 1]].wish > layout->nodes[node].wish;
             at--)
            order[at] = order[at - 1];
        order[at] = node;
    }
    number_places(layout, layer);
}

/* ---- columns ---- */

/* Columns from the centre of the node at `i` in the order to that of the one before it. */
static long distance(const struct flow_layout *layout, size_t i)
{
    const size_t before = layout->nodes[layout->order[i - 1]].width;
    const size_t width = layout->nodes[layout->order[i]].width;
    return (long)(before - before / 2 + GAP + width / 2);
}

/*
 * Put the nodes of a layer as close to their wishes as their widths allow: the least squares under
 * an order, by pooling neighbours that are in each other's way (Ayer and others, 1955).  A pool is
 * known by its first node; `wish` of it holds the mean of what its nodes wish for that first node.
 */
static void place_layer(struct flow_layout *layout, size_t layer, bool above)
{
    const size_t first = layout->first[layer];
    const size_t count = layout->first[layer + 1] - first;
    struct {
        size_t nodes;
        double sum;
    } pools[FLOW_LAYOUT_STAGES];
    size_t pool_count = 0;
    long offset = 0;

    wish(layout, layer, above);
    for (size_t i = 0; i < count; i++) {
        offset += i > 0 ? distance(layout, first + i) : 0;
        pools[pool_count].nodes = 1;
        pools[pool_count].sum = layout->nodes[layout->order[first + i]].wish - (double)offset;
        while (pool_count > 0 && pools[pool_count - 1].sum * (double)pools[pool_count].nodes >
                                     pools[pool_count].sum * (double)pools[pool_count - 1].nodes) {
            pools[pool_count - 1].sum += pools[pool_count].sum;
            pools[pool_count - 1].nodes += pools[pool_count].nodes;
            pool_count--;
        }
        pool_count++;
    }
    size_t at = first;
    offset = 0;
    for (size_t i = 0; i < pool_count; i++) {
        const long start = lround(pools[i].sum / (double)pools[i].nodes);
        for (size_t k = 0; k < pools[i].nodes; k++, at++) {
            offset += at > first ? distance(layout, at) : 0;
            layout->nodes[layout->order[at]].centre = start + offset;
        }
    }
}

static void sweep(struct flow_layout *layout,
                  void (*step)(struct flow_layout *layout, size_t layer, bool above))
{
    for (int i = 0; i < SWEEPS; i++) {
        for (size_t layer = 0; layer < layout->layer_count; layer++)
            step(layout, layer, true);
        for (size_t layer = layout->layer_count; layer-- > 0;)
            step(layout, layer, false);
    }
}

/* Move all so that the leftmost column is 0. */
static void shift(struct flow_layout *layout)
{
    long left = LONG_MAX;
    long right = LONG_MIN;
    for (size_t i = 0; i < layout->node_count; i++) {
        const struct flow_layout_node *node = &layout->nodes[i];
        const long start = node->centre - (long)(node->width / 2);
        const long end = start + (long)node->width;
        left = start < left ? start : left;
        right = end > right ? end : right;
    }
    for (size_t i = 0; i < layout->node_count; i++)
        layout->nodes[i].centre -= left;
    layout->width = layout->node_count > 0 ? (size_t)(right - left) : 0;
}

/* Does wire `a` reach their node left of wire `b`? */
static bool comes_before(const struct flow_layout *layout, size_t a, size_t b)
{
    const long left = layout->nodes[layout->wires[a].from].centre;
    const long right = layout->nodes[layout->wires[b].from].centre;
    return left != right ? left < right : a < b;
}

/* Wires reach a node side by side around its centre, in the order of where they come from. */
static void place_wires(struct flow_layout *layout)
{
    for (size_t i = 0; i < layout->wire_count; i++) {
        struct flow_layout_wire *wire = &layout->wires[i];
        size_t before = 0;
        size_t total = 0;
        for (size_t k = 0; k < layout->wire_count; k++) {
            if (layout->wires[k].to != wire->to)
                continue;
            total += slot(&layout->wires[k]);
            before += comes_before(layout, k, i) ? slot(&layout->wires[k]) : 0;
        }
        wire->column =
            layout->nodes[wire->to].centre - (long)(total / 2) + (long)(before + slot(wire) / 2);
    }
}

static bool make_layout(struct flow_layout *layout, const struct flow_graph *graph,
                        const size_t *widths, const size_t *label_sizes)
{
    size_t *passing = flow_calloc(graph->stage_count, sizeof(*passing));
    const bool made = passing != NULL && make_nodes(layout, graph, passing) &&
                      make_wires(layout, graph, passing, label_sizes) && make_order(layout);
    free(passing);
    if (!made)
        return false;
    widen_nodes(layout, graph, widths);
    for (size_t layer = 0; layer < layout->layer_count; layer++)
        number_places(layout, layer);
    sweep(layout, sort_layer);
    sweep(layout, place_layer);
    shift(layout);
    place_wires(layout);
    return true;
}

enum flow_layout_result flow_layout_init(struct flow_layout *layout, const struct flow_graph *graph,
                                         const size_t *widths, const size_t *label_sizes)
{
    *layout = (struct flow_layout){0};
    if (graph->stage_count > FLOW_LAYOUT_STAGES || graph->edge_count > FLOW_LAYOUT_EDGES)
        return FLOW_LAYOUT_CROWDED;
    layout->nodes = flow_calloc(graph->stage_count, sizeof(*layout->nodes));
    if (layout->nodes == NULL)
        return FLOW_LAYOUT_NO_MEMORY;
    for (size_t i = 0; i < graph->stage_count; i++)
        layout->nodes[i].stage = i;
    if (!find_layers(graph, layout->nodes))
        return FLOW_LAYOUT_CROWDED;
    lower_producers(graph, layout->nodes);
    if (!make_layout(layout, graph, widths, label_sizes))
        return FLOW_LAYOUT_NO_MEMORY;
    return flow_layout_route(layout) ? FLOW_LAYOUT_DONE : FLOW_LAYOUT_CROWDED;
}

void flow_layout_clear(struct flow_layout *layout)
{
    free(layout->nodes);
    free(layout->wires);
    free(layout->order);
    free(layout->first);
    *layout = (struct flow_layout){0};
}
