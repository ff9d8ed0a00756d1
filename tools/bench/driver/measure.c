/* SPDX-License-Identifier: MIT */
#include "driver/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/alloc.h"
#include "driver/process.h"
#include "driver/proof.h"

#define FEWER 32       /* the run that is subtracted has so many times fewer records */
#define GROWTH 8       /* from one try to the next, while the count is chosen */
#define LONGEST 10     /* seconds of a try after which the count grows no further */
#define LONG_CHAIN 200 /* stages, from which on a run takes longer, in proportion */
#define TRIED 0.25     /* share of the time aimed at that a try must take to be believed */

/* One run of `count` records.  false: the row is void now. */
static bool run_once(struct bench_row *row, uint64_t count,
                     const struct bench_measure_options *options, struct bench_sample *sample)
{
    const struct bench_run_options how = {.timeout = options->timeout,
                                          .sample_tree = row->sample_tree};
    char **argv = bench_row_argv(row, count);
    struct bench_run run = bench_run_command(argv, &how);
    *sample = (struct bench_sample){
        .seconds = run.seconds,
        .cpu = run.cpu,
        .records = (double)count,
        .peak = run.peak,
        .tree = run.tree,
    };
    row->flaw = run.failure != NULL ? bench_format("%s", run.failure)
                                    : bench_proof_check(row, count, run.output, sample);
    bench_run_clear(&run);
    bench_argv_free(argv);
    return row->flaw == NULL;
}

/* Long chains take a while to fill: a run of them is longer, so that this is not what is measured.
 */
static double seconds_for(const struct bench_row *row, const struct bench_measure_options *options)
{
    const double stages = (double)row->options.stages / LONG_CHAIN;
    return options->seconds * (stages > 1 ? stages : 1);
}

/* So many records that a run takes about the processor time aimed at, told from how it grows: that
 * time, unlike the clock's, is about the same on a busy machine. */
static void choose_count(struct bench_row *row, const struct bench_measure_options *options)
{
    struct bench_sample first;
    struct bench_sample sample;
    const double aim = seconds_for(row, options);
    uint64_t count = row->start;
    if (!run_once(row, count, options, &first))
        return;
    double slope = 0;
    do {
        count *= GROWTH;
        if (!run_once(row, count, options, &sample))
            return;
        slope = fmax(sample.cpu - first.cpu, 1e-9) / (double)(count - row->start);
    } while (sample.cpu - first.cpu < aim * TRIED && sample.seconds < LONGEST);
    /* What takes no time to speak of, but waits, gets no more than was tried. */
    const double fit = fmin(aim / slope, (double)count * GROWTH);
    row->count = fit < (double)row->start ? row->start : (uint64_t)fit;
    row->small = row->is_whole ? 0 : row->count / FEWER;
}

/* Whatever disturbs a run only adds to what it takes: of the smaller runs the least counts. */
static void note_less(struct bench_row *row, const struct bench_sample *less)
{
    const bool is_first = row->less.records == 0;
    row->less.records = less->records;
    row->less.seconds = is_first ? less->seconds : fmin(less->seconds, row->less.seconds);
    row->less.cpu = is_first ? less->cpu : fmin(less->cpu, row->less.cpu);
}

static void run_round(struct bench_row *row, const struct bench_measure_options *options)
{
    struct bench_sample less;
    struct bench_sample sample;
    if (row->small > 0 && !run_once(row, row->small, options, &less))
        return;
    if (row->small > 0)
        note_less(row, &less);
    if (!run_once(row, row->count, options, &sample))
        return;
    row->samples = bench_grow(row->samples, row->sample_count, sizeof(*row->samples));
    row->samples[row->sample_count++] = sample;
}

/* A contender that has taken its time already gets no more rounds. */
static bool can_run(const struct bench_row *row, double budget)
{
    for (size_t i = 0; i < row->sample_count; i++)
        budget -= row->samples[i].seconds;
    return row->absent == NULL && row->flaw == NULL && budget > 0;
}

static bool is_same_point(const struct bench_row *a, const struct bench_row *b)
{
    return strcmp(a->workload, b->workload) == 0 && strcmp(a->point, b->point) == 0;
}

static void measure_point(struct bench_row *rows, size_t count,
                          const struct bench_measure_options *options)
{
    for (size_t i = 0; i < count; i++) {
        if (can_run(&rows[i], options->budget) && rows[i].count == 0) {
            options->tell(&rows[i], "choosing the count");
            choose_count(&rows[i], options);
        }
    }
    for (unsigned round = 0; round < options->rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            char *text = bench_format("round %u of %u", round + 1, options->rounds);
            options->tell(&rows[i], text);
            free(text);
            if (can_run(&rows[i], options->budget))
                run_round(&rows[i], options);
        }
    }
}

void bench_measure(struct bench_rows *rows, const struct bench_measure_options *options)
{
    for (size_t first = 0; first < rows->count;) {
        size_t end = first;
        while (end < rows->count && is_same_point(&rows->items[first], &rows->items[end]))
            end++;
        measure_point(&rows->items[first], end - first, options);
        first = end;
    }
}
