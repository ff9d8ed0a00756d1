/* SPDX-License-Identifier: MIT */
#include "driver/targets.h"

#include <math.h>
#include <stdlib.h>

#include "driver/alloc.h"
#include "driver/figures.h"
#include "driver/lineup.h"

#define THREADS "flowrun threads"
#define FUSED "flowrun fused"
#define PROCESSES "flowrun processes"
#define NAIVE "naive ZeroMQ threads"
#define NAIVE_IPC "naive ZeroMQ processes"
#define RINGS "hand-written rings"
#define LOOP "hand-written loop"
#define WORDS "counted before it is shared"

enum figure {
    RATE,
    CPU,
    P50,
    P99,
};

enum goal {
    AT_LEAST,
    AT_MOST,
};

struct side {
    const char *point, *contender, *variant;
};

/* Left over right, or left alone where right has no contender. */
struct target {
    const char *workload;
    struct side left, right;
    enum figure figure;
    enum goal goal;
    double value;
};

static const struct target targets[] = {
    {"chain", {"16 B", THREADS, "copy"}, {"16 B", NAIVE, "copy"}, RATE, AT_LEAST, 15},
    {"chain", {"100 B", THREADS, "copy"}, {"100 B", NAIVE, "copy"}, RATE, AT_LEAST, 8},
    {"chain", {"1 KiB", THREADS, "copy"}, {"1 KiB", NAIVE, "copy"}, RATE, AT_LEAST, 4},
    {"chain", {"16 B", THREADS, "copy"}, {"16 B", RINGS, "copy"}, RATE, AT_LEAST, 0.9},
    {"chain", {"100 B", THREADS, "copy"}, {"100 B", RINGS, "copy"}, RATE, AT_LEAST, 0.9},
    {"chain", {"1 KiB", THREADS, "copy"}, {"1 KiB", RINGS, "copy"}, RATE, AT_LEAST, 0.9},
    {"chain", {"100 B", THREADS, "edit"}, {0}, CPU, AT_MOST, 25},
    {"chain", {"16 B", FUSED, "copy"}, {0}, CPU, AT_MOST, 12},
    {"chain", {"100 B", FUSED, "copy"}, {0}, CPU, AT_MOST, 12},
    {"chain", {"16 B", FUSED, "copy"}, {"16 B", LOOP, "copy"}, RATE, AT_LEAST, 0.9},
    {"chain", {"100 B", FUSED, "copy"}, {"100 B", LOOP, "copy"}, RATE, AT_LEAST, 0.9},
    {"chain", {"16 B", PROCESSES, "copy"}, {"16 B", NAIVE_IPC, "copy"}, RATE, AT_LEAST, 12},
    {"chain", {"100 B", PROCESSES, "copy"}, {"100 B", NAIVE_IPC, "copy"}, RATE, AT_LEAST, 8},
    {"chain", {"1 KiB", PROCESSES, "copy"}, {"1 KiB", NAIVE_IPC, "copy"}, RATE, AT_LEAST, 5},
    {"chain", {"16 B", FUSED, "copy"}, {"16 B", RINGS, "copy"}, RATE, AT_LEAST, 1.5},
    {"chain", {"100 B", FUSED, "copy"}, {"100 B", RINGS, "copy"}, RATE, AT_LEAST, 1.5},
    {"chain", {"16 B", FUSED, "copy"}, {"16 B", "GNU Radio", "copy"}, RATE, AT_LEAST, 2},
    {"chain", {"100 B", FUSED, "copy"}, {"100 B", "GNU Radio", "copy"}, RATE, AT_LEAST, 2},
    {"chain", {"16 B", FUSED, "copy"}, {"16 B", "Taskflow pipeline", "copy"}, RATE, AT_LEAST, 2},
    {"chain", {"100 B", FUSED, "copy"}, {"100 B", "Taskflow pipeline", "copy"}, RATE, AT_LEAST, 2},
    {"large", {"1 MiB", THREADS, "pass"}, {"64 KiB", THREADS, "pass"}, RATE, AT_LEAST, 0.9},
    {"large", {"4 MiB", THREADS, "pass"}, {"64 KiB", THREADS, "pass"}, RATE, AT_LEAST, 0.9},
    {"chain", {"1 MiB", PROCESSES, "pass"}, {"1 MiB", NAIVE_IPC, "pass"}, RATE, AT_LEAST, 4},
    {"chain", {"1 MiB", PROCESSES, "pass"}, {"1 MiB", THREADS, "pass"}, RATE, AT_LEAST, 0.6},
    {"broadcast", {"100 B", THREADS, ""}, {"100 B", NAIVE, ""}, RATE, AT_LEAST, 8},
    /* the time of flowrun over that of the ideal */
    {"jobs", {"10 µs", "even split", ""}, {"10 µs", THREADS, ""}, RATE, AT_MOST, 1.05},
    {"latency", {"1,000/s", FUSED, ""}, {0}, P50, AT_MOST, 5000},
    {"latency", {"1,000/s", THREADS, ""}, {"1,000/s", NAIVE, ""}, P50, AT_MOST, 1.2},
    {"latency", {"1,000/s", THREADS, ""}, {"1,000/s", NAIVE, ""}, P99, AT_MOST, 1.2},
    {"latency", {"1,000/s", PROCESSES, ""}, {"1,000/s", NAIVE_IPC, ""}, P50, AT_MOST, 1.2},
    {"latency", {"1,000/s", PROCESSES, ""}, {"1,000/s", NAIVE_IPC, ""}, P99, AT_MOST, 1.2},
    {"wordcount", {"200 MB", THREADS, WORDS}, {"200 MB", "mawk", ""}, RATE, AT_LEAST, 3},
    {"wordcount",
     {"200 MB", THREADS, WORDS},
     {"200 MB", "parallel --pipe, two mawk", ""},
     RATE,
     AT_LEAST,
     2},
};

