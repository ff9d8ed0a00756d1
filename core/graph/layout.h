/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_LAYOUT_H
#define FLOW_GRAPH_LAYOUT_H

/*
 * Where the boxes and lines of a picture go, in layers from top to bottom: a stage stands one layer
 * below the lowest stage that it reads from.  The method is the usual one for layered drawings
 * (Sugiyama, Tagawa, Toda 1981): edges that skip layers are cut into wires by points that they pass
 * through, the nodes of each layer are put in order by the mean place of their neighbours, centred
 * below and above them, and the wires between two layers are laid in tracks like those of a channel
 * router, so that no two lie upon each other.
 */

#include <stdbool.h>
#include <stddef.h>

#include "graph/graph.h"

/* Of more than this no picture is drawn.  No layer has more nodes than the graph has stages. */
#define FLOW_LAYOUT_STAGES 40
#define FLOW_LAYOUT_EDGES 200

#define FLOW_LAYOUT_NONE ((size_t)-1)

/* A stage, or a point where the lines of a stage pass through a layer. */
struct flow_layout_node {
    size_t stage;
    bool passing;
    size_t layer;
    long centre;  /* the column that its lines leave from */
    size_t width; /* columns, the frame included; the node begins at centre - width / 2 */
    size_t track; /* in the channel below, from 0; FLOW_LAYOUT_NONE: straight down, or no line */
    double wish;  /* private: the mean of its neighbours */
};

/* A line from a node to one in the next layer. */
struct flow_layout_wire {
    size_t from, to;   /* nodes */
    size_t edge;       /* whose arrow ends here; FLOW_LAYOUT_NONE: it passes on */
    size_t label_size; /* characters */
    long column;       /* in which it reaches `to` */
};

struct flow_layout {
    struct flow_layout_node *nodes; /* the stages first */
    size_t node_count;
    struct flow_layout_wire *wires; /* those of the edges first */
    size_t wire_count;
    size_t *order; /* the nodes layer by layer, from the left */
    size_t *first; /* of each layer, in `order`, and the end of the last */
    size_t layer_count;
    size_t width; /* columns in all */
};

enum flow_layout_result { FLOW_LAYOUT_DONE, FLOW_LAYOUT_CROWDED, FLOW_LAYOUT_NO_MEMORY };

/*
 * Lay out a graph whose boxes are `widths` columns wide at least (an array by stage) and the labels
 * of whose edges take `label_sizes` characters.  CROWDED: there are too many, the graph has a
 * cycle, or its lines cannot be kept apart.
 */
enum flow_layout_result flow_layout_init(struct flow_layout *layout, const struct flow_graph *graph,
                                         const size_t *widths, const size_t *label_sizes);
void flow_layout_clear(struct flow_layout *layout);

/* Private: lay the wires of each channel in tracks; false: they cannot be kept apart. */
bool flow_layout_route(struct flow_layout *layout);

#endif /* FLOW_GRAPH_LAYOUT_H */
