/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_DRAW_H
#define FLOW_GRAPH_DRAW_H

/*
 * A graph as a picture.  Each call appends to `out`, which remembers when memory was short.
 *
 * In all of them a stage shows its name, how many workers it has if not one, and its type; an edge
 * shows the ports where there is a choice, how it shares unless by balance, and what it does when
 * full unless it blocks.
 *
 * `threads` says which stages are fused, that is, share a thread: by stage, a stage of the same
 * thread, the same one for all of that thread.  NULL: none are.  It is borrowed.
 */

#include "base/str.h"
#include "graph/graph.h"

/*
 * For terminals: boxes from top to bottom, joined by lines.  A graph of more than 40 stages or 200
 * edges, or whose picture would be wider than FLOW_DRAW_WIDTH columns, is listed instead, each
 * stage with its readers below it.  Between fused stages the line bears the word "fused".
 */
#define FLOW_DRAW_WIDTH 100
void flow_graph_draw_text(const struct flow_graph *graph, const size_t *threads,
                          struct flow_str *out);

/* For graphviz: a shape for each role, errors in red and dashed, a frame around fused stages. */
void flow_graph_draw_dot(const struct flow_graph *graph, const size_t *threads,
                         struct flow_str *out);

/* The same for Mermaid, which many viewers of Markdown show. */
void flow_graph_draw_mermaid(const struct flow_graph *graph, const size_t *threads,
                             struct flow_str *out);

#endif /* FLOW_GRAPH_DRAW_H */
