/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CONTENDERS_H
#define BENCH_CONTENDERS_H

/* The contenders, and how each is called. */

#include "driver/lineup.h"

enum bench_kind {
    BENCH_OURS = 1,  /* flowrun */
    BENCH_NAIVE = 2, /* ZeroMQ with one message a record */
    BENCH_LIMIT = 4, /* written by hand for the workload */
    BENCH_PEER = 8,  /* another engine */
    BENCH_PYTHON = 16,
    BENCH_ALL = 31,
};

struct bench_contender {
    const char *name; /* "flowrun threads" */
    enum bench_kind kind;
    const char *program; /* in the folder of programs; NULL: flowrun; *.py: a script */
    const char *mode;    /* what it is told */
    const char *fuse;    /* flowrun: what it is told, if it knows --fuse; "on" rows need that */
    const char *does;    /* the workloads that it has */
    uint64_t start;      /* records of 100 bytes that it is tried with first */
    const char *missing; /* what to say when its program is not there */
};

extern const struct bench_contender bench_contenders[];
extern const size_t bench_contender_count;

/* NULL: there is none of that name. */
const struct bench_contender *bench_contender_find(const char *name);

bool bench_contender_does(const struct bench_contender *contender, const char *workload);

/* The arguments of the row, and whether it can run at all. */
void bench_contender_call(const struct bench_contender *contender, const struct bench_setup *setup,
                          struct bench_row *row, bool each);

/* flowrun with a graph; `count` says whether the graph's "gen" is told how many. */
void bench_call_flowrun(const struct bench_contender *contender, const struct bench_setup *setup,
                        struct bench_row *row, const char *graph, bool count);

/* Is there such a program in PATH? */
bool bench_has_program(const char *name);

#endif /* BENCH_CONTENDERS_H */