static double value_of(const struct bench_row *row, enum figure figure)
{
    const struct bench_figures figures = bench_figures_of(row);
    switch (figure) {
    case CPU:
        return figures.cpu_ns.median;
    case P50:
        return figures.delay[0].median;
    case P99:
        return figures.delay[1].median;
    case RATE:
        break;
    }
    return figures.rate.median;
}

static char *side_text(const struct side *side)
{
    return bench_format("%s%s%s", side->contender, side->variant[0] != '\0' ? ", " : "",
                        side->variant);
}

static char *target_text(const struct target *target)
{
    static const char *const figures[] = {"rate", "CPU per record", "p50", "p99"};
    char *left = side_text(&target->left);
    char *text = NULL;
    if (target->right.contender == NULL) {
        text = bench_format("%s, %s: %s of %s", target->workload, target->left.point,
                            figures[target->figure], left);
    } else {
        char *right = side_text(&target->right);
        const bool is_same = strcmp(target->left.point, target->right.point) == 0;
        text = bench_format("%s, %s: %s of %s / %s%s%s", target->workload, target->left.point,
                            figures[target->figure], left, right, is_same ? "" : ", ",
                            is_same ? "" : target->right.point);
        free(right);
    }
    free(left);
    return text;
}

static void judge(struct bench_verdicts *verdicts, const struct bench_rows *rows,
                  const struct target *target)
{
    verdicts->items = bench_grow(verdicts->items, verdicts->count, sizeof(*verdicts->items));
    struct bench_verdict *verdict = &verdicts->items[verdicts->count++];
    const bool is_ratio = target->right.contender != NULL;
    verdict->what = target_text(target);
    verdict->goal = bench_format("%s %g%s", target->goal == AT_LEAST ? "at least" : "at most",
                                 target->value, is_ratio ? "" : " ns");
    const struct bench_row *left = bench_rows_find(rows, target->workload, target->left.point,
                                                   target->left.contender, target->left.variant);
    const struct bench_row *right =
        is_ratio ? bench_rows_find(rows, target->workload, target->right.point,
                                   target->right.contender, target->right.variant)
                 : NULL;
    if (left == NULL || (is_ratio && right == NULL))
        return;
    verdict->is_known = true;
    verdict->measured = value_of(left, target->figure);
    if (is_ratio)
        verdict->measured /= value_of(right, target->figure);
    verdict->is_met = target->goal == AT_LEAST ? verdict->measured >= target->value
                                               : verdict->measured <= target->value;
}

static bool is_better(const struct bench_row *row, const struct bench_row *other)
{
    return row->figure == BENCH_DELAY ? value_of(row, P50) < value_of(other, P50)
                                      : value_of(row, RATE) > value_of(other, RATE);
}

/* The fastest row of a point, ours or of the peers. */
static const struct bench_row *best(const struct bench_rows *rows, const struct bench_row *like,
                                    bool ours)
{
    const struct bench_row *found = NULL;
    for (size_t i = 0; i < rows->count; i++) {
        const struct bench_row *row = &rows->items[i];
        if (strcmp(row->workload, like->workload) != 0 || strcmp(row->point, like->point) != 0 ||
            !bench_row_is_measured(row) || bench_is_limit(row->contender) ||
            bench_is_ours(row->contender) != ours)
            continue;
        if (found == NULL || is_better(row, found))
            found = row;
    }
    return found;
}

/* At every point: is the best of flowrun ahead of the best of the others? */
static void judge_points(struct bench_verdicts *verdicts, const struct bench_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct bench_row *row = &rows->items[i];
        const bool is_first = i == 0 || strcmp(row->workload, row[-1].workload) != 0 ||
                              strcmp(row->point, row[-1].point) != 0;
        const struct bench_row *ours = is_first ? best(rows, row, true) : NULL;
        const struct bench_row *theirs = is_first ? best(rows, row, false) : NULL;
        if (ours == NULL || theirs == NULL)
            continue;
        const struct target target = {
            .workload = row->workload,
            .left = {row->point, ours->contender, ours->variant},
            .right = {row->point, theirs->contender, theirs->variant},
            .figure = row->figure == BENCH_DELAY ? P50 : RATE,
            .goal = row->figure == BENCH_DELAY ? AT_MOST : AT_LEAST,
            .value = 1,
        };
        judge(verdicts, rows, &target);
    }
}

struct bench_verdicts bench_targets_judge(const struct bench_rows *rows)
{
    struct bench_verdicts verdicts = {0};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        judge(&verdicts, rows, &targets[i]);
    judge_points(&verdicts, rows);
    return verdicts;
}

void bench_verdicts_clear(struct bench_verdicts *verdicts)
{
    for (size_t i = 0; i < verdicts->count; i++) {
        free(verdicts->items[i].what);
        free(verdicts->items[i].goal);
    }
    free(verdicts->items);
    *verdicts = (struct bench_verdicts){0};
}
