/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

/* A steady rate: record i is due i / rate seconds after the start. */

#include <errno.h>

#include "common/delay.h"

static inline int64_t bench_due(int64_t start, uint64_t number, uint64_t rate)
{
    return start + (int64_t)(number * 1000000000 / rate);
}

static inline void bench_pause_until(int64_t due)
{
    const struct timespec at = {.tv_sec = (time_t)(due / 1000000000),
                                .tv_nsec = (long)(due % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

#endif /* BENCH_PACE_H */
