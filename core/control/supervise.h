/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_SUPERVISE_H
#define FLOW_CONTROL_SUPERVISE_H

/*
 * The coordinator of a run: starts all groups of a plan, takes them through the phases together,
 * and does not return before all of them are gone.  supervise.c opens with how.
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/launch.h"
#include "flowrun/run.h"

struct flow_outcome {
    bool opened;  /* all groups were ready, and were told to open their stages */
    bool stopped; /* somebody asked for a stop, and the run had not ended before */
    bool stuck;   /* threads of this process are left behind: what `launch` points to must stay */
    bool held;    /* it was stopped at a checkpoint, from which it can go on */
    unsigned went_back; /* so often it went back to its last checkpoint by itself */
    int64_t elapsed_ns; /* from START to the end; 0: never started */
};

/*
 * FLOW_OK: every group has ended well.  Else the first failure, in `err`; FLOW_EABORT: somebody
 * asked twice, or draining took too long.  `outcome` is set in any case.
 */
FLOW_NODISCARD enum flow_status flow_supervise(const struct flow_launch *launch,
                                               const struct flow_run_options *options,
                                               struct flow_outcome *outcome,
                                               struct flow_error *err);

#endif /* FLOW_CONTROL_SUPERVISE_H */
