/* SPDX-License-Identifier: MIT */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

/*
 * How the driver tells a contender what to do:
 *
 *     CONTENDER WORKLOAD KEY=VALUE...
 *
 * One set of keys for all; a contender exits with 2 when it is asked for what it has not.
 */

#include <stdbool.h>
#include <stdlib.h>

#include "common/record.h"

struct bench_options {
    const char *workload; /* chain, broadcast, jobs, keyed, latency */
    const char *mode;     /* threads, processes, or whatever kinds of itself the contender has */
    const char *middle;   /* what the stages between do: copy, edit or pass */
    const char *read;     /* all: every byte is written and read; head: only the number */
    const char *order;    /* input or none, of parallel workers */
    uint64_t count;       /* records */
    uint64_t size;        /* of a record [bytes] */
    uint64_t stages;      /* of a chain, both ends included */
    uint64_t workers;     /* of the parallel stage */
    uint64_t readers;     /* of a broadcast */
    uint64_t rate;        /* of latency [records/s] */
    uint64_t keys;        /* how many differ */
    uint64_t steps, long_steps, every; /* see common/work.h */
};

static inline bool bench_option_word(struct bench_options *o, const char *key, size_t size,
                                     const char *value)
{
    const struct {
        const char *name;
        const char **field;
    } words[] = {
        {"mode", &o->mode}, {"middle", &o->middle}, {"read", &o->read}, {"order", &o->order}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].name) == size && strncmp(words[i].name, key, size) == 0) {
            *words[i].field = value;
            return true;
        }
    }
    return false;
}

static inline bool bench_option_number(struct bench_options *o, const char *key, size_t size,
                                       const char *value)
{
    const struct {
        const char *name;
        uint64_t *field;
    } numbers[] = {
        {"count", &o->count},     {"size", &o->size},       {"stages", &o->stages},
        {"workers", &o->workers}, {"readers", &o->readers}, {"rate", &o->rate},
        {"keys", &o->keys},       {"steps", &o->steps},     {"long_steps", &o->long_steps},
        {"every", &o->every},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strlen(numbers[i].name) == size && strncmp(numbers[i].name, key, size) == 0) {
            *numbers[i].field = strtoull(value, NULL, 10);
            return true;
        }
    }
    return false;
}

static inline bool bench_options_read(struct bench_options *o, int argc, char **argv)
{
    const struct bench_options defaults = {"",
                                           "threads",
                                           "copy",
                                           "all",
                                           "none",
                                           1000,
                                           100 /* bytes */,
                                           3 /* stages */,
                                           2,
                                           3,
                                           1000 /* records/s */,
                                           1000,
                                           100,
                                           100,
                                           0};
    *o = defaults;
    if (argc > 1)
        o->workload = argv[1];
    bool good = argc > 1;
    for (int i = 2; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        const size_t size = value != NULL ? (size_t)(value - argv[i]) : 0;
        good = good && value != NULL &&
               (bench_option_word(o, argv[i], size, value + 1) ||
                bench_option_number(o, argv[i], size, value + 1));
    }
    if (!good || o->size < BENCH_RECORD_MIN || o->stages < 2 || o->workers < 1 || o->rate < 1) {
        (void)fprintf(stderr, "usage: %s WORKLOAD [KEY=VALUE]...\n", argc > 0 ? argv[0] : "");
        return false;
    }
    return true;
}

static inline bool bench_is(const char *value, const char *word)
{
    return strcmp(value, word) == 0;
}

/* For a contender that has not got what it is asked for. */
static inline int bench_unknown(const struct bench_options *o)
{
    (void)fprintf(stderr, "no such workload here: %s, mode=%s, middle=%s, read=%s\n", o->workload,
                  o->mode, o->middle, o->read);
    return 2;
}

#endif /* BENCH_OPTIONS_H */
