/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_RIG_H
#define FLOW_GRAPH_RIG_H

/*
 * A graph made ready for one of its tests: stages that are fed are replaced by one that reads the
 * records from a file, consumers by one that writes what it takes to a file, or drops what no
 * test asks for; what is expected of an output gets a reader of that kind besides.  All else stays
 * as it is.  There are no checkpoints, and no demands on the delivery.
 *
 * Every process of the run rigs the graph the same way, so stages keep their numbers.
 */

#include "base/str.h"
#include "graph/graph.h"

struct flow_rig {
    const char *folder; /* where the files are */
    /* Types with a parameter "path"; an empty one: drop what comes. */
    const struct flow_stage_type *feed, *take;
};

/* `test`: its index.  False: memory is short, and the graph is good for nothing but to be freed. */
bool flow_graph_rig(struct flow_graph *graph, size_t test, const struct flow_rig *rig);

/* The file of feed or expectation i of a test. */
void flow_rig_feed_path(const struct flow_rig *rig, size_t i, struct flow_str *out);
void flow_rig_take_path(const struct flow_rig *rig, size_t i, struct flow_str *out);

#endif /* FLOW_GRAPH_RIG_H */
