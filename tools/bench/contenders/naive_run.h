/* SPDX-License-Identifier: MIT */
#ifndef BENCH_NAIVE_RUN_H
#define BENCH_NAIVE_RUN_H

/*
 * Stages over PUSH and PULL, as threads or as processes.
 *
 * A workload is a row of levels of one or more stages.  Each stage binds a PULL socket (one for
 * each writer where it reads them in turn) and connects to the stages of the next level: with one
 * PUSH socket, which deals to them in turn, or with a socket for each.
 */

#include "common/options.h"

struct stage {
    const struct bench_options *options;
    const char *folder;
    void (*body)(struct stage *stage);
    void *context; /* NULL: make one, this is a process of its own */
    unsigned level, index;
    unsigned writers; /* PULL sockets; 1: one for all writers */
    unsigned readers; /* of the next level */
    bool separate;    /* a PUSH socket for each reader */
    bool is_indexed;  /* the next level has a socket for each writer */
    void **in, **out;
    int ready; /* written to when the stage listens; -1: nobody waits */
};

struct run {
    const struct bench_options *options;
    const char *folder;
    struct stage *stages;
    size_t count, last; /* how many, and the first of the last level */
};

/* Says what has failed, with ZeroMQ's reason, and exits with 1. */
void naive_die(const char *what) __attribute__((noreturn));

/* Zeroed. */
void *naive_allocate(size_t count, size_t size);

/* One level more, of `width` stages. */
void naive_add_level(struct run *run, unsigned width, void (*body)(struct stage *stage));

/* Until all stages of the last level have returned. */
void naive_run_threads(struct run *run);
void naive_run_processes(struct run *run);

/* The sockets' files, and their folder. */
void naive_remove_folder(const struct run *run);

#endif /* BENCH_NAIVE_RUN_H */
