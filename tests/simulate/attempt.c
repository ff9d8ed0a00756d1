/* SPDX-License-Identifier: MIT */
#include "simulate/attempt.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "control/standing.h"
#include "plan/delivery.h"
#include "simulate/table.h"
#include "watch/cut.h"
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

/* What the processes share but the board, which a run that goes back makes anew. */
static bool furnish(struct sim_attempt *attempt)
{
    const struct flow_memory_size memory = {.links = attempt->plan->link_count,
                                            .arena_bytes = attempt->plan->arena_bytes};
    snprintf(attempt->folder, sizeof(attempt->folder), "sockets-%u-%u", attempt->number,
             attempt->outcome.went_back);
    flow_memory_close(&attempt->memory);
    return memory.arena_bytes == 0 || flow_memory_new(&memory, &attempt->memory, NULL) == FLOW_OK;
}

struct coordinator {
    struct sim_attempt *attempt;
    struct flow_standing standing;
    struct flow_launch launch;
};

/* As in control/run.c. */
static enum flow_status renew(void *context, int64_t died_ns, struct flow_error *err)
{
    struct coordinator *self = context;
    struct sim_attempt *attempt = self->attempt;
    const enum flow_status rc = flow_standing_go_back(attempt->plan, &self->standing, err);
    if (rc != FLOW_OK)
        return rc;
    flow_cut_restore(attempt->plan, &attempt->board, self->standing.from.epoch, died_ns,
                     flow_now_ns());
    self->launch.rounds = self->standing.rounds;
    return furnish(attempt) ? FLOW_OK : flow_fail(err, FLOW_ENOMEM, "no memory to go back");
}

static enum flow_status supervise(struct coordinator *self, const struct flow_run_options *options)
{
    size_t stage;
    struct sim_attempt *attempt = self->attempt;
    const bool saves = self->standing.rounds != NULL;
    self->launch = (struct flow_launch){
        .plan = attempt->plan,
        .board = &attempt->board,
        .memory = attempt->memory.map != NULL ? &attempt->memory : NULL,
        .folder = attempt->folder,
        .run_id = attempt->run_id,
        .checkpoints = saves ? &self->standing.checkpoints : NULL,
        .rounds = self->standing.rounds,
        .job_fd = -1,
        .renew = saves ? renew : NULL,
        .context = self,
    };
    enum flow_status rc =
        flow_delivery_way_back(attempt->plan, &stage, &self->launch.no_way_back, &attempt->err);
    if (rc == FLOW_OK)
        rc = flow_supervise(&self->launch, options, &attempt->outcome, &attempt->err);
    return conclude(attempt, &self->standing, rc);
}

/* The coordinator's process. */
static void coordinate(void *context)
{
    struct sim_attempt *attempt = context;
    const struct flow_run_options options = {
        .stop_fd = attempt->stop_fd, .log = say, .resume = attempt->resumes};
    struct coordinator self = {.attempt = attempt, .standing = FLOW_STANDING_NONE};
    enum flow_status rc =
        flow_standing_open(attempt->plan, &options, &self.standing, &attempt->err);
    if (rc == FLOW_OK && !self.standing.done)
        rc = supervise(&self, &options);
    flow_standing_clear(&self.standing);
    attempt->rc = rc;
}

static void make_shared(struct sim_attempt *attempt)
{
    const struct flow_board_size board = flow_board_size_of(attempt->plan);
    if (flow_board_new(&board, false, &attempt->board, NULL) != FLOW_OK || !furnish(attempt)) {
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
    attempt->number = number;
    make_shared(attempt);
    if (!sim_channel_new(world, ends))
        exit(70);
    attempt->stop_fd = ends[0];
    world->stop_fd = ends[1];
    world->plan = attempt->plan;
    world->state = attempt->state;
    world->is_replaced = is_replaced;
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
