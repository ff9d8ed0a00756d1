/* SPDX-License-Identifier: MIT */
#ifndef FLOW_MACHINE_TOPOLOGY_H
#define FLOW_MACHINE_TOPOLOGY_H

/*
 * The CPUs of the machine and what they share, as plain data.  It is filled in here alone, through
 * hwloc, which is optional; the plan only reads it, so a test can give it any machine.
 *
 * Threads: none of its own.  Memory: flow_topology_clear releases what flow_topology_load made.
 */

#include <stddef.h>
#include <stdint.h>

#include "flowrun/error.h"

enum flow_cpu_state {
    FLOW_CPU_USABLE,
    FLOW_CPU_FORBIDDEN, /* by a cpuset or the affinity of this process */
    FLOW_CPU_OFFLINE,
};

/* Two CPUs share what has the same number in both. */
struct flow_cpu {
    uint32_t number; /* the kernel's, as in /proc/cpuinfo and taskset */
    uint32_t node;   /* of NUMA, the kernel's number too */
    uint32_t cache;  /* the largest cache that several cores share, else the package */
    uint32_t core;
    uint32_t thread; /* among the threads of its core, from 0 */
    enum flow_cpu_state state;
};

struct flow_topology {
    struct flow_cpu *cpus; /* by number, ascending */
    size_t count;
};

/* FLOW_EIO: built without hwloc, or hwloc cannot tell; FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_topology_load(struct flow_topology *topology,
                                                   struct flow_error *err);
void flow_topology_clear(struct flow_topology *topology);

#endif /* FLOW_MACHINE_TOPOLOGY_H */
