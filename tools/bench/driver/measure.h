/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

/*
 * The measuring.  For each contender of a point the number of records is chosen first, so that a
 * run takes about `seconds`.  Then the contenders take turns, round by round, so that a machine
 * that changes its speed changes it for all.
 *
 * Where a row says so, each run is made twice, with few records and with all, and the figures are
 * those of the difference: what starting and ending cost is in neither.
 */

#include "driver/row.h"

struct bench_measure_options {
    unsigned rounds;
    double seconds;                                              /* a run should take */
    double timeout;                                              /* [s] */
    void (*tell)(const struct bench_row *row, const char *text); /* how it goes */
};

/* All rows, point by point. */
void bench_measure(struct bench_rows *rows, const struct bench_measure_options *options);

#endif /* BENCH_MEASURE_H */
