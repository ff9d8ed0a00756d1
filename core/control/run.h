/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_RUN_H
#define FLOW_CONTROL_RUN_H

#include "flowrun/run.h"
#include "plan/plan.h"
#include "watch/board.h"

/* Somebody who wants to see what a run has counted, and not only its report. */
struct flow_observer {
    void *context;
    /* Once, if the run came to opening its stages; all are gone. */
    void (*ended)(void *context, const struct flow_plan *plan, const struct flow_board *board,
                  int64_t elapsed_ns);
};

/* As flow_run; `observer` may be NULL. */
FLOW_NODISCARD enum flow_status flow_run_observed(struct flow_session *session,
                                                  const struct flow_graph *graph,
                                                  const struct flow_run_options *options,
                                                  const struct flow_observer *observer,
                                                  struct flow_run_result *result,
                                                  struct flow_error *err);

#endif /* FLOW_CONTROL_RUN_H */
