/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_FAKE_GROUP_H
#define FLOW_TESTS_FAKE_GROUP_H

/*
 * Groups without an engine: they move no records, but do what the parameter "act" of their stages
 * says, so that a test can have every kind of end at will.  A program that includes this is linked
 * with these in place of the engine's functions of the same names.
 *
 * A process that starts an act writes its pid as a line to the descriptor $FLOW_TEST_FD, if that is
 * set: a test waits for it, and for the end of the file once all processes that had it are gone.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/group.h"
#include "flowrun/stage.h"
#include "link/transport.h"

enum act {
    ACT_END,        /* end well at once */
    ACT_FAIL_NEW,   /* cannot be bound */
    ACT_FAIL_OPEN,  /* cannot be opened */
    ACT_FAIL,       /* fail once started */
    ACT_DRAIN,      /* go on until drained or aborted */
    ACT_ABORT,      /* go on until aborted, deaf to draining */
    ACT_STUCK,      /* never come back */
    ACT_STUCK_OPEN, /* never come back from opening */
    ACT_CRASH,      /* a segmentation fault */
    ACT_EXIT,       /* exit(3) */
    ACT_LOG,        /* say something, then end well */
    ACT_LOSE,       /* lose a record, then end well */
    ACT_DIE_NEW,    /* be killed before it is bound, once in the life of its folder */
    ACT_DIE_OPEN,   /* ... when it is opened */
    ACT_DOOMED,     /* be killed whenever it is opened */
};

struct fake_params {
    int act;
};

static const struct flow_param fake_params[] = {
    FLOW_PARAM_ENUM(struct fake_params, act, "end",
                    "end|fail_new|fail_open|fail|drain|abort|stuck|stuck_open|crash|exit|log|lose|"
                    "die_new|die_open|doomed",
                    "what to do"),
    FLOW_PARAM_END,
};

static enum flow_status fake_produce(void *self, struct flow_stage *stage)
{
    (void)self;
    (void)stage;
    return FLOW_ECLOSED;
}

static enum flow_status fake_process(void *self, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    (void)self;
    (void)stage;
    (void)record;
    return FLOW_OK;
}

static const struct flow_stage_type fake_from = {
    .name = "fake.from",
    .help = "a producer that does as it is told",
    .role = FLOW_PRODUCER,
    .params = fake_params,
    .state_size = sizeof(struct fake_params),
    .produce = fake_produce,
};

static const struct flow_stage_type fake_to = {
    .name = "fake.to",
    .help = "a consumer that does as it is told",
    .role = FLOW_CONSUMER,
    .params = fake_params,
    .state_size = sizeof(struct fake_params),
    .process = fake_process,
};

static const struct flow_stage_type *const fake_types[] = {&fake_from, &fake_to, NULL};

static const struct flow_plugin fake_plugin = {FLOW_PLUGIN_LAYOUT, .types = fake_types};

static const struct flow_plugin *const fake_builtin[] = {&fake_plugin, NULL};

struct flow_group {
    struct flow_group_options options;
    enum act act;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool started, draining, aborting, ended;
    pthread_t thread;
};

/* The first act of the group's stages that is not "end". */
static enum act find_act(const struct flow_group_options *options)
{
    static const char *const words[] = {"end",   "fail_new", "fail_open",  "fail",     "drain",
                                        "abort", "stuck",    "stuck_open", "crash",    "exit",
                                        "log",   "lose",     "die_new",    "die_open", "doomed"};
    const struct flow_plan_group *members = &options->plan->groups[options->group];
    for (size_t i = 0; i < members->task_count; i++) {
        const size_t replica = options->plan->tasks[members->tasks[i]].replicas[0];
        const size_t stage = options->plan->replicas[replica].stage;
        json_t *with = options->plan->stages[stage].graph->with;
        const char *act = json_string_value(json_object_get(with, "act"));
        for (size_t n = 1; act != NULL && n < sizeof(words) / sizeof(words[0]); n++)
            if (strcmp(act, words[n]) == 0)
                return (enum act)n;
    }
    return ACT_END;
}

/* Tell the test that this process has begun. */
static void show_pid(void)
{
    const char *fd =
        getenv("FLOW_TEST_FD"); /* NOLINT(concurrency-mt-unsafe): nothing sets it now */
    if (fd != NULL && dprintf((int)strtol(fd, NULL, 10), "%ld\n", (long)getpid()) < 0)
        abort();
}

