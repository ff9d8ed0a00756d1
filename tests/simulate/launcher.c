/* SPDX-License-Identifier: MIT */

/*
 * The launcher of simulated processes, in place of control/launch_process.c: what it starts does
 * what control/worker.c does, but for reading the graph again.
 */

#include <signal.h>
#include <stdlib.h>

#include "control/channel.h"
#include "control/launch.h"
#include "control/member.h"
#include "simulate/table.h"

/* What the process knows, beside the plan; in memory that outlives it. */
struct body {
    struct flow_launch launch;
    size_t group;
    int fd;
    uint64_t session;
};

struct held {
    struct flow_manifest from;
    struct flow_checkpoints checkpoints;
    int state_fd;
};

static enum flow_status join_state(const struct body *body, struct held *held,
                                   struct flow_error *err)
{
    if (body->launch.checkpoints == NULL)
        return FLOW_OK;
    enum flow_status rc = flow_state_join(sim_world->state, &held->state_fd, err);
    if (rc == FLOW_OK && body->session != 0)
        rc = flow_state_read(held->state_fd, body->session, &held->from, err);
    held->checkpoints = (struct flow_checkpoints){
        .folder = held->state_fd,
        .disk = &flow_disk_real,
        .from = body->session != 0 ? &held->from : NULL,
    };
    return rc;
}

static void process_main(void *context)
{
    const struct body body = *(const struct body *)context;
    sim_own_free(context);
    struct held held = {.state_fd = -1};
    struct flow_error error = {0};
    if (join_state(&body, &held, &error) != FLOW_OK) {
        (void)flow_channel_send(body.fd, FLOW_SAY_FAILED, error.status, error.text);
        (void)flow_channel_send(body.fd, FLOW_SAY_ENDED, FLOW_OK, NULL);
        return;
    }
    const struct flow_member_options options = {
        .plan = body.launch.plan,
        .group = body.group,
        .board = body.launch.board,
        .memory = body.launch.memory,
        .folder = body.launch.folder,
        .run_id = body.launch.run_id,
        .checkpoints = body.launch.checkpoints != NULL ? &held.checkpoints : NULL,
        .fd = body.fd,
    };
    (void)flow_member_serve(&options);
}

static enum flow_status start(const struct flow_launch *launch, struct flow_crew *crew,
                              struct flow_error *err)
{
    int ends[2];
    const enum flow_status rc = flow_channel_new(ends, err);
    if (rc != FLOW_OK)
        return rc;
    struct body *body = sim_own_alloc(sizeof(*body));
    *body = (struct body){.launch = *launch, .group = crew->group, .fd = ends[1]};
    if (launch->checkpoints != NULL && launch->checkpoints->from != NULL)
        body->session = launch->checkpoints->from->epoch;
    struct sim_process *process = sim_process_new(sim_world, crew->group, process_main, body);
    sim_fd_pass(sim_world, ends[1], process);
    crew->pid = process->pid;
    crew->fd = ends[0];
    sim_say(sim_world, "process %d begins, group %zu", (int)process->pid, crew->group);
    return FLOW_OK;
}

static struct sim_process *process_of(pid_t pid)
{
    struct sim_process *process = sim_world->processes;
    while (process != NULL && process->pid != pid)
        process = process->next;
    return process;
}

static void collect(struct flow_crew *crew, struct flow_death *death)
{
    struct sim_process *process = process_of(crew->pid);
    while (!process->dead) {
        struct sim_wait wait = {.queue = &process->ended};
        (void)sim_wait_for(sim_world, &wait, 1, NULL, SIM_NEVER);
    }
    if (death != NULL)
        *death = (struct flow_death){.pid = crew->pid, .known = true, .signal = process->signal};
    sim_fd_release(sim_world, crew->fd);
    crew->fd = -1;
}

static bool force(struct flow_crew *crew)
{
    sim_process_kill(sim_world, process_of(crew->pid), SIGKILL);
    return true;
}

const struct flow_launcher flow_process_launcher = {
    .start = start,
    .collect = collect,
    .force = force,
};
