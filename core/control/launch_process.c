/* SPDX-License-Identifier: MIT */

/*
 * The process launcher: posix_spawn of a program that calls flow_worker_main, never a bare fork,
 * since a copy of a process with threads and ZeroMQ contexts cannot be used.
 *
 * The program inherits four descriptors beyond what it would anyway: its end of the channel, the
 * board, the job, and the memory that the run's processes share.  They keep their numbers, which
 * are arguments, so that descriptors that the user has given to the run (/dev/fd/3) are not
 * overwritten; all others of ours are close-on-exec.
 *
 * A child is told to stop by its channel and nothing else: a terminal's Ctrl-C and the signal that
 * timeout(1) or a service manager sends to the whole group of processes must reach the coordinator
 * only, which then drains the run.  So the child starts with both blocked, ignores them first thing
 * in flow_worker_main, and unblocks all.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/channel.h"
#include "control/launch.h"
#include "control/system.h"

/* How long a process that has closed its channel may take to be dead. */
#define DYING_MS 300

#define LABEL_SIZE (FLOW_GRAPH_MAX_NAME + 32)

#define FDS 4 /* that are passed on: channel, board, job, memory */

/* The command line of a worker, as text. */
struct command {
    char numbers[5][LABEL_SIZE + 24]; /* channel, board, job, memory (or -1), group (or -1) */
    char label[LABEL_SIZE];
    char *argv[9];
};

static char *label_of(const struct flow_plan *plan, size_t group, char label[LABEL_SIZE])
{
    const struct flow_plan_group *members = &plan->groups[group];
    return flow_plan_replica_name(plan, plan->tasks[members->tasks[0]].replicas[0], label,
                                  LABEL_SIZE);
}

/* The processes that a nursery makes get their names where its own arguments stood. */
static int nursery_room(const struct flow_plan *plan)
{
    size_t most = 0;
    for (size_t i = 0; i < plan->group_count; i++) {
        char label[LABEL_SIZE];
        const size_t size = plan->groups[i].spawned ? strlen(label_of(plan, i, label)) : 0;
        most = size > most ? size : most;
    }
    return (int)most + 20;
}

static void write_command(const struct flow_launch *launch, size_t group, const int fds[FDS],
                          struct command *command)
{
    static char name[] = "flowrun", flag[] = FLOW_WORKER_FLAG, nursery[] = "nursery";
    const bool makes = group == FLOW_NURSERY_GROUP;
    *command = (struct command){.argv = {name, flag}};
    for (size_t i = 0; i <= FDS; i++) {
        (void)snprintf(command->numbers[i], sizeof(command->numbers[i]), "%*ld",
                       makes && i == FDS ? nursery_room(launch->plan) : 0,
                       i < FDS ? (long)fds[i] : (long)group);
        command->argv[2 + i] = command->numbers[i];
    }
    if (makes)
        command->argv[7] = nursery;
    else if (launch->plan->groups[group].replica_count > 0) /* for who lists processes */
        command->argv[7] = label_of(launch->plan, group, command->label);
}

/* Duplicating a descriptor onto itself clears its close-on-exec flag, in the child only. */
static int pass_descriptors(posix_spawn_file_actions_t *actions, const int fds[FDS])
{
    int cause = 0;
    for (size_t i = 0; i < FDS && cause == 0; i++) {
        if (fds[i] >= 0)
            cause = posix_spawn_file_actions_adddup2(actions, fds[i], fds[i]);
    }
    return cause;
}

static int block_stop_signals(posix_spawnattr_t *attributes)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    const int cause = posix_spawnattr_setsigmask(attributes, &blocked);
    return cause != 0 ? cause : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK);
}

/* Returns an errno. */
static int spawn(const char *program, const int fds[FDS], char *const argv[], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int cause = posix_spawn_file_actions_init(&actions);
    if (cause != 0)
        return cause;
    cause = posix_spawnattr_init(&attributes);
    if (cause == 0) {
        cause = pass_descriptors(&actions, fds);
        if (cause == 0)
            cause = block_stop_signals(&attributes);
        if (cause == 0)
            cause = posix_spawn(pid, program, &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return cause;
}

static enum flow_status start(const struct flow_launch *launch, struct flow_crew *crew,
                              struct flow_error *err)
{
    int ends[2];
    const enum flow_status rc = flow_channel_new(ends, err);
    if (rc != FLOW_OK)
        return rc;

    const int fds[FDS] = {ends[1], launch->board->fd, launch->job_fd,
                          launch->memory != NULL ? launch->memory->fd : -1};
    struct command command;
    write_command(launch, crew->group, fds, &command);
    const int cause = spawn(launch->program, fds, command.argv, &crew->pid);
    close(ends[1]); /* so that the channel is closed when the child dies */
    if (cause != 0) {
        close(ends[0]);
        return flow_system_fail(err, cause, "cannot start '%s' as process %zu of the run",
                                launch->program, crew->group);
    }
    crew->fd = ends[0];
    return FLOW_OK;
}

/*
 * Does it end within the time?  Its pid cannot be another's before it has been waited for.  Where
 * the system has no pidfd, it is believed that what has closed its channel ends.
 */
static bool ends_soon(pid_t pid)
{
    const int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0)
        return true;
    struct pollfd event = {.fd = pidfd, .events = POLLIN};
    int got;
    do {
        got = poll(&event, 1, DYING_MS);
    } while (got < 0 && errno == EINTR);
    close(pidfd);
    return got > 0;
}

static void collect(struct flow_crew *crew, struct flow_death *death)
{
    *death = (struct flow_death){.pid = crew->pid};
    const bool killed = !ends_soon(crew->pid) && kill(crew->pid, SIGKILL) == 0;

    int status = 0;
    pid_t got;
    do {
        got = waitpid(crew->pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    death->known = got == crew->pid;
    death->signal = death->known && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    death->forced = killed && death->signal == SIGKILL;
    death->code = death->known && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    close(crew->fd);
    crew->fd = -1;
}

static bool force(struct flow_crew *crew)
{
    (void)kill(crew->pid, SIGKILL); /* its channel closes; then it is collected */
    return true;
}

const struct flow_launcher flow_process_launcher = {
    .start = start,
    .collect = collect,
    .force = force,
};
