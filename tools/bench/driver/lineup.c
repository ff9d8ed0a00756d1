/* SPDX-License-Identifier: MIT */
#include "driver/lineup.h"

#include "driver/alloc.h"
#include "driver/contenders.h"
#include "driver/words.h"

#define SHORT_JOB_NS 10000
#define LONG_JOB_NS 1000000
#define TINY_JOB_NS 1000
#define LEAST_JOB_NS 200

const struct bench_workload bench_workloads[] = {
    {"chain", "Three stages in a row",
     "A producer writes records, a worker copies them (or edits them, or passes them on), a "
     "consumer "
     "adds up every byte. \"Per record\": the stages are called for every record instead of every "
     "batch."},
    {"large", "Large records that nobody reads",
     "The same, but only the first word of a record is written and read, and the worker passes it "
     "on: where nothing is copied, the rate does not depend on the size."},
    {"broadcast", "A broadcast to three", "Records of 100 bytes, each read by three consumers."},
    {"jobs", "Skewed jobs for two workers",
     "Jobs of about 10 µs, one in a hundred of 1 ms, for two workers, in any order. The even split "
     "is two threads that were given equal halves of both kinds beforehand: the ideal."},
    {"ordered", "Ordered results of two workers",
     "Jobs of about 1 µs for two workers, whose results are read in the order of the jobs. The "
     "even "
     "split is as above."},
    {"keyed", "Counting a million keys",
     "Records with one of 1,000,000 keys go to two counters by their key; each key and its count "
     "is "
     "emitted at the end. The hand-written loop counts in one thread."},
    {"latency", "One-way latency through three stages",
     "Records of 100 bytes at a steady rate, from the stamp that the producer gives them to the "
     "consumer, by way of a worker that copies. A producer that is late sends all that is due."},
    {"startup", "Starting up",
     "One record through a chain: from the start of the program to its end, and its memory."},
    {"stages", "Longer chains", "Records of 100 bytes that every stage copies."},
    {"workers", "More workers",
     "Jobs of about 0.2 µs for 1 to 64 workers, in any order: what dealing out and collecting "
     "costs."},
    {"wordcount", "Counting words",
     "The twenty most frequent words of a generated text (see tools/bench/contenders/text.c), two "
     "workers; from the start of the program to its end, reading included."},
};
const size_t bench_workload_count = sizeof(bench_workloads) / sizeof(bench_workloads[0]);

/* A point of a workload, for all contenders that have it. */
struct point {
    const char *workload; /* as in bench_workloads */
    const char *name;
    struct bench_options options;
    enum bench_figure figure;
    unsigned kinds; /* enum bench_kind */
    const char *variant;
    bool each;
    bool is_ordered, is_whole;
    bool is_large; /* too many stages for a process each */
    unsigned ends;
    uint64_t count; /* 0: chosen by the time it takes; so also for Python, which is too slow */
};

static struct bench_options defaults(const char *workload)
{
    return (struct bench_options){
        .workload = workload,
        .mode = "threads",
        .middle = "copy",
        .read = "all",
        .order = "none",
        .size = 100,
        .stages = 3,
        .workers = 2,
        .readers = 3,
        .rate = 1000,
        .keys = 1000000,
    };
}

static bool is_asked_for(const struct bench_setup *setup, const char *workload,
                         const char *contender)
{
    return (setup->only == NULL || bench_is(setup->only, workload)) &&
           (setup->contenders == NULL || strstr(contender, setup->contenders) != NULL);
}

static void add_row(const struct bench_setup *setup, struct bench_rows *rows,
                    const struct point *point, const struct bench_contender *contender)
{
    struct bench_row *row = bench_rows_add(rows);
    const uint64_t fit = contender->start * 100 / point->options.size;
    row->workload = point->workload;
    row->point = point->name;
    row->contender = contender->name;
    row->variant = point->variant;
    row->figure = point->figure;
    row->options = point->options;
    row->ends = point->ends;
    row->is_ordered = point->is_ordered;
    row->is_whole = point->is_whole;
    row->start = (fit > 0 ? fit : 1) * 3 / point->options.stages + 1;
    if (contender->kind != BENCH_PYTHON || point->figure == BENCH_DELAY)
        row->count = point->count;
    if (row->count > 0 && !point->is_whole)
        row->small = row->count / 32;
    row->sample_tree = point->figure == BENCH_START;
    bench_contender_call(contender, setup, row, point->each);
}

