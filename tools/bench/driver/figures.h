/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

/* The figures of a row, over its rounds. */

#include "driver/row.h"
#include "driver/stats.h"

struct bench_figures {
    struct bench_spread rate;                /* records per second; for text, bytes per second */
    struct bench_spread seconds;             /* of a run */
    struct bench_spread cpu_ns;              /* processor time for a record [ns] */
    struct bench_spread cpu;                 /* processor time of a whole run [s] */
    struct bench_spread peak;                /* [bytes] */
    struct bench_spread tree;                /* [bytes] */
    struct bench_spread delay[BENCH_DELAYS]; /* [ns] */
};

/* Of a row that was measured. */
struct bench_figures bench_figures_of(const struct bench_row *row);

#endif /* BENCH_FIGURES_H */