/* As by somebody outside: the first time in this folder, which must be there. */
static void be_killed_once(void)
{
    char path[200];
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets it now */
    (void)snprintf(path, sizeof(path), "%s/.killed", getenv("XDG_RUNTIME_DIR"));
    const int fd = open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    close(fd);
    (void)raise(SIGKILL);
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

enum flow_status flow_group_new(const struct flow_group_options *options, struct flow_group **group,
                                struct flow_error *err)
{
    const enum act act = find_act(options);
    flow_transport_free(options->transport);
    if (act == ACT_DIE_NEW)
        be_killed_once();
    if (act == ACT_FAIL_NEW)
        return flow_fail(err, FLOW_EIO, "cannot bind group %zu", options->group);
    struct flow_group *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "no memory");
    made->options = *options;
    made->act = act;
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *group = made;
    return FLOW_OK;
}

enum flow_status flow_group_open(struct flow_group *group, struct flow_error *err)
{
    if (group->act == ACT_STUCK_OPEN) {
        show_pid();
        wait_for_ever();
    }
    if (group->act == ACT_DIE_OPEN)
        be_killed_once();
    if (group->act == ACT_DOOMED)
        (void)raise(SIGKILL);
    if (group->act == ACT_FAIL_OPEN)
        return flow_fail(err, FLOW_EIO, "stage 'x': cannot open 'nothing.txt'");
    return FLOW_OK;
}

/* A fault that is not caught by a sanitizer's handler. */
static void crash(void)
{
    (void)signal(SIGSEGV, SIG_DFL);
    (void)raise(SIGSEGV);
}

static void wait_for_word(struct flow_group *group, bool draining_too)
{
    pthread_mutex_lock(&group->lock);
    while (!group->aborting && !(draining_too && group->draining))
        pthread_cond_wait(&group->changed, &group->lock);
    pthread_mutex_unlock(&group->lock);
}

static void act(struct flow_group *group)
{
    const struct flow_group_events *events = &group->options.events;
    const struct flow_error error = {.status = FLOW_EIO, .text = "stage 'x': the disk is full"};
    struct flow_board *board = group->options.board;
    switch (group->act) {
    case ACT_FAIL:
        events->failed(events->context, &error);
        wait_for_word(group, false);
        break;
    case ACT_DRAIN:
        wait_for_word(group, true);
        break;
    case ACT_ABORT:
        wait_for_word(group, false);
        break;
    case ACT_STUCK:
        wait_for_ever();
        break;
    case ACT_CRASH:
        crash();
        break;
    case ACT_EXIT:
        _exit(3);
    case ACT_LOG:
        events->log(events->context, "stage 'x': hello");
        break;
    case ACT_LOSE:
        flow_count(&board->links[0].sent, 1);
        break;
    default:
        break;
    }
}

static void *run(void *context)
{
    struct flow_group *group = context;
    show_pid();
    act(group);
    group->options.events.ended(group->options.events.context);
    pthread_mutex_lock(&group->lock);
    group->ended = true;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
    return NULL;
}

void flow_group_start(struct flow_group *group)
{
    group->started = true;
    if (pthread_create(&group->thread, NULL, run, group) != 0)
        abort();
}

static void set_flag(struct flow_group *group, bool *flag)
{
    pthread_mutex_lock(&group->lock);
    *flag = true;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
}

void flow_group_begin_epoch(struct flow_group *group, uint64_t epoch)
{
    (void)group;
    (void)epoch;
}

void flow_group_commit_epoch(struct flow_group *group, uint64_t epoch, bool last)
{
    (void)group;
    (void)epoch;
    (void)last;
}

void flow_group_drain(struct flow_group *group)
{
    set_flag(group, &group->draining);
}

void flow_group_abort(struct flow_group *group)
{
    set_flag(group, &group->aborting);
}

static bool wait_ended(struct flow_group *group, int64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t ns = until.tv_nsec + (timeout_ns < 0 ? (int64_t)1 << 60 : timeout_ns);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;

    pthread_mutex_lock(&group->lock);
    int rc = 0;
    while (!group->ended && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&group->changed, &group->lock, &until);
    const bool ended = group->ended;
    pthread_mutex_unlock(&group->lock);
    return ended;
}

enum flow_status flow_group_join(struct flow_group *group, int64_t timeout_ns,
                                 struct flow_error *err)
{
    if (!group->started)
        return FLOW_OK;
    if (!wait_ended(group, timeout_ns))
        return flow_fail(err, FLOW_EAGAIN, "stage 'x' does not come back from process");
    pthread_join(group->thread, NULL);
    group->started = false;
    return FLOW_OK;
}

void flow_group_free(struct flow_group *group)
{
    if (group == NULL)
        return;
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->lock);
    free(group);
}

#endif /* FLOW_TESTS_FAKE_GROUP_H */
