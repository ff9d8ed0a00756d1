/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_BOUNDS_H
#define FLOW_PLAN_BOUNDS_H

/*
 * How large batches are, what every link may have outstanding, and what a run takes at most.
 *
 * Bytes in flight.  With b = plan->batch_bytes, and for records that fit into a batch,
 *
 *     flight = sum over links     of min(batches * b, bytes + b),
 *                                 and, if the link is remote, of min(8 * batches * b, held + b)
 *            + sum over replicas  of b for each open batch, b for the batch in hand,
 *                                 and min(64 * b, bytes + b) for each queue that drops its oldest
 *
 * A batch is sent while less than `bytes` are outstanding, so the last may go over by its own size.
 * The writer of a remote link holds a copy of what its reader has not acknowledged, up to twice the
 * bytes.  A replica fills one batch for each edge out of it, or, where the edge shares by key, one
 * for each reader; the batch in hand has left its link but is still being read, and may be a copy
 * that is edited.  An edge that drops its oldest records keeps as much again waiting in front of
 * its links: for each reader, or, where the readers share by balance, once.  Fused stages have no
 * link: their batch is handed over by a call, and only the open one counts.  A record larger than a
 * batch travels as a batch of its own and adds its size to this sum; a link may have up to 32 MiB
 * of such records, between processes 8 MiB, and all links of a run together about 256 MiB, unless
 * run.memory or the edge's queue says otherwise.
 *
 * Shared memory.  What a replica sends to other processes lies in an arena of its own, which has
 * room for everything that the formula counts for its remote links and open batches, and
 * FLOW_PLAN_ARENA_SPARE more (at most `run.memory`) for records larger than a batch.  Only what was
 * written takes memory, and what is written there is what the formula counts as held copies.
 *
 * `run.memory` is a bound for that sum.  Where the usual figures exceed it, batches and the bytes
 * of all links shrink together, links never below FLOW_PLAN_MIN_BATCH or what the graph gave them.
 * Without `run.memory` the plan aims at FLOW_PLAN_USUAL_MEMORY, or at half of what can be had where
 * that is less, in the same way, but does not insist.
 */

#include "plan/plan.h"

#define FLOW_PLAN_LOCAL_BATCH ((uint32_t)64 << 10)
#define FLOW_PLAN_REMOTE_BATCH ((uint32_t)256 << 10)
#define FLOW_PLAN_FUSED_BATCH ((uint32_t)64 << 10)
#define FLOW_PLAN_MIN_BATCH ((uint32_t)4 << 10)
#define FLOW_PLAN_MAX_BATCH_RECORDS 8192u
#define FLOW_PLAN_MERGE_BYTES ((uint64_t)4 << 20)
#define FLOW_PLAN_USUAL_MEMORY ((uint64_t)1 << 30)
#define FLOW_PLAN_ARENA_SPARE ((uint64_t)64 << 20)
#define FLOW_PLAN_ARENA_GRAIN ((uint64_t)64 << 10) /* arenas are multiples: the largest page */

/* Choose the batches and credits of a wired plan.  FLOW_ENOMEM; FLOW_ERANGE: run.memory is too
 * small. */
FLOW_NODISCARD enum flow_status flow_plan_bound(struct flow_plan *plan, struct flow_error *err);

#endif /* FLOW_PLAN_BOUNDS_H */
