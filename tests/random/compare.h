/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_COMPARE_H
#define RANDOM_COMPARE_H

/* What a sink wrote against what the reference says it must have got. */

#include <stdbool.h>

#include "random/model.h"
#include "random/stream.h"

/* A verdict: empty while all is well, else what is wrong, for people. */
struct rt_verdict {
    char text[1024];
};

/* What a sink is held to. */
struct rt_demand {
    bool lossy; /* records may be missing */
    bool loose; /* keys are not compared */
    bool each;  /* every replica got everything: compare replica by replica */
};

/*
 * Read the records that the sink `stage` wrote to its files in `folder`, those of an errors port in
 * canonical form.  The items' groups are 1 + the replica.
 */
bool rt_sink_read(const struct rt_graph *graph, unsigned stage, const char *folder,
                  struct rt_arena *arena, struct rt_stream *found, struct rt_verdict *verdict);

/* The multiset of records, the order of chains, and that groups stayed together. */
bool rt_streams_agree(const struct rt_stream *expected, const struct rt_stream *found,
                      const struct rt_demand *demand, struct rt_verdict *verdict);

/* Both of the above for all sinks; the verdict names the sink. */
struct rt_expected;
bool rt_sinks_agree(const struct rt_graph *graph, const struct rt_expected *expected,
                    const char *folder, struct rt_verdict *verdict);

#endif /* RANDOM_COMPARE_H */
