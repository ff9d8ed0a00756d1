/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_TEXT_H
#define FLOW_GRAPH_TEXT_H

/*
 * The text of a graph file made into plain JSON of the same length, so that every offset still
 * holds: comments and trailing commas become spaces, strings stay as they are.
 *
 * Threads: none of its own.  Memory: the copy is the caller's, to be released with free().
 */

#include "base/diag.h"

/*
 * A copy of diag->text, zero-terminated.  NULL: a finding says which limit (size, depth) is broken,
 * which byte is not UTF-8 or which comment is not closed; or diag->failed is set.
 */
char *flow_text_plain(struct flow_diag *diag);

/* Drop a byte order mark from the front of diag->text. */
void flow_text_skip_mark(struct flow_diag *diag);

/* The line of an offset, from 1; 0 once the list of findings is full and nobody will read it. */
size_t flow_text_line(const struct flow_diag *diag, size_t offset);

/* Text of foreign origin as a message can hold it: at most 60 bytes, whole characters. */
struct flow_cut {
    char text[72];
};
struct flow_cut flow_cut(const char *text);
struct flow_cut flow_cut_bytes(const char *text, size_t size);

#endif /* FLOW_GRAPH_TEXT_H */
