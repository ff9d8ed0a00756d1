/* SPDX-License-Identifier: MIT */
#ifndef BENCH_ROW_H
#define BENCH_ROW_H

/*
 * A row of the results: one contender at one point of one workload, how it is run, what it has to
 * prove, and what was measured.
 *
 * Memory: strings of a row that the lists name stay with the lists; the row owns the others.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/options.h"

enum bench_figure {
    BENCH_RATE,  /* records in a time */
    BENCH_CHAIN, /* the same, and for each stage */
    BENCH_DELAY, /* how long a record takes */
    BENCH_START, /* how long it takes until the first record is through, and the memory */
    BENCH_TEXT,  /* bytes of a file in a time */
};

#define BENCH_DELAYS 6 /* p50, p99, p999 from the stamp, then from the due time */

/* A whole run. */
struct bench_sample {
    double seconds, cpu;
    double records;
    double peak, tree;          /* [bytes] */
    double delay[BENCH_DELAYS]; /* [ns] */
};

struct bench_row {
    const char *workload;  /* "chain" */
    const char *point;     /* "100 B" */
    const char *contender; /* "flowrun threads" */
    const char *variant;   /* "copy", or "" */
    enum bench_figure figure;
    struct bench_options options; /* but for the count */
    char **argv;                  /* "{count}" stands for the number of records; ends with NULL */
    uint64_t start; /* records to try first; the count is then chosen by the time that takes */
    uint64_t count; /* records; 0: not chosen yet */
    bool is_whole;  /* what starting and ending costs belongs to the figures */
    uint64_t small; /* records of the run that is subtracted; 0: none is */
    unsigned ends;  /* proofs expected; 0: the output must be `text` */
    bool is_ordered;
    char *text; /* what it must print */
    bool sample_tree;
    char *absent; /* why it cannot run, or NULL */
    char *flaw;   /* why it is void, or NULL */
    struct bench_sample *samples;
    size_t sample_count;
    struct bench_sample less; /* the least that the smaller run took, and its records */
};

struct bench_rows {
    struct bench_row *items;
    size_t count;
};

/* A row more; valid until the next. */
struct bench_row *bench_rows_add(struct bench_rows *rows);
void bench_rows_clear(struct bench_rows *rows);

/* Words to the end of `argv`; takes ownership of the word. */
void bench_row_argue(struct bench_row *row, char *word);

/* The row's arguments with the count in place, for free by bench_argv_free. */
char **bench_row_argv(const struct bench_row *row, uint64_t count);
void bench_argv_free(char **argv);

/* NULL when there is none, or nothing was measured. */
const struct bench_row *bench_rows_find(const struct bench_rows *rows, const char *workload,
                                        const char *point, const char *contender,
                                        const char *variant);

/* Does a row have figures? */
bool bench_row_is_measured(const struct bench_row *row);

#endif /* BENCH_ROW_H */
