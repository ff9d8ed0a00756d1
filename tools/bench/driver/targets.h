/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TARGETS_H
#define BENCH_TARGETS_H

/* What flowrun is to reach, and whether it does: told from the rows, never by hand. */

#include "driver/row.h"

struct bench_verdict {
    char *what;      /* "chain, 100 B: flowrun threads, copy / naive ZeroMQ threads, copy" */
    char *goal;      /* "at least 8" */
    bool is_known;   /* both rows were measured */
    double measured; /* a ratio of medians, or nanoseconds */
    bool is_met;
};

struct bench_verdicts {
    struct bench_verdict *items;
    size_t count;
};

struct bench_verdicts bench_targets_judge(const struct bench_rows *rows);
void bench_verdicts_clear(struct bench_verdicts *verdicts);

#endif /* BENCH_TARGETS_H */
