/* SPDX-License-Identifier: MIT */
#include "random/stages.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS 2000 /* so that it is mostly at work */

/* rt.stamp: "TEXT" becomes "TEXT REPLICA PID", so that it can be seen whose each record is. */

static enum flow_status stamp(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    char text[256];
    struct timespec start, now;
    (void)self;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < SPIN_NS);
    const int size =
        snprintf(text, sizeof(text), "%.*s %u %ld", (int)record->size, (const char *)record->data,
                 flow_stage_info(stage)->replica, (long)getpid());
    if (size >= (int)sizeof(text))
        return flow_reject(stage, "too long to be stamped");
    return flow_emit(stage, text, (size_t)size);
}

const struct flow_stage_type rt_stamp_type = {
    .name = "rt.stamp",
    .help = "adds replica and process to each record",
    .role = FLOW_WORKER,
    .process = stamp,
};
