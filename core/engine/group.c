/* SPDX-License-Identifier: MIT */
#include "engine/group.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "engine/task.h"
#include "engine/warm.h"

#define STACK_BYTES ((size_t)2 << 20)

struct member {
    struct flow_group *group;
    struct flow_task *task;
    pthread_t thread;
    bool started;
    bool ended; /* under the group's lock */
};

struct flow_group {
    struct flow_group_options options;
    struct flow_transport *transport;
    struct flow_replica_env env;
    atomic_bool aborting;
    atomic_bool draining;
    struct flow_epochs epochs;
    struct member *members;
    size_t member_count;

    pthread_mutex_t lock;    /* guards what follows, and member.ended */
    pthread_cond_t changed;  /* the owner waits: a thread is ready, has failed or ended */
    pthread_cond_t released; /* the threads wait: go, or aborting; each wakes only once */
    size_t threads;          /* started */
    size_t opened;
    size_t ended;
    bool go;
    bool failed; /* the event has been sent, or open has returned it */
    bool opening;
    struct flow_error error;
};

/* The one that was handed over, or one of its own. */
static enum flow_status take_transport(struct flow_group *group, struct flow_error *err)
{
    const struct flow_group_options *options = &group->options;
    if (group->transport != NULL) {
        flow_transport_become(group->transport, options->incarnation);
        return FLOW_OK;
    }
    return flow_transport_of_group(options, &group->transport, err);
}

static enum flow_status init_sync(struct flow_group *group, struct flow_error *err)
{
    pthread_condattr_t attr;
    (void)pthread_mutex_init(&group->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&group->changed, &attr);
    (void)pthread_cond_init(&group->released, NULL);
    (void)pthread_condattr_destroy(&attr);

    group->env.abort_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    group->env.drain_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (group->env.abort_fd < 0 || group->env.drain_fd < 0)
        return flow_fail(err, FLOW_EIO, "cannot make an eventfd: %s", strerror(errno));
    return FLOW_OK;
}

static void log_line(void *context, const char *line)
{
    const struct flow_group *group = context;
    if (group->options.events.log != NULL)
        group->options.events.log(group->options.events.context, line);
}

static void on_saved(void *context, size_t replica, uint64_t epoch,
                     const struct flow_manifest_replica *saved)
{
    const struct flow_group *group = context;
    group->options.events.saved(group->options.events.context, replica, epoch, saved);
}

static void init_epochs(struct flow_group *group)
{
    const struct flow_checkpoints *options = group->options.checkpoints;
    if (options == NULL)
        return;
    const uint64_t session = options->session;
    group->epochs.options = options;
    group->epochs.session = session;
    atomic_init(&group->epochs.begun, session);
    atomic_init(&group->epochs.committed, session);
    atomic_init(&group->epochs.last, false);
    group->epochs.context = group;
    group->epochs.saved = on_saved;
    group->env.epochs = &group->epochs;
}

static enum flow_status make_members(struct flow_group *group, struct flow_error *err)
{
    const struct flow_plan_group *plan = &group->options.plan->groups[group->options.group];
    group->members = flow_calloc(plan->task_count, sizeof(*group->members));
    if (group->members == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for %zu threads", plan->task_count);
    for (size_t i = 0; i < plan->task_count; i++) {
        struct member *member = &group->members[i];
        member->group = group;
        const enum flow_status rc = flow_task_new(&group->env, plan->tasks[i], &member->task, err);
        if (rc != FLOW_OK)
            return rc;
        group->member_count++;
    }
    return FLOW_OK;
}

enum flow_status flow_group_new(const struct flow_group_options *options, struct flow_group **group,
                                struct flow_error *err)
{
    struct flow_group *made = flow_alloc(sizeof(*made));
    if (made == NULL) {
        flow_transport_free(options->transport);
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a group");
    }
    made->options = *options;
    made->transport = options->transport;
    made->env = (struct flow_replica_env){
        .plan = options->plan,
        .board = options->board,
        .memory = options->memory,
        .incarnation = options->incarnation,
        .aborting = &made->aborting,
        .draining = &made->draining,
        .abort_fd = -1,
        .drain_fd = -1,
        .context = made,
        .log = log_line,
    };
    init_epochs(made);

