/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_DRAW_LABEL_H
#define FLOW_GRAPH_DRAW_LABEL_H

/* The words in a picture of a graph, which all its forms share. */

#include "base/str.h"
#include "graph/graph.h"

/* "words", "words ×4" or "words ×auto". */
void flow_draw_title(const struct flow_graph_stage *stage, struct flow_str *out);

/* "", "errors", "key /customer", "short →left" and their like. */
void flow_draw_label(const struct flow_graph *graph, const struct flow_graph_edge *edge,
                     struct flow_str *out);

#endif /* FLOW_GRAPH_DRAW_LABEL_H */
