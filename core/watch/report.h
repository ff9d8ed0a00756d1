/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_REPORT_H
#define FLOW_WATCH_REPORT_H

/*
 * What is made of a board: the ledger (do the books balance?), the report at the end of a run, and
 * the progress of a run that is under way.
 *
 * Threads: any, at any time; but only the board of a run that has ended gives exact numbers, and
 * only such a one can be expected to balance.  Memory: texts returned are the caller's, free().
 */

#include <stdbool.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "flowrun/run.h"
#include "plan/plan.h"
#include "watch/board.h"

/*
 * Do the books of a run that came to its end balance?  For every
 *
 *   link     records and batches sent = received
 *   replica  records in = received on all its links = done + skipped + routed + failed
 *   port     of a replica: every edge that takes from it has sent + dropped the same number of
 *            records (an edge of share "all": on each of its links); summed over the ports that
 *            is what the replica has emitted, and on the errors port what it has routed.  Where an
 *            edge looks for its keys in the records, as many may be missing as had none.
 *
 * FLOW_EPROTO: they don't, and `err` names the first edge or stage that is off, with its numbers.
 * FLOW_ENOMEM.  A run that failed or was aborted has records under way and need not balance.
 */
FLOW_NODISCARD enum flow_status flow_ledger_check(const struct flow_plan *plan,
                                                  const struct flow_board *board,
                                                  struct flow_error *err);

/* What the board does not know of a run. */
struct flow_report_info {
    int64_t elapsed_ns;  /* from the start of the first stage to the end of the last; 0: none was */
    const char *status;  /* one word: "done", "failed", "stopped" (drained), "aborted" */
    const char *message; /* why it failed, one line; NULL: it did not */
    unsigned went_back;  /* so often it went back to its last checkpoint */
};

/* The report for people, several lines, the last one ends with a newline; NULL: no memory. */
char *flow_report_text(const struct flow_plan *plan, const struct flow_board *board,
                       const struct flow_report_info *info);

/* The same as one JSON object with a newline after it; docs/command-line.md lists its members. */
char *flow_report_json(const struct flow_plan *plan, const struct flow_board *board,
                       const struct flow_report_info *info);

/*
 * Progress: a sampler remembers the board as it was at the last call, so that rates are of late.
 * One owner; plan and board are borrowed.
 */
struct flow_sampler;

struct flow_sampler *flow_sampler_new(const struct flow_plan *plan, const struct flow_board *board,
                                      int64_t start_ns);
void flow_sampler_free(struct flow_sampler *sampler);

/* The run as it is at `now_ns`; progress->slowest is borrowed from the plan, NULL: nothing moved.
 */
void flow_sampler_take(struct flow_sampler *sampler, int64_t now_ns,
                       struct flow_progress *progress);

#endif /* FLOW_WATCH_REPORT_H */
