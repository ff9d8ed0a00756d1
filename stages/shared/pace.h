/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_PACE_H
#define FLOW_STAGES_PACE_H

/* The clock that stages pace themselves by: nanoseconds that only go forward. */

#include <stdint.h>
#include <time.h>

#define FLOW_SECOND ((int64_t)1000000000)

static inline int64_t flow_pace_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * FLOW_SECOND + now.tv_nsec;
}

#endif /* FLOW_STAGES_PACE_H */
