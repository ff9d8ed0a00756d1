/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_BENCH_ROWS_H
#define FLOW_TESTS_BENCH_ROWS_H

/* Rows with figures that nobody measured. */

#include "driver/alloc.h"
#include "driver/row.h"

struct made_row {
    const char *workload, *point, *contender, *variant;
    double rates[3]; /* records per second, of three rounds; 0: there was no such round */
};

static inline struct bench_row *make_row(struct bench_rows *rows, const struct made_row *made)
{
    struct bench_row *row = bench_rows_add(rows);
    row->workload = made->workload;
    row->point = made->point;
    row->contender = made->contender;
    row->variant = made->variant;
    row->options.stages = 3;
    for (size_t i = 0; i < 3 && made->rates[i] > 0; i++) {
        row->samples = bench_grow(row->samples, i, sizeof(*row->samples));
        row->samples[i] = (struct bench_sample){
            .seconds = 1, .records = made->rates[i], .cpu = 0.5, .peak = 2 * 1048576};
        row->sample_count = i + 1;
    }
    return row;
}

#endif /* FLOW_TESTS_BENCH_ROWS_H */
