/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_PLACE_H
#define FLOW_PLAN_PLACE_H

/*
 * On which CPUs replicas run.
 *
 * A stage with `cpus` has those: one for each replica in turn, or, where there are fewer of them
 * than replicas, all of them for every replica.
 *
 * `pin` deals the other replicas to the CPUs that no stage has asked for, or to all if none are
 * left.  The replicas are taken in the order of a walk through the graph that follows each stage
 * with its readers, and the CPUs cache by cache, so that neighbours in the graph end up under one
 * cache:
 *
 *     walk      read  words[0] words[1]  count  top  print
 *     compact   ├──────── cache 0 ────────┤ ├─ cache 1 ─┤     one cache full, then the next
 *     spread    ├─── cache 0 ────┤ ├─── cache 1 ──┤           all caches alike, by their CPUs
 *
 * Fused stages, which share a thread, are placed together; `cpus` that differ keep stages apart.
 *
 * Under a cache each core is used once before the second threads of cores are.  With more replicas
 * than CPUs, each gets all CPUs of its cache, in shares as for "spread".
 */

#include "plan/plan.h"

/* Fill in the CPUs of all replicas of a wired plan; nothing if !flow_plan_places.  FLOW_ENOMEM;
 * FLOW_EINVAL: there is no topology; FLOW_ERANGE: a CPU that cannot be had. */
FLOW_NODISCARD enum flow_status flow_plan_place(struct flow_plan *plan,
                                                const struct flow_topology *topology,
                                                struct flow_error *err);

/* "0-3,6" */
void flow_cpus_add(struct flow_str *out, const uint32_t *cpus, size_t count);

#endif /* FLOW_PLAN_PLACE_H */
