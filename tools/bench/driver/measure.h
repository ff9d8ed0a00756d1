/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

/*
 * The measuring.  For each contender of a point the number of records is chosen first, so that a
 * run takes about `seconds` of processor time.  Then the contenders take turns, round by round, so
 * that a machine that changes its speed changes it for all.
 *
 * Where a row says so, each run is made twice, with few records and with all, and what the smaller
 * one takes at least is taken off: what starting and ending cost.
 */

#include "driver/row.h"

struct bench_measure_options {
    unsigned rounds;
    double seconds; /* of processor time that a run should take */
    double budget;  /* of all rounds of a row: when it is used up, there are no more of them [s] */
    double timeout; /* of a run [s] */
    void (*tell)(const struct bench_row *row, const char *text); /* how it goes */
};

/* All rows, point by point. */
void bench_measure(struct bench_rows *rows, const struct bench_measure_options *options);

#endif /* BENCH_MEASURE_H */
