/* SPDX-License-Identifier: MIT */

/*
 * The launcher of simulated processes, in place of control/launch_process.c: what it starts does
 * what control/worker.c and control/nurse.c do, but for reading the graph again.
 */

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/channel.h"
#include "control/launch.h"
#include "control/member.h"
#include "control/nurse.h"
#include "engine/warm.h"
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
    /* As in control/worker.c: who takes another's place goes on from where that was. */
    const bool restores =
        body->session != 0 && flow_read(&body->launch.board->groups[body->group].restarts) == 0;
    enum flow_status rc = flow_state_join(sim_world->state, &held->state_fd, err);
    if (rc == FLOW_OK && restores)
        rc = flow_state_read(held->state_fd, body->session, &held->from, err);
    held->checkpoints = (struct flow_checkpoints){
        .folder = held->state_fd,
        .disk = &flow_disk_real,
        .from = restores ? &held->from : NULL,
        .session = body->session,
    };
    return rc;
}

static void say_failed(int fd, const struct flow_error *error)
{
    (void)flow_channel_send(fd, FLOW_SAY_FAILED, error->status, error->text);
    (void)flow_channel_send(fd, FLOW_SAY_ENDED, FLOW_OK, NULL);
}

static enum flow_status serve(const struct body *body, struct flow_transport *transport,
                              struct flow_error *err)
{
    struct held held = {.state_fd = -1};
    const enum flow_status rc = join_state(body, &held, err);
    if (rc != FLOW_OK) {
        flow_transport_free(transport);
        return rc;
    }
    const struct flow_member_options options = {
        .plan = body->launch.plan,
        .group = body->group,
        .board = body->launch.board,
        .memory = body->launch.memory,
        .folder = body->launch.folder,
        .run_id = body->launch.run_id,
        .checkpoints = body->launch.checkpoints != NULL ? &held.checkpoints : NULL,
        .transport = transport,
        .fd = body->fd,
    };
    (void)flow_member_serve(&options);
    return rc;
}

static void process_main(void *context)
{
    const struct body body = *(const struct body *)context;
    sim_own_free(context);
    struct flow_error error = {0};
    if (serve(&body, NULL, &error) != FLOW_OK)
        say_failed(body.fd, &error);
}

/* ---- the nursery ---- */

static enum flow_status become_group(struct body *body, struct flow_transport **transport,
                                     struct flow_error *err)
{
    const struct flow_group_options options = {
        .plan = body->launch.plan,
        .memory = body->launch.memory,
        .folder = body->launch.folder,
        .run_id = body->launch.run_id,
    };
    enum flow_status rc = flow_transport_of_any(&options, transport, err);
    if (rc == FLOW_OK)
        rc = flow_nurse_await(body->fd, &body->group, err);
    if (rc == FLOW_OK)
        sim_process_now()->group = body->group;
    return rc;
}

static void spare_main(void *context)
{
    struct body body = *(const struct body *)context;
    sim_own_free(context);
    struct flow_transport *transport = NULL;
    struct flow_error error = {0};
    enum flow_status rc = become_group(&body, &transport, &error);
    if (rc == FLOW_OK)
        rc = serve(&body, transport, &error);
    else
        flow_transport_free(transport);
    if (rc != FLOW_OK)
        say_failed(body.fd, &error);
}

static struct sim_process *begin(const struct body *body, void (*main)(void *))
{
    struct body *copy = sim_own_alloc(sizeof(*copy));
    *copy = *body;
    struct sim_process *process = sim_process_new(sim_world, body->group, main, copy);
    sim_fd_pass(sim_world, body->fd, process);
    return process;
}

static enum flow_status await_wish(int fd, int *wish)
{
    struct flow_notice notice;
    struct pollfd event = {.fd = fd, .events = POLLIN};
    enum flow_status rc = FLOW_EAGAIN;
    while (rc == FLOW_EAGAIN) {
        (void)poll(&event, 1, -1);
        rc = flow_channel_receive_passed(fd, &notice, wish, NULL);
    }
    return rc;
}

/* As control/nurse.c, which cannot be used here: it makes copies of its process. */
static void nursery_main(void *context)
{
    struct body body = *(const struct body *)context;
    sim_own_free(context);
    const int fd = body.fd;
    enum flow_status rc = flow_channel_send(fd, FLOW_SAY_READY, FLOW_OK, NULL);
    while (rc == FLOW_OK && (rc = await_wish(fd, &body.fd)) == FLOW_OK) {
        char pid[24];
        const struct sim_process *spare = begin(&body, spare_main);
        snprintf(pid, sizeof(pid), "%d", (int)spare->pid);
        sim_say(sim_world, "process %s begins, a spare", pid);
        sim_yield(sim_world);
        rc = flow_channel_send(fd, FLOW_SAY_BORN, FLOW_OK, pid);
    }
}

static enum flow_status start(const struct flow_launch *launch, struct flow_crew *crew,
                              struct flow_error *err)
{
    int ends[2];
    const enum flow_status rc = flow_channel_new(ends, err);
    if (rc != FLOW_OK)
        return rc;
    const bool nurses = crew->group == FLOW_NURSERY_GROUP;
    struct body body = {
        .launch = *launch, .group = nurses ? SIM_NURSERY : crew->group, .fd = ends[1]};
    if (launch->checkpoints != NULL && launch->checkpoints->from != NULL)
        body.session = launch->checkpoints->from->epoch;
    crew->pid = begin(&body, nurses ? nursery_main : process_main)->pid;
    crew->fd = ends[0];
    if (nurses)
        sim_say(sim_world, "process %d begins, the nursery", (int)crew->pid);
    else
        sim_say(sim_world, "process %d begins, group %zu", (int)crew->pid, crew->group);
    return FLOW_OK;
}

/* ---- the end ---- */

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
