/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_REFERENCE_H
#define RANDOM_REFERENCE_H

/*
 * What a graph must give, found in the plainest way: stage by stage, record by record, on one
 * thread, each stage's whole output kept in memory.
 */

#include "random/model.h"
#include "random/stream.h"

/* What the run's books must say of a stage, all replicas together. */
struct rt_counts {
    uint64_t in;       /* records taken */
    uint64_t done;     /* processed without an error */
    uint64_t filtered; /* of those, emitted nothing */
    uint64_t skipped, routed, failed;
    uint64_t retried; /* tries beyond the first */
    uint64_t out;     /* emitted to ports that something takes from */
    uint64_t unread;  /* emitted to ports that nothing takes from */
};

struct rt_expected {
    struct rt_arena *arena;
    struct rt_stream sinks[RT_STAGES_MAX]; /* what arrives, for sinks */
    struct rt_counts counts[RT_STAGES_MAX];
    uint64_t
        offered[RT_EDGES_MAX]; /* records for each edge's readers, before anything is dropped */
    uint64_t records, bytes;   /* over all edges: what a run has to carry */
    unsigned failing;          /* the stage whose bad record ends the run, or RT_STAGES_MAX */
};

/* False when more than `most_records` or `most_bytes` would travel; `expected` is then incomplete.
 */
bool rt_reference_run(const struct rt_graph *graph, uint64_t most_records, uint64_t most_bytes,
                      struct rt_expected *expected);
void rt_expected_clear(struct rt_expected *expected);

#endif /* RANDOM_REFERENCE_H */