static void add_point(const struct bench_setup *setup, struct bench_rows *rows,
                      const struct point *point)
{
    for (size_t i = 0; i < bench_contender_count; i++) {
        const struct bench_contender *contender = &bench_contenders[i];
        if ((contender->kind & point->kinds) != 0 &&
            bench_contender_does(contender, point->options.workload) &&
            is_asked_for(setup, point->workload, contender->name) &&
            !(point->is_large && bench_is(contender->mode, "processes")))
            add_row(setup, rows, point, contender);
    }
}

static void add_chain_size(const struct bench_setup *setup, struct bench_rows *rows,
                           const char *name, uint64_t size)
{
    const unsigned hand = BENCH_OURS | BENCH_LIMIT;
    struct point point = {.workload = "chain",
                          .name = name,
                          .options = defaults("chain"),
                          .kinds = BENCH_ALL,
                          .variant = "copy",
                          .is_ordered = true,
                          .ends = 1};
    point.options.size = size;
    add_point(setup, rows, &point);
    point.variant = "copy, per record";
    point.each = true;
    point.kinds = BENCH_OURS;
    if (size <= 100)
        add_point(setup, rows, &point);
    point.each = false;
    point.variant = point.options.middle = "edit";
    point.kinds = hand;
    if (size <= 1024)
        add_point(setup, rows, &point);
    point.variant = point.options.middle = "pass";
    point.kinds = hand | BENCH_NAIVE;
    if (size >= 65536)
        add_point(setup, rows, &point);
}

static void add_chain(const struct bench_setup *setup, struct bench_rows *rows)
{
    add_chain_size(setup, rows, "16 B", 16);
    add_chain_size(setup, rows, "100 B", 100);
    add_chain_size(setup, rows, "1 KiB", 1024);
    add_chain_size(setup, rows, "64 KiB", 65536);
    add_chain_size(setup, rows, "1 MiB", 1048576);
}

static void add_large(const struct bench_setup *setup, struct bench_rows *rows)
{
    static const struct {
        const char *name;
        uint64_t size;
    } sizes[] = {{"64 KiB", 65536}, {"1 MiB", 1048576}, {"4 MiB", 4194304}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct point point = {.workload = "large",
                              .name = sizes[i].name,
                              .options = defaults("chain"),
                              .kinds = BENCH_OURS | BENCH_NAIVE | BENCH_LIMIT,
                              .variant = "pass",
                              .is_ordered = true,
                              .ends = 1};
        point.options.size = sizes[i].size;
        point.options.middle = "pass";
        point.options.read = "head";
        add_point(setup, rows, &point);
    }
}

static void add_broadcast(const struct bench_setup *setup, struct bench_rows *rows)
{
    const struct point point = {.workload = "broadcast",
                                .name = "100 B",
                                .options = defaults("broadcast"),
                                .kinds = BENCH_ALL,
                                .variant = "",
                                .is_ordered = true,
                                .ends = 3};
    add_point(setup, rows, &point);
}

static uint64_t steps_of(const struct bench_setup *setup, double ns)
{
    return (uint64_t)(ns / setup->step_ns) + 1;
}

static void add_jobs(const struct bench_setup *setup, struct bench_rows *rows)
{
    struct point point = {.workload = "jobs",
                          .name = "10 µs",
                          .options = defaults("jobs"),
                          .kinds = BENCH_ALL,
                          .variant = "",
                          .ends = 1,
                          .is_whole = true,
                          .count = setup->is_quick ? 2000 : 100000};
    point.options.steps = steps_of(setup, SHORT_JOB_NS);
    point.options.long_steps = steps_of(setup, LONG_JOB_NS);
    point.options.every = 100;
    add_point(setup, rows, &point);
}

static void add_ordered(const struct bench_setup *setup, struct bench_rows *rows)
{
    struct point point = {.workload = "ordered",
                          .name = "1 µs",
                          .options = defaults("jobs"),
                          .kinds = BENCH_ALL,
                          .variant = "",
                          .is_ordered = true,
                          .ends = 1};
    point.options.order = "input";
    point.options.steps = steps_of(setup, TINY_JOB_NS);
    add_point(setup, rows, &point);
}

