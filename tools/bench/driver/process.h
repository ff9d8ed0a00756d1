/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

/* One run of a contender: what it printed and what it took. */

#include <stdbool.h>

struct bench_run {
    double seconds; /* from before the fork until it was reaped */
    double cpu;     /* user and system, with all children that it waited for [s] */
    double peak;    /* resident memory of its largest process [bytes] */
    double tree;    /* private memory of all its processes together [bytes]; 0: not sampled */
    char *output;   /* standard output, terminated */
    char *failure;  /* NULL, or why the run counts for nothing; one line */
};

struct bench_run_options {
    double timeout;   /* [s] */
    bool sample_tree; /* look at all processes of the run every few milliseconds */
};

/* Runs `argv`, whose first word is searched in PATH, and waits for its end.  Memory:
 * bench_run_clear. */
struct bench_run bench_run_command(char *const *argv, const struct bench_run_options *options);
void bench_run_clear(struct bench_run *run);

#endif /* BENCH_PROCESS_H */
