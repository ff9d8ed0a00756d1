/* SPDX-License-Identifier: MIT */
#ifndef BENCH_GRAPH_H
#define BENCH_GRAPH_H

/* The workloads as graphs for flowrun, in stages of the plugin bench.so. */

#include <stdbool.h>

#include "common/options.h"

/*
 * Write the graph of the workload to `path`; its producer is called "gen", and has no count yet.
 * With `each`, stages are called for every record instead of every batch.
 */
void bench_graph_write(const char *path, const char *plugin, const struct bench_options *options,
                       bool each);

/*
 * The count of the words of the file `text`.  With `first`, whoever splits the text counts already,
 * and the counters add up.
 */
void bench_graph_write_words(const char *path, const char *text, unsigned workers, bool first);

#endif /* BENCH_GRAPH_H */
