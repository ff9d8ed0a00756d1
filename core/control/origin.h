/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_ORIGIN_H
#define FLOW_CONTROL_ORIGIN_H

/*
 * What a graph was read from: its text and what the command line changed in it.  The processes of a
 * run read the same graph again from it, since a graph holds pointers that mean nothing to them.
 *
 * Memory: an origin owns all it points to.
 */

#include <stddef.h>

#include "flowrun/run.h"
#include "graph/graph.h"

struct flow_graph_origin {
    char *path; /* as the user wrote it; "<stdin>" for "-" */
    char *text; /* `size` bytes and a zero */
    size_t size;
    char *mode;        /* NULL: as the graph says */
    char *fuse;        /* likewise */
    char *pin;         /* likewise */
    char *stall;       /* likewise; only the coordinator's business, and not part of a job */
    char *state;       /* likewise */
    char *checkpoint;  /* likewise */
    size_t test;       /* of the graph's tests, from 1; 0: none */
    char *test_folder; /* where its files are; NULL: none */
    char **params;     /* these three end with NULL; NULL: none */
    char **sets;
    char **workers;
};

/*
 * Read the file (at most a byte more than a graph may have: the reader then says what is wrong) and
 * copy the options, which may be NULL.  FLOW_EIO, FLOW_ENOMEM.
 */
struct flow_graph_origin *flow_origin_new(const char *path, const struct flow_load_options *options,
                                          struct flow_error *err);
void flow_origin_free(struct flow_graph_origin *origin);

/* As flow_graph_read, and rigged for the test; graph->origin is left to the caller. */
struct flow_graph *flow_origin_read_graph(const struct flow_graph_origin *origin,
                                          const struct flow_types *types, struct flow_diag *diag);

/*
 * The text of a file, the caller's own, with a zero behind its `size` bytes; cut off at a byte more
 * than a graph may have.  NULL: FLOW_EIO, FLOW_ENOMEM.
 */
char *flow_text_load(const char *path, size_t *size, struct flow_error *err);

/* A list of texts that ends with NULL; NULL in, or no memory: NULL out. */
char **flow_texts_copy(const char *const *texts);
size_t flow_texts_count(const char *const *texts);
void flow_texts_free(char **texts);

#endif /* FLOW_CONTROL_ORIGIN_H */
