/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_KEEP_H
#define FLOW_ENGINE_KEEP_H

/*
 * What a replica that may be replaced leaves to its successor: how far it was.
 *
 *     batches      … 17   18   19   20   21   22 │ 23            processed: up to 22
 *     results      ── arrived ─────────┤─ under way              acknowledged: up to 19
 *                              floor   begin
 *
 * After each batch a row goes to the board (watch/rows.h), which outlives the process: the counts
 * of the replica, and for each link how many records had been emitted for it.  The board also says
 * how many records the readers have had.  When they stand still, since the readers listen to the
 * successor only, the last row of which everything has arrived says which batch it begins with, and
 * what its books said then: nothing is done again of which a result is missing nowhere.
 *
 * What is acknowledged to the writer is what is known to have arrived; its row stays on the board
 * until there is a later one of that kind, so there is always one.  The ring has room for all that
 * the writer may have sent without an acknowledgement.
 *
 * A row has a stamp, which is taken away before it is written and put on it afterwards: so half a
 * row is none.
 *
 * Threads: the replica's own.
 */

#include "engine/output.h"
#include "watch/rows.h"

struct flow_keep {
    struct flow_host *host;
    const struct flow_output *output;
    struct flow_rows rows;
    uint64_t from;  /* batches below this one are not to be processed again */
    uint64_t first; /* the stamp of the first row that is written here */
    uint64_t base;  /* the stamp of batch 0, modulo 2^64 */
    bool begun;     /* ... which is known */
};

FLOW_NODISCARD enum flow_status flow_keep_init(struct flow_keep *keep, struct flow_host *host,
                                               const struct flow_output *output);

/*
 * The first process of an attempt: note what numbers are beyond what the board counts, and a row of
 * what that has counted so far.  A run that went back to a checkpoint begins with the counts of
 * that moment, and so does a successor of a process that died before its first batch was done.
 */
void flow_keep_base(const struct flow_keep *keep);

/* Batch `index` has been processed; `next` is the sequence that a successor would begin with. */
void flow_keep_note(struct flow_keep *keep, uint64_t index, uint64_t next);

/* All results up to those of batch `index` have arrived. */
void flow_keep_publish(struct flow_keep *keep, uint64_t index);

/* In a successor, when all readers have answered: set all counters back to what was kept, and
 * `from`. */
void flow_keep_restore(struct flow_keep *keep, struct flow_output *output);

#endif /* FLOW_ENGINE_KEEP_H */
