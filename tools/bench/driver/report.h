/* SPDX-License-Identifier: MIT */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

/* What comes out: JSON with every round, and Markdown tables with the medians. */

#include <jansson.h>
#include <stdio.h>

#include "driver/lineup.h"
#include "driver/targets.h"

struct bench_report {
    const struct bench_rows *rows;
    const struct bench_verdicts *verdicts;
    json_t *machine;
    unsigned rounds;
    double seconds; /* a run was to take */
};

/* For json_decref. */
json_t *bench_report_json(const struct bench_report *report);

void bench_report_markdown(const struct bench_report *report, FILE *out);

/* "34.1 M/s"; "12.3 ns", "4.5 µs", "1.2 ms".  For free. */
char *bench_rate_text(double per_second, enum bench_figure figure);
char *bench_time_text(double ns);

/*
 * The text between the lines <!-- bench:begin --> and <!-- bench:end --> of the page replaced; if
 * the page is NULL, a new one.  NULL if it has no such lines.  For free.
 */
char *bench_page_update(const char *page, const char *tables);

#endif /* BENCH_REPORT_H */
