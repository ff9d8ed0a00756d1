/* SPDX-License-Identifier: MIT */
#ifndef BENCH_LINEUP_H
#define BENCH_LINEUP_H

/* Who runs what: the contenders, the workloads, and the rows that they make. */

#include "driver/row.h"

struct bench_setup {
    const char *flowrun;    /* the program */
    const char *programs;   /* the folder of the contenders and of bench.so */
    const char *scripts;    /* the folder of those that are not compiled */
    const char *folder;     /* for graphs and texts */
    bool has_fuse;          /* flowrun knows --fuse */
    bool is_quick;          /* small counts: only the proofs matter */
    double step_ns;         /* of work, see common/work.h */
    const char *only;       /* workloads whose name begins so; NULL: all */
    const char *contenders; /* those whose name has this in it; NULL: all */
};

/* All rows that are asked for, in the order in which they are to be run. */
void bench_lineup(const struct bench_setup *setup, struct bench_rows *rows);

/* The workload's heading and a few words on it; NULL for one that does not exist. */
struct bench_workload {
    const char *name, *title, *text;
};
extern const struct bench_workload bench_workloads[];
extern const size_t bench_workload_count;

/* What to call the contenders that are no peers: what flowrun could be at best. */
bool bench_is_limit(const char *contender);
bool bench_is_ours(const char *contender);

#endif /* BENCH_LINEUP_H */
