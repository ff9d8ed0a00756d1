/* SPDX-License-Identifier: MIT */
#ifndef BENCH_DELAY_H
#define BENCH_DELAY_H

/*
 * One-way latency.  A stamped record carries in its second word when it was emitted and in its
 * third when it was due, both by CLOCK_MONOTONIC, which all processes of a machine share.  The end
 * keeps every delay, and sorts them when all have come: nothing is rounded or lost in buckets.
 *
 * A producer that is late emits all that is due, each with a stamp of its own.  The delay from the
 * stamp tells what the way costs; that from the due time also what the producer was held up.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "common/record.h"

static inline int64_t bench_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void bench_stamp(void *record, int64_t due)
{
    bench_set_word(record, 1, (uint64_t)bench_now());
    bench_set_word(record, 2, (uint64_t)due);
}

struct bench_delays {
    int64_t *from_stamp, *from_due; /* [ns] */
    size_t count, capacity;
    struct bench_tally tally; /* without the two times */
};

static inline bool bench_delays_add(struct bench_delays *d, const void *record, size_t size)
{
    const int64_t now = bench_now();
    if (d->count == d->capacity) {
        const size_t capacity = d->capacity > 0 ? d->capacity * 2 : 65536;
        void *stamps = realloc(d->from_stamp, capacity * sizeof(*d->from_stamp));
        if (stamps != NULL)
            d->from_stamp = (int64_t *)stamps;
        void *dues = realloc(d->from_due, capacity * sizeof(*d->from_due));
        if (dues != NULL)
            d->from_due = (int64_t *)dues;
        if (stamps == NULL || dues == NULL)
            return false;
        d->capacity = capacity;
    }
    d->from_stamp[d->count] = now - (int64_t)bench_word(record, 1);
    d->from_due[d->count++] = now - (int64_t)bench_word(record, 2);
    bench_tally_add(&d->tally, record, size);
    d->tally.sum -= bench_word(record, 1) + bench_word(record, 2);
    return true;
}

static inline int bench_compare_delays(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a;
    const int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* The delay that `share` of the sorted ones do not exceed. */
static inline int64_t bench_quantile(const int64_t *sorted, size_t count, double share)
{
    const size_t at = (size_t)(share * (double)count);
    return count == 0 ? 0 : sorted[at < count ? at : count - 1];
}

static inline void bench_delays_print(struct bench_delays *d)
{
    char text[256];
    if (d->count > 0) {
        qsort(d->from_stamp, d->count, sizeof(*d->from_stamp), bench_compare_delays);
        qsort(d->from_due, d->count, sizeof(*d->from_due), bench_compare_delays);
    }
    (void)bench_tally_text(&d->tally, text, sizeof(text));
    (void)printf(
        "%s, \"p50\": %" PRId64 ", \"p99\": %" PRId64 ", \"p999\": %" PRId64
        ", \"due_p50\": %" PRId64 ", \"due_p99\": %" PRId64 ", \"due_p999\": %" PRId64 "}\n",
        text, bench_quantile(d->from_stamp, d->count, 0.5),
        bench_quantile(d->from_stamp, d->count, 0.99),
        bench_quantile(d->from_stamp, d->count, 0.999), bench_quantile(d->from_due, d->count, 0.5),
        bench_quantile(d->from_due, d->count, 0.99), bench_quantile(d->from_due, d->count, 0.999));
    (void)fflush(stdout);
}

static inline void bench_delays_clear(struct bench_delays *d)
{
    free(d->from_stamp);
    free(d->from_due);
}

#endif /* BENCH_DELAY_H */