static void add_keyed(const struct bench_setup *setup, struct bench_rows *rows)
{
    struct point point = {.workload = "keyed",
                          .name = "1 M keys",
                          .options = defaults("keyed"),
                          .kinds = BENCH_ALL,
                          .variant = "",
                          .is_whole = true,
                          .ends = 1,
                          .count = setup->is_quick ? 20000 : 4000000};
    add_point(setup, rows, &point);
}

static void add_latency(const struct bench_setup *setup, struct bench_rows *rows)
{
    static const struct {
        const char *name;
        uint64_t rate;
    } rates[] = {{"1,000/s", 1000}, {"100,000/s", 100000}};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct point point = {.workload = "latency",
                              .name = rates[i].name,
                              .options = defaults("latency"),
                              .figure = BENCH_DELAY,
                              .kinds = BENCH_ALL,
                              .variant = "",
                              .is_whole = true,
                              .ends = 1};
        point.options.rate = rates[i].rate;
        point.count = setup->is_quick ? rates[i].rate / 20 : rates[i].rate * 2;
        add_point(setup, rows, &point);
    }
}

static void add_startup(const struct bench_setup *setup, struct bench_rows *rows)
{
    static const struct {
        const char *name;
        uint64_t stages;
    } lengths[] = {{"10 stages", 10}, {"100 stages", 100}, {"1,000 stages", 1000}};
    const size_t count = setup->is_quick ? 1 : sizeof(lengths) / sizeof(lengths[0]);
    for (size_t i = 0; i < count; i++) {
        struct point point = {.workload = "startup",
                              .name = lengths[i].name,
                              .options = defaults("chain"),
                              .figure = BENCH_START,
                              .kinds = BENCH_OURS | BENCH_NAIVE | BENCH_LIMIT,
                              .variant = "",
                              .is_whole = true,
                              .ends = 1,
                              .count = 1};
        point.options.stages = lengths[i].stages;
        add_point(setup, rows, &point);
    }
}

static void add_stages(const struct bench_setup *setup, struct bench_rows *rows)
{
    static const struct {
        const char *name;
        uint64_t stages;
    } lengths[] = {{"3 stages", 3}, {"10 stages", 10}, {"100 stages", 100}, {"1,000 stages", 1000}};
    const size_t count = setup->is_quick ? 2 : sizeof(lengths) / sizeof(lengths[0]);
    for (size_t i = 0; i < count; i++) {
        struct point point = {.workload = "stages",
                              .name = lengths[i].name,
                              .options = defaults("chain"),
                              .figure = BENCH_CHAIN,
                              .kinds = BENCH_OURS | BENCH_NAIVE | BENCH_LIMIT,
                              .variant = "copy",
                              .is_ordered = true,
                              .ends = 1};
        point.options.stages = lengths[i].stages;
        point.is_large = lengths[i].stages > 100;
        add_point(setup, rows, &point);
    }
}

static void add_workers(const struct bench_setup *setup, struct bench_rows *rows)
{
    static const struct {
        const char *name;
        uint64_t workers;
    } widths[] = {{"1 worker", 1},    {"2 workers", 2},   {"4 workers", 4},  {"8 workers", 8},
                  {"16 workers", 16}, {"32 workers", 32}, {"64 workers", 64}};
    const size_t count = setup->is_quick ? 2 : sizeof(widths) / sizeof(widths[0]);
    for (size_t i = 0; i < count; i++) {
        struct point point = {.workload = "workers",
                              .name = widths[i].name,
                              .options = defaults("jobs"),
                              .kinds = BENCH_OURS | BENCH_NAIVE | BENCH_LIMIT,
                              .variant = "",
                              .ends = 1};
        point.options.workers = widths[i].workers;
        point.options.steps = steps_of(setup, LEAST_JOB_NS);
        add_point(setup, rows, &point);
    }
}

static void add_wordcount(const struct bench_setup *setup, struct bench_rows *rows)
{
    if (setup->only == NULL || bench_is(setup->only, "wordcount"))
        bench_words_add(setup, rows);
}

void bench_lineup(const struct bench_setup *setup, struct bench_rows *rows)
{
    add_chain(setup, rows);
    add_large(setup, rows);
    add_broadcast(setup, rows);
    add_jobs(setup, rows);
    add_ordered(setup, rows);
    add_keyed(setup, rows);
    add_latency(setup, rows);
    add_startup(setup, rows);
    add_stages(setup, rows);
    add_workers(setup, rows);
    add_wordcount(setup, rows);
}
