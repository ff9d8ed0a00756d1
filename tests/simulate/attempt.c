/* SPDX-License-Identifier: MIT */
#include "simulate/attempt.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/standing.h"
#include "simulate/table.h"
#include "watch/report.h"
#include "watch/rows.h"

static void say(void *context, const char *line)
{
    (void)context;
    sim_say(sim_world, "log: %s", line);
}

static enum flow_status conclude(struct sim_attempt *attempt, struct flow_standing *standing,
                                 enum flow_status rc)
{
    if (rc == FLOW_OK && !attempt->outcome.held)
        rc = flow_ledger_check(attempt->plan, &attempt->board, &attempt->err);
    if (rc == FLOW_OK && standing->rounds != NULL && !attempt->outcome.held)
        rc = flow_rounds_close(standing->rounds, &attempt->err);
    return rc;
}

/* The coordinator's process. */
static void coordinate(void *context)
{
    struct sim_attempt *attempt = context;
    const struct flow_run_options options = {
        .stop_fd = attempt->stop_fd, .log = say, .resume = attempt->resumes};
    struct flow_standing standing = FLOW_STANDING_NONE;
    enum flow_status rc = flow_standing_open(attempt->plan, &options, &standing, &attempt->err);
    if (rc == FLOW_OK && !standing.done) {
        const struct flow_launch launch = {
            .plan = attempt->plan,
            .board = &attempt->board,
            .memory = attempt->memory.map != NULL ? &attempt->memory : NULL,
            .folder = attempt->folder,
            .run_id = attempt->run_id,
            .checkpoints = standing.rounds != NULL ? &standing.checkpoints : NULL,
            .rounds = standing.rounds,
            .job_fd = -1,
        };
        rc = flow_supervise(&launch, &options, &attempt->outcome, &attempt->err);
        rc = conclude(attempt, &standing, rc);
    }
    flow_standing_clear(&standing);
    attempt->rc = rc;
}

static void make_shared(struct sim_attempt *attempt)
{
    const struct flow_plan *plan = attempt->plan;
    const struct flow_board_size board = flow_board_size_of(plan);
    const struct flow_memory_size memory = {.links = plan->link_count,
                                            .arena_bytes = plan->arena_bytes};
    if (flow_board_new(&board, false, &attempt->board, NULL) != FLOW_OK ||
        (memory.arena_bytes > 0 && flow_memory_new(&memory, &attempt->memory, NULL) != FLOW_OK)) {
        fputs("simulate: no memory for a run\n", stderr);
        exit(70);
    }
}

static bool is_replaced(const void *plan, size_t group)
{
    return group == SIM_NURSERY || ((const struct flow_plan *)plan)->groups[group].recovers;
}

void sim_attempt_run(struct sim_world *world, struct sim_attempt *attempt, unsigned number)
{
    int ends[2];
    make_shared(attempt);
    if (!sim_channel_new(world, ends))
        exit(70);
    attempt->stop_fd = ends[0];
    world->stop_fd = ends[1];
    world->plan = attempt->plan;
    world->state = attempt->state;
    world->is_replaced = is_replaced;
    snprintf(attempt->folder, sizeof(attempt->folder), "sockets-%u", number);
    attempt->run_id = number + 1;
    (void)sim_process_new(world, SIM_COORDINATOR, coordinate, attempt);
    attempt->end = sim_world_run(world);
    if (attempt->end == SIM_DONE)
        sim_process_kill(world, world->coordinator, 0);
}

void sim_attempt_clear(struct sim_attempt *attempt)
{
    flow_memory_close(&attempt->memory);
    flow_board_close(&attempt->board);
}
