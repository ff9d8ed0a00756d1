/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_MEMORY_H
#define FLOW_CONTROL_MEMORY_H

#include <stdint.h>

/*
 * The peak resident set of this process [bytes]; 0: the system does not say.  It is the kernel's
 * VmHWM, which begins anew with each program; getrusage's ru_maxrss begins, in a program that was
 * spawned, with what its parent had.
 */
uint64_t flow_peak_memory(void);

#endif /* FLOW_CONTROL_MEMORY_H */
