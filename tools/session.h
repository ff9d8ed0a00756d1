/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_SESSION_H
#define FLOW_TOOLS_SESSION_H

/*
 * A session with the stages of this program, and a graph in it: what all verbs begin with.  What
 * goes wrong is said on standard error.
 */

#include "arguments.h"
#include "flowrun/run.h"

struct opened {
    struct flow_session *session;
    struct flow_graph *graph;
};

/* Serve as a process of a run if this program was started as one; see flow_worker_main. */
bool serve_as_worker(int argc, char **argv, int *exit_code);

/* Returns an exit code; closed with opened_close also when it is not EXIT_DONE. */
int session_open(struct opened *opened);

/* What the arguments change in a graph; it points into them. */
struct flow_load_options load_options(const struct arguments *arguments);

/* The same, and read the graph that the arguments name. */
int graph_open(const struct arguments *arguments, struct opened *opened);

void opened_close(struct opened *opened);

/* The exit code for a failure that is not the graph's, after it has been said. */
int failed(const struct flow_error *error);

#endif /* FLOW_TOOLS_SESSION_H */
