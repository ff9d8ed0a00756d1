/* SPDX-License-Identifier: MIT */

/*
 * The thread launcher: the group lives on threads of this process, and one more thread serves its
 * channel.  It cannot be ended by force: a stage that never returns from a callback keeps its
 * threads, and flow_run then says so (flow_run_result.stuck).
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/channel.h"
#include "control/launch.h"
#include "control/member.h"
#include "control/system.h"

struct flow_body {
    struct flow_member_options member;
};

static void *serve(void *context)
{
    const struct flow_body *body = context;
    if (flow_member_serve(&body->member))
        close(body->member.fd); /* else its threads may still say something: not to another file */
    return NULL;
}

/*
 * A thread on which the signals by which people stop a program are blocked, and with it all threads
 * of the group: they are for the program's own threads, and would only interrupt a stage's calls.
 */
static int create_quiet_thread(pthread_t *thread, struct flow_body *body)
{
    sigset_t blocked, old;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &blocked, &old);
    const int cause = pthread_create(thread, NULL, serve, body);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return cause;
}

static enum flow_status start(const struct flow_launch *launch, struct flow_crew *crew,
                              struct flow_error *err)
{
    struct flow_body *body = flow_alloc(sizeof(*body));
    if (body == NULL)
        return flow_fail(err, FLOW_ENOMEM, "no memory to start group %zu", crew->group);

    int ends[2];
    const enum flow_status rc = flow_channel_new(ends, err);
    if (rc != FLOW_OK) {
        free(body);
        return rc;
    }

    body->member = (struct flow_member_options){
        .plan = launch->plan,
        .group = crew->group,
        .board = launch->board,
        .memory = launch->memory,
        .folder = launch->folder,
        .run_id = launch->run_id,
        .checkpoints = launch->checkpoints,
        .fd = ends[1],
    };
    const int cause = create_quiet_thread(&crew->thread, body);
    if (cause != 0) {
        close(ends[0]);
        close(ends[1]);
        free(body);
        return flow_system_fail(err, cause, "cannot start a thread");
    }
    crew->fd = ends[0];
    crew->body = body;
    return FLOW_OK;
}

static void collect(struct flow_crew *crew, struct flow_death *death)
{
    (void)death;
    pthread_join(crew->thread, NULL);
    close(crew->fd);
    free(crew->body);
    crew->fd = -1;
    crew->body = NULL;
}

static bool force(struct flow_crew *crew)
{
    pthread_detach(crew->thread);
    close(crew->fd); /* should it come back after all, it sees that nobody is there */
    crew->fd = -1;
    crew->body = NULL; /* still in use over there */
    return false;
}

const struct flow_launcher flow_thread_launcher = {
    .start = start,
    .collect = collect,
    .force = force,
};
