/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_SCHEMA_H
#define FLOW_GRAPH_SCHEMA_H

/*
 * The JSON Schema (draft 2020-12) of graph files of format 1, for editors: the shape of the file,
 * and for every stage type that is known the parameters that its "with" may have.  It cannot see
 * what needs the whole graph (names, ports, cycles), and it knows no type that a graph's own
 * "plugins" bring.
 *
 * Threads: none of its own.  Memory: the result is a new reference.
 */

#include <jansson.h>

#include "flowrun/error.h"
#include "graph/graph.h"

/* The schema with all of types->names.  NULL: FLOW_ENOMEM. */
json_t *flow_graph_schema(const struct flow_types *types, struct flow_error *err);

#endif /* FLOW_GRAPH_SCHEMA_H */
