/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_KEEP_H
#define FLOW_ENGINE_KEEP_H

/*
 * What a replica that may be replaced leaves to its successor: how far it was.
 *
 *     batches      … 17   18   19 │ 20   21   22 │ 23            processed: up to 22
 *     results      ── arrived ────┤── under way ─┤               acknowledged: up to 19
 *                              kept                              the successor begins at 20
 *
 * After each batch a row is noted: the counts of the replica, and for each link how many records
 * had been emitted for it.  When all results up to a batch have arrived, and before its writer is
 * told and lets go of it, its row goes to the board.  So a successor knows which batch it begins
 * with, what its books said then, and at which record of each link it stands; the board also says
 * how many records the readers have had.  Two rows are kept there in turn, so that one is whole
 * whenever the process dies.
 *
 * Threads: the replica's own.
 */

#include "engine/output.h"

struct flow_keep {
    struct flow_host *host;
    const struct flow_output *output;
    uint64_t from; /* batches below this one have been acknowledged by a former process */
    size_t stride; /* words in a row */
    uint64_t *rows;
    uint64_t mask;
};

FLOW_NODISCARD enum flow_status flow_keep_init(struct flow_keep *keep, struct flow_host *host,
                                               const struct flow_output *output);
void flow_keep_clear(struct flow_keep *keep);

/* The first process of an attempt: note what numbers are beyond what the board counts. */
void flow_keep_base(const struct flow_keep *keep);

/* Batch `index` has been processed, of those since `acked` that are not acknowledged; `next` is the
 * sequence that a successor would begin with. */
FLOW_NODISCARD enum flow_status flow_keep_note(struct flow_keep *keep, uint64_t acked,
                                               uint64_t index, uint64_t next);

/* All results up to those of batch `index` have arrived. */
void flow_keep_publish(struct flow_keep *keep, uint64_t index);

/* In a successor: set all counters back to what was kept, and `from`. */
void flow_keep_restore(struct flow_keep *keep, struct flow_output *output);

#endif /* FLOW_ENGINE_KEEP_H */
