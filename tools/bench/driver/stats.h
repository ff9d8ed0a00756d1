/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

/* Several rounds of one figure. */

#include <stddef.h>

struct bench_spread {
    double median, min, max;
};

/* Of `count` values, at least one, in any order; of two in the middle the mean.  NaN for none. */
struct bench_spread bench_spread_of(const double *values, size_t count);

#endif /* BENCH_STATS_H */
