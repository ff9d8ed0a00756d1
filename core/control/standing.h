/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_STANDING_H
#define FLOW_CONTROL_STANDING_H

/*
 * Where a run stands when it begins: its state folder, and the checkpoint that it goes on from.
 *
 * Threads: one owner.  Memory: starts as FLOW_STANDING_NONE; flow_standing_clear releases all.
 */

#include "control/rounds.h"
#include "engine/epochs.h"
#include "flowrun/run.h"

struct flow_standing {
    struct flow_state state; /* path NULL: the run takes no checkpoints */
    struct flow_manifest head, from;
    struct flow_checkpoints checkpoints;
    struct flow_rounds *rounds;
    bool done; /* the run that is to go on has ended, and well: there is nothing to do */
};

#define FLOW_STANDING_NONE                                                                         \
    {                                                                                              \
        .state = FLOW_STATE_NONE                                                                   \
    }

/*
 * Open the state folder that the plan's graph names, if it takes checkpoints.  With
 * options->resume the run goes on from the newest checkpoint, or begins anew if there is none;
 * without, a folder with a run that could go on is refused.  What people should know goes to
 * options->log.  FLOW_EINVAL: it is of another graph, or could still go on; FLOW_EIO, FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_standing_open(const struct flow_plan *plan,
                                                   const struct flow_run_options *options,
                                                   struct flow_standing *standing,
                                                   struct flow_error *err);

/*
 * In a run under way, of which no process is left: be where it was at its last checkpoint, with
 * rounds of its own.  FLOW_EIO: that is damaged, or processes are there yet; FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_standing_go_back(const struct flow_plan *plan,
                                                      struct flow_standing *standing,
                                                      struct flow_error *err);
void flow_standing_clear(struct flow_standing *standing);

#endif /* FLOW_CONTROL_STANDING_H */
