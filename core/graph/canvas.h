/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_CANVAS_H
#define FLOW_GRAPH_CANVAS_H

/*
 * A sheet of character cells to draw boxes and lines on.  Lines meet in the right corner or
 * junction; where lines of two nets cross, the vertical one passes over the other: "─│─".  So "┼"
 * is always a junction.  Text covers lines.
 *
 * Memory: flow_canvas_clear frees the cells; texts are borrowed until then.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct flow_canvas {
    struct flow_canvas_cell *cells; /* row after row */
    size_t width, height;
};

/* An empty sheet; false: memory is short. */
bool flow_canvas_init(struct flow_canvas *canvas, size_t width, size_t height);
void flow_canvas_clear(struct flow_canvas *canvas);

/* UTF-8 text, a cell for each character, cut at the edge of the sheet. */
void flow_canvas_text(struct flow_canvas *canvas, size_t x, size_t y, const char *text);

/* A box with its corners at x, y and x + width - 1, y + height - 1. */
struct flow_canvas_box {
    size_t x, y, width, height;
};
void flow_canvas_frame(struct flow_canvas *canvas, const struct flow_canvas_box *box);

/* Lines from cell to cell, both ends included, x1 <= x2 and y1 <= y2; `net` says what belongs
 * together. */
void flow_canvas_across(struct flow_canvas *canvas, size_t y, size_t x1, size_t x2, size_t net);
void flow_canvas_down(struct flow_canvas *canvas, size_t x, size_t y1, size_t y2, size_t net);

/* All rows, without the blanks at their ends. */
void flow_canvas_print(const struct flow_canvas *canvas, struct flow_str *out);

/* Characters (code points) of a UTF-8 text. */
size_t flow_canvas_width(const char *text);

#endif /* FLOW_GRAPH_CANVAS_H */
