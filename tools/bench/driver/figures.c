/* SPDX-License-Identifier: MIT */
#include "driver/figures.h"

#include <stdlib.h>

#include "driver/alloc.h"

typedef double (*figure)(const struct bench_row *row, const struct bench_sample *sample,
                         size_t which);

static double rate(const struct bench_row *row, const struct bench_sample *sample, size_t which)
{
    (void)which;
    /* On a machine so busy that all of it took no longer than a part, a difference says nothing. */
    if (sample->seconds <= row->less.seconds)
        return sample->records / sample->seconds;
    return (sample->records - row->less.records) / (sample->seconds - row->less.seconds);
}

static double seconds(const struct bench_row *row, const struct bench_sample *sample, size_t which)
{
    (void)row;
    (void)which;
    return sample->seconds;
}

static double cpu_ns(const struct bench_row *row, const struct bench_sample *sample, size_t which)
{
    (void)which;
    if (sample->cpu <= row->less.cpu)
        return sample->cpu * 1e9 / sample->records;
    return (sample->cpu - row->less.cpu) * 1e9 / (sample->records - row->less.records);
}

static double cpu(const struct bench_row *row, const struct bench_sample *sample, size_t which)
{
    (void)row;
    (void)which;
    return sample->cpu;
}

static double peak(const struct bench_row *row, const struct bench_sample *sample, size_t which)
{
    (void)row;
    (void)which;
    return sample->peak;
}

static double tree(const struct bench_row *row, const struct bench_sample *sample, size_t which)
{
    (void)row;
    (void)which;
    return sample->tree;
}

static double delay(const struct bench_row *row, const struct bench_sample *sample, size_t which)
{
    (void)row;
    return sample->delay[which];
}

static struct bench_spread spread(const struct bench_row *row, figure of, size_t which)
{
    double *values = bench_alloc(row->sample_count, sizeof(*values));
    for (size_t i = 0; i < row->sample_count; i++)
        values[i] = of(row, &row->samples[i], which);
    const struct bench_spread result = bench_spread_of(values, row->sample_count);
    free(values);
    return result;
}

struct bench_figures bench_figures_of(const struct bench_row *row)
{
    struct bench_figures figures = {
        .rate = spread(row, rate, 0),
        .seconds = spread(row, seconds, 0),
        .cpu_ns = spread(row, cpu_ns, 0),
        .cpu = spread(row, cpu, 0),
        .peak = spread(row, peak, 0),
        .tree = spread(row, tree, 0),
    };
    for (size_t i = 0; i < BENCH_DELAYS; i++)
        figures.delay[i] = spread(row, delay, i);
    return figures;
}