    enum flow_status rc = init_sync(made, err);
    if (rc == FLOW_OK)
        rc = take_transport(made, err);
    made->env.transport = made->transport;
    if (rc == FLOW_OK)
        rc = make_members(made, err);
    if (rc != FLOW_OK) {
        flow_group_free(made);
        return rc;
    }
    *group = made;
    return FLOW_OK;
}

/* Report a failure: to flow_group_open if it is waiting, else as an event; once. */
static void report_failure(struct flow_group *group, const struct flow_error *error)
{
    (void)pthread_mutex_lock(&group->lock);
    const bool first = !group->failed;
    const bool event = first && !group->opening;
    if (first) {
        group->failed = true;
        group->error = *error;
    }
    (void)pthread_cond_broadcast(&group->changed);
    (void)pthread_mutex_unlock(&group->lock);
    if (event && group->options.events.failed != NULL)
        group->options.events.failed(group->options.events.context, error);
}

/* The stage is open: wait for the start, or for the end of it all. */
static bool wait_for_start(struct flow_group *group)
{
    (void)pthread_mutex_lock(&group->lock);
    group->opened++;
    (void)pthread_cond_broadcast(&group->changed);
    while (!group->go && !atomic_load(&group->aborting))
        (void)pthread_cond_wait(&group->released, &group->lock);
    const bool go = group->go;
    (void)pthread_mutex_unlock(&group->lock);
    return go;
}

static void note_end(struct member *member)
{
    struct flow_group *group = member->group;
    (void)pthread_mutex_lock(&group->lock);
    member->ended = true;
    group->ended++;
    const bool last = group->ended == group->threads && group->go;
    (void)pthread_cond_broadcast(&group->changed);
    if (last && group->options.events.ended != NULL)
        group->options.events.ended(group->options.events.context);
    (void)pthread_mutex_unlock(&group->lock);
}

static void *thread_main(void *context)
{
    struct member *member = context;
    enum flow_status rc = flow_task_open(member->task);
    if (rc == FLOW_OK && wait_for_start(member->group))
        rc = flow_task_run(member->task);
    if (rc != FLOW_OK && rc != FLOW_EABORT)
        report_failure(member->group, flow_task_error(member->task));
    flow_task_close(member->task);
    note_end(member);
    return NULL;
}

static enum flow_status start_thread(struct member *member, const pthread_attr_t *attr,
                                     struct flow_error *err)
{
    struct flow_group *group = member->group;
    const int error = pthread_create(&member->thread, attr, thread_main, member);
    if (error != 0)
        return flow_fail(err, FLOW_ENOMEM,
                         "cannot start thread %zu of %zu: %s; more memory (ulimit -v), more "
                         "threads (ulimit -u) or fewer workers would help",
                         group->threads + 1, group->member_count, strerror(error));
    member->started = true;
    struct flow_str stages = {0};
    char name[16];
    flow_task_name(member->task, &stages);
    (void)snprintf(name, sizeof(name), "%.15s", stages.text != NULL ? stages.text : "");
    (void)pthread_setname_np(member->thread, name);
    flow_str_clear(&stages);
    return FLOW_OK;
}

static enum flow_status start_threads(struct flow_group *group, struct flow_error *err)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the owner's business */

    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < group->member_count && rc == FLOW_OK; i++) {
        rc = start_thread(&group->members[i], &attr, err);
        (void)pthread_mutex_lock(&group->lock);
        group->threads += rc == FLOW_OK;
        (void)pthread_mutex_unlock(&group->lock);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

enum flow_status flow_group_open(struct flow_group *group, struct flow_error *err)
{
    group->opening = true;
    enum flow_status rc = start_threads(group, err);
    (void)pthread_mutex_lock(&group->lock);
    while (rc == FLOW_OK && group->opened < group->member_count && !group->failed)
        (void)pthread_cond_wait(&group->changed, &group->lock);
    if (rc == FLOW_OK && group->failed)
        rc = flow_fail(err, group->error.status, "%s", group->error.text);
    group->opening = false;
    (void)pthread_mutex_unlock(&group->lock);
    return rc;
}

void flow_group_start(struct flow_group *group)
{
    (void)pthread_mutex_lock(&group->lock);
    group->go = true;
    (void)pthread_cond_broadcast(&group->released);
    (void)pthread_mutex_unlock(&group->lock);
    if (group->member_count == 0 && group->options.events.ended != NULL)
        group->options.events.ended(group->options.events.context);
}

static void raise_flag(atomic_bool *flag, int fd)
{
    const uint64_t one = 1;
    atomic_store(flag, true);
    ssize_t written;
    do {
        written = write(fd, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
}

static void notice_all(const struct flow_group *group)
{
    for (size_t i = 0; i < group->member_count; i++)
        flow_task_notice(group->members[i].task);
}

void flow_group_begin_epoch(struct flow_group *group, uint64_t epoch)
{
    atomic_store(&group->epochs.begun, epoch);
    notice_all(group);
}

void flow_group_commit_epoch(struct flow_group *group, uint64_t epoch, bool last)
{
    atomic_store(&group->epochs.committed, epoch);
    if (last)
        atomic_store(&group->epochs.last, true);
    notice_all(group);
}

void flow_group_drain(struct flow_group *group)
{
    raise_flag(&group->draining, group->env.drain_fd);
}

void flow_group_abort(struct flow_group *group)
{
    raise_flag(&group->aborting, group->env.abort_fd);
    (void)pthread_mutex_lock(&group->lock);
    (void)pthread_cond_broadcast(&group->released);
    (void)pthread_mutex_unlock(&group->lock);
}

static enum flow_status name_stuck(struct flow_group *group, struct flow_error *err)
{
    struct flow_str names = {0};
    for (size_t i = 0; i < group->member_count; i++) {
        const struct member *member = &group->members[i];
        if (!member->started || member->ended)
            continue;
        flow_str_add(&names, names.size > 0 ? ", " : "");
        flow_task_name(member->task, &names);
    }
    const enum flow_status rc =
        flow_fail(err, FLOW_EAGAIN, "still in a callback and not to be stopped: %s",
                  names.text != NULL ? names.text : "");
    flow_str_clear(&names);
    return rc;
}

enum flow_status flow_group_join(struct flow_group *group, int64_t timeout_ns,
                                 struct flow_error *err)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t ns = until.tv_nsec + (timeout_ns > 0 ? timeout_ns : 0);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;

    enum flow_status rc = FLOW_OK;
    (void)pthread_mutex_lock(&group->lock);
    while (group->ended < group->threads && rc == FLOW_OK) {
        if (timeout_ns < 0)
            (void)pthread_cond_wait(&group->changed, &group->lock);
        else if (pthread_cond_timedwait(&group->changed, &group->lock, &until) == ETIMEDOUT &&
                 group->ended < group->threads)
            rc = name_stuck(group, err);
    }
    (void)pthread_mutex_unlock(&group->lock);
    if (rc != FLOW_OK)
        return rc;
    for (size_t i = 0; i < group->member_count; i++) {
        if (group->members[i].started)
            (void)pthread_join(group->members[i].thread, NULL);
        group->members[i].started = false;
    }
    return FLOW_OK;
}

void flow_group_free(struct flow_group *group)
{
    if (group == NULL)
        return;

    /* First all sockets and batches, then the transport, which lets go of what was on its way to
     * other processes, and only then the pools that all batches go back to. */
    const bool abandon = atomic_load(&group->aborting) || group->failed;
    for (size_t i = 0; i < group->member_count; i++)
        flow_task_disconnect(group->members[i].task, abandon);
    flow_transport_free(group->transport);
    for (size_t i = 0; i < group->member_count; i++)
        flow_task_free(group->members[i].task);
    free(group->members);
    if (group->env.abort_fd >= 0)
        (void)close(group->env.abort_fd);
    if (group->env.drain_fd >= 0)
        (void)close(group->env.drain_fd);
    (void)pthread_cond_destroy(&group->changed);
    (void)pthread_cond_destroy(&group->released);
    (void)pthread_mutex_destroy(&group->lock);
    free(group);
}
