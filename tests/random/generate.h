/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_GENERATE_H
#define RANDOM_GENERATE_H

#include "random/model.h"
#include "random/reference.h"

/*
 * Graph number `index` of the series that `seed` starts, which every check of the reader must
 * accept and whose run takes a fraction of a second; with it, what it must give.  Each graph of a
 * series can be made without the ones before it.
 */
void rt_generate(uint64_t seed, uint64_t index, struct rt_graph *graph,
                 struct rt_expected *expected);

/* Another series, of graphs whose simulated run takes about a millisecond. */
void rt_generate_small(uint64_t seed, uint64_t index, struct rt_graph *graph,
                       struct rt_expected *expected);

#endif /* RANDOM_GENERATE_H */
