/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_SYNTAX_H
#define FLOW_GRAPH_SYNTAX_H

/*
 * The grammar of JSON with messages for people, and the places of what it finds.  It stops at the
 * first fault, since what follows a syntax error cannot be told.
 *
 * Threads: none of its own.  Memory: the nodes belong to `root`.
 */

#include "graph/node.h"

/*
 * Read the whole of `plain` (diag->text_size bytes and a zero) into nodes without values.  False:
 * one finding was added, or diag->failed is set.
 */
bool flow_syntax_read(struct flow_diag *diag, const char *plain, struct flow_node *root);

#endif /* FLOW_GRAPH_SYNTAX_H */
