/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BASE_CLOCK_H
#define FLOW_BASE_CLOCK_H

#include <stdint.h>

/* Monotonic time [ns] since an arbitrary start. */
int64_t flow_now_ns(void);

/* CPU time of the calling thread [ns]. */
int64_t flow_thread_cpu_ns(void);

/* How long the calling thread could have run, but others had the CPUs [ns]; 0 also where the kernel
 * keeps no account of that. */
int64_t flow_thread_ready_ns(void);

#endif /* FLOW_BASE_CLOCK_H */
