/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_ATTEMPT_H
#define SIMULATE_ATTEMPT_H

/* A run in the simulated machine, until it ends or everything dies: what control/run.c does, less
 * what belongs to the real machine. */

#include "control/supervise.h"
#include "record/memory.h"
#include "simulate/world.h"
#include "watch/board.h"

struct sim_attempt {
    const struct flow_plan *plan;
    const char *state; /* the state folder; NULL: no checkpoints */
    bool resumes;
    unsigned number; /* among those of its trial */
    char folder[32];
    struct flow_board board; /* outlives the run */
    struct flow_memory memory;
    uint64_t run_id;
    int stop_fd;
    /* What came of it. */
    enum sim_end end;
    enum flow_status rc;
    struct flow_outcome outcome;
    struct flow_error err;
};

/* Run it; `number` tells the attempts of a trial apart. */
void sim_attempt_run(struct sim_world *world, struct sim_attempt *attempt, unsigned number);
void sim_attempt_clear(struct sim_attempt *attempt);

#endif /* SIMULATE_ATTEMPT_H */
