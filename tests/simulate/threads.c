/* SPDX-License-Identifier: MIT */

/*
 * Threads, mutexes and conditions of the simulated machine.  A mutex keeps its owner where the real
 * one keeps its own things, so that one that was set up by PTHREAD_MUTEX_INITIALIZER is free.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "simulate/world.h"

/* What stands in a pthread_mutex_t. */
struct mutex {
    struct sim_task *owner; /* NULL: it is free */
};

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*entry)(void *),
                          void *argument);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_detach(pthread_t thread);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int __wrap_pthread_cond_destroy(pthread_cond_t *cond);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_setname_np(pthread_t thread, const char *name);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
pid_t __wrap_getpid(void);
pid_t __wrap_gettid(void);
int __wrap_kill(pid_t pid, int signal);

int __real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __real_clock_gettime(clockid_t clock, struct timespec *time);
pid_t __real_getpid(void);
pid_t __real_gettid(void);
int __real_kill(pid_t pid, int signal);

/* ---- threads ---- */

struct start {
    void *(*entry)(void *);
    void *argument;
};

static void run_thread(void *context)
{
    const struct start start = *(struct start *)context;
    free(context);
    struct sim_task *self = sim_world->current;
    self->result = start.entry(start.argument);
}

static struct sim_task *task_of(pthread_t thread)
{
    struct sim_task *task;
    memcpy(&task, &thread, sizeof(task));
    return task;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*entry)(void *),
                          void *argument)
{
    (void)attr;
    struct start *start = malloc(sizeof(*start));
    *start = (struct start){entry, argument};
    struct sim_task *task = sim_task_new(sim_world->current->process, run_thread, start);
    memcpy(thread, &task, sizeof(task));
    sim_yield(sim_world);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    struct sim_task *task = task_of(thread);
    while (!task->done) {
        struct sim_wait wait = {.queue = &task->ended};
        (void)sim_wait_for(sim_world, &wait, 1, NULL, SIM_NEVER);
    }
    if (result != NULL)
        *result = task->result;
    sim_task_free(sim_world, task);
    return 0;
}

int __wrap_pthread_detach(pthread_t thread)
{
    task_of(thread)->detached = true;
    return 0;
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return sim_process_now() != NULL ? 0 : __real_pthread_sigmask(how, set, old);
}

int __wrap_pthread_setname_np(pthread_t thread, const char *name)
{
    (void)thread;
    (void)name;
    return 0;
}

/* ---- mutexes and conditions ---- */

static struct mutex *body_of(pthread_mutex_t *mutex)
{
    return (struct mutex *)(void *)mutex;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    (void)attr;
    body_of(mutex)->owner = NULL;
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}

static void lock(struct mutex *mutex)
{
    while (mutex->owner != NULL)
        (void)sim_wait_for(sim_world, NULL, 0, mutex, SIM_NEVER);
    mutex->owner = sim_world->current;
}

static void unlock(struct mutex *mutex)
{
    mutex->owner = NULL;
    sim_wake_on(sim_world, mutex, true);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    sim_yield(sim_world);
    lock(body_of(mutex));
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    unlock(body_of(mutex));
    sim_yield(sim_world);
    return 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    (void)cond;
    (void)attr;
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *cond)
{
    (void)cond;
    return 0;
}

static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline)
{
    unlock(body_of(mutex));
    const bool woken = sim_wait_for(sim_world, NULL, 0, cond, deadline);
    lock(body_of(mutex));
    return woken;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    (void)wait_until(cond, mutex, SIM_NEVER);
    return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    const int64_t deadline = (int64_t)until->tv_sec * 1000000000 + until->tv_nsec;
    return wait_until(cond, mutex, deadline) ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    sim_wake_on(sim_world, cond, true);
    return 0;
}

/* ---- the clock, and who one is ---- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    struct sim_world *world = sim_world;
    if (sim_process_now() == NULL)
        return __real_clock_gettime(clock, time);
    world->now_ns += (int64_t)(1 + sim_pick(&world->chance, world->temper.tick_ns));
    sim_yield(world);
    *time = (struct timespec){.tv_sec = world->now_ns / 1000000000,
                              .tv_nsec = world->now_ns % 1000000000};
    return 0;
}

pid_t __wrap_getpid(void)
{
    const struct sim_process *process = sim_process_now();
    return process != NULL ? process->pid : __real_getpid();
}

pid_t __wrap_gettid(void)
{
    return sim_process_now() != NULL ? (pid_t)sim_world->current->number : __real_gettid();
}

int __wrap_kill(pid_t pid, int signal)
{
    if (sim_process_now() == NULL)
        return __real_kill(pid, signal);
    for (const struct sim_process *p = sim_world->processes; p != NULL; p = p->next) {
        if (p->pid == pid && !p->dead)
            return 0;
    }
    errno = ESRCH;
    return -1;
}
