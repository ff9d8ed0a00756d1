/* SPDX-License-Identifier: MIT */
#include "simulate/world.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate/switch.h"

/* Messages that are late cost seconds each, until the watchdog looks.  They are so only for a
 * while: what has not ended long after that hangs. */
#define LATE_NS (INT64_C(900) * 1000 * 1000 * 1000)
#define LIMIT_NS (INT64_C(3600) * 1000 * 1000 * 1000)

struct sim_world *sim_world;

/* Until the next turn at a branch: apart from the world, since it is counted so often. */
static uint64_t branches_left = UINT64_MAX;

/* ---- memory of the world itself ---- */

void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);

void *sim_own_alloc(size_t size)
{
    return sim_own_realloc(NULL, size);
}

void *sim_own_realloc(void *old, size_t size)
{
    void *memory = old == NULL ? __real_calloc(1, size) : __real_realloc(old, size);
    if (memory == NULL) {
        fputs("simulate: out of memory\n", stderr);
        exit(70);
    }
    return memory;
}

void sim_own_free(void *memory)
{
    __real_free(memory);
}

void __sanitizer_cov_trace_pc(void);

/* ---- the world ---- */

struct sim_world *sim_world_new(void)
{
    struct sim_world *world = sim_own_alloc(sizeof(*world));
    world->table = sim_table_new();
    world->net = sim_net_new();
    world->disk = sim_disk_new();
    world->heaps = sim_heaps_new();
    return world;
}

void sim_temper_choose(struct sim_world *world)
{
    static const unsigned yields[] = {1, 2, 4, 16, 64};
    static const unsigned fines[] = {0, 0, 40, 1000};
    static const unsigned nets[] = {50, 20, 80, 5, 2};
    static const uint64_t ticks[] = {100, 1000, 20000};
    static const int64_t steps[] = {50, 5000, 50000};
    static const unsigned hurries[] = {16, 64, 1024};
    struct sim_chance *chance = &world->chance;
    world->temper = (struct sim_temper){
        .yield_of = yields[sim_pick(chance, 5)],
        .fine_of = fines[sim_pick(chance, 4)],
        .net = nets[sim_pick(chance, 5)],
        .tick_ns = ticks[sim_pick(chance, 3)],
        .step_ns = steps[sim_pick(chance, 3)],
        .hurry = hurries[sim_pick(chance, 3)],
        .unfair = sim_percent(chance, 30) ? 95 : 0,
        .victim = (unsigned)sim_pick(chance, 8),
    };
    branches_left = world->temper.fine_of > 0 ? world->temper.fine_of : UINT64_MAX;
    world->quiet = false;
}

void sim_world_reset(struct sim_world *world, uint64_t seed)
{
    sim_world_clear(world);
    sim_disk_reset(world);
    world->chance.state = seed;
    world->steps = 0;
    world->limit = 20000000;
    world->now_ns = 1000000000;
    world->next_ns = SIM_NEVER;
    world->fault_count = world->faults_done = 0;
    memset(world->struck, 0, sizeof(world->struck));
    world->orphans_die_at = UINT64_MAX;
    world->power_lost = false;
    world->crashes = 0;
    world->full_until_ns = 0;
    world->first_send = 0;
    world->next_pid = 100;
    world->next_number = 0;
}

void sim_say(const struct sim_world *world, const char *fmt, ...)
{
    if (!world->verbose)
        return;
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%10" PRIu64 " %12.6f ms  ", world->steps,
            (double)(world->now_ns - 1000000000) / 1e6);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

struct sim_process *sim_process_now(void)
{
    return sim_world != NULL && sim_world->current != NULL ? sim_world->current->process : NULL;
}

/* ---- who can run ---- */

static void make_runnable(struct sim_world *world, struct sim_task *task)
{
    if (task->place != SIZE_MAX)
        return;
    if (world->runnable_count == world->runnable_room) {
        world->runnable_room = world->runnable_room * 2 + 64;
        world->runnable =
            sim_own_realloc(world->runnable, world->runnable_room * sizeof(struct sim_task *));
    }
    task->place = world->runnable_count;
    world->runnable[world->runnable_count++] = task;
}

static void make_waiting(struct sim_world *world, struct sim_task *task)
{
    if (task->place == SIZE_MAX)
        return;
    struct sim_task *last = world->runnable[--world->runnable_count];
    world->runnable[task->place] = last;
    last->place = task->place;
    task->place = SIZE_MAX;
}

static void leave_queues(struct sim_task *task)
{
    for (size_t i = 0; i < task->wait_count; i++) {
        struct sim_wait *wait = &task->waits[i];
        if (wait->at == NULL)
            continue;
        *wait->at = wait->next;
        if (wait->next != NULL)
            wait->next->at = wait->at;
        wait->at = NULL;
    }
    task->wait_count = 0;
    task->waits = NULL;
    task->on = NULL;
}

static void wake(struct sim_world *world, struct sim_task *task, bool timed_out)
{
    leave_queues(task);
    task->deadline = SIM_NEVER;
    task->timed_out = timed_out;
    make_runnable(world, task);
}

void sim_wake_all(struct sim_world *world, struct sim_queue *queue)
{
    while (queue->first != NULL)
        wake(world, queue->first->task, false);
}

void sim_wake_on(struct sim_world *world, const void *on, bool all)
{
    for (size_t i = 0; i < world->task_count; i++) {
        if (world->tasks[i]->on != on)
            continue;
        wake(world, world->tasks[i], false);
        if (!all)
            return;
    }
}

/* ---- tasks ---- */

void sim_task_free(struct sim_world *world, struct sim_task *task)
{
    leave_queues(task);
    make_waiting(world, task);
    for (size_t i = 0; i < world->task_count; i++) {
        if (world->tasks[i] == task)
            world->tasks[i] = world->tasks[--world->task_count];
    }
    if (task->stack != NULL) {
        task->stack->next = world->stacks;
        world->stacks = task->stack;
    }
    sim_own_free(task);
}

static void suspend(struct sim_world *world, int last)
{
    struct sim_task *task = world->current;
    task->saved_errno = errno;
    sim_context_leave(&task->context, world->context, task->stack, last);
    errno = task->saved_errno;
}

static void begin_task(void)
{
    struct sim_world *world = sim_world;
    struct sim_task *task = world->current;
    sim_context_arrive(task->stack);
    task->entry(task->argument);
    task->done = true;
    suspend(world, 1);
}

struct sim_task *sim_task_new(struct sim_process *process, void (*entry)(void *), void *argument)
{
    struct sim_world *world = sim_world;
    struct sim_task *task = sim_own_alloc(sizeof(*task));
    task->process = process;
    task->number = world->next_number++;
    task->entry = entry;
    task->argument = argument;
    task->deadline = SIM_NEVER;
    task->place = SIZE_MAX;
    task->stack = world->stacks;
    if (task->stack != NULL)
        world->stacks = task->stack->next;
    else
        task->stack = sim_stack_new();
    task->context = sim_context_new(task->stack, begin_task);
    if (world->task_count == world->task_room) {
        world->task_room = world->task_room * 2 + 64;
        world->tasks = sim_own_realloc(world->tasks, world->task_room * sizeof(struct sim_task *));
    }
    world->tasks[world->task_count++] = task;
    process->tasks++;
    make_runnable(world, task);
    return task;
}

void sim_yield(struct sim_world *world)
{
    if (world->current != NULL && sim_pick(&world->chance, world->temper.yield_of) == 0)
        suspend(world, 0);
}

static void take_turn_at_branch(void)
{
    struct sim_world *world = sim_world;
    branches_left = UINT64_MAX;
    if (world == NULL || world->temper.fine_of == 0)
        return;
    branches_left = 1 + sim_pick(&world->chance, 2 * (uint64_t)world->temper.fine_of);
    if (world->current != NULL && !world->quiet)
        suspend(world, 0);
}

/* Called at every branch of the code that was compiled with -fsanitize-coverage=trace-pc. */
void __sanitizer_cov_trace_pc(void)
{
    if (--branches_left == 0)
        take_turn_at_branch();
}

bool sim_wait_for(struct sim_world *world, struct sim_wait *waits, size_t count, const void *on,
                  int64_t deadline)
{
    struct sim_task *task = world->current;
    task->waits = waits;
    task->wait_count = count;
    for (size_t i = 0; i < count; i++) {
        struct sim_wait *wait = &waits[i];
        struct sim_queue *queue = wait->queue;
        wait->task = task;
        wait->at = NULL;
        if (queue == NULL)
            continue;
        wait->next = queue->first;
        if (wait->next != NULL)
            wait->next->at = &wait->next;
        wait->at = &queue->first;
        queue->first = wait;
    }
    task->on = on;
    task->timed_out = false;
    task->deadline = deadline;
    if (deadline < world->next_ns)
        world->next_ns = deadline;
    make_waiting(world, task);
    suspend(world, 0);
    return !task->timed_out;
}

/* ---- processes ---- */

struct sim_process *sim_process_new(struct sim_world *world, size_t group, void (*main)(void *),
                                    void *argument)
{
    struct sim_process *process = sim_own_alloc(sizeof(*process));
    process->pid = world->next_pid++;
    process->group = group;
    process->heap = sim_heap_take(world->heaps);
    process->next = world->processes;
    world->processes = process;
    if (group == SIM_COORDINATOR)
        world->coordinator = process;
    (void)sim_task_new(process, main, argument);
    return process;
}

static void drop_tasks(struct sim_world *world, const struct sim_process *process)
{
    for (size_t i = 0; i < world->task_count; i++) { /* some wait for others of these */
        if (world->tasks[i]->process == process)
            leave_queues(world->tasks[i]);
    }
    for (size_t i = world->task_count; i-- > 0;) {
        if (i < world->task_count && world->tasks[i]->process == process)
            sim_task_free(world, world->tasks[i]);
    }
}

void sim_process_kill(struct sim_world *world, struct sim_process *process, int signal)
{
    if (process->dead)
        return;
    process->dead = true;
    process->signal = signal;
    drop_tasks(world, process);
    process->tasks = 0;
    sim_net_drop(world, process);
    sim_disk_drop(world, process);
    sim_table_drop(world, process);
    sim_heap_give(world->heaps, process->heap);
    process->heap = NULL;
    sim_wake_all(world, &process->ended);
}

void sim_world_clear(struct sim_world *world)
{
    while (world->processes != NULL) {
        struct sim_process *process = world->processes;
        sim_process_kill(world, process, SIGKILL);
        world->processes = process->next;
        sim_own_free(process);
    }
    world->coordinator = NULL;
    sim_net_reset(world);
    sim_table_reset(world);
}

/* ---- the scheduler ---- */

/* Wake those whose time is up, and see when the next one's is. */
static void look_at_clock(struct sim_world *world)
{
    if (world->now_ns < world->next_ns)
        return;
    int64_t next = SIM_NEVER;
    for (size_t i = 0; i < world->task_count; i++) {
        struct sim_task *task = world->tasks[i];
        if (task->deadline <= world->now_ns)
            wake(world, task, true);
        else if (task->deadline < next)
            next = task->deadline;
    }
    world->next_ns = next;
}

/* One that can run and may; NULL: there is none. */
static struct sim_task *pick_task(struct sim_world *world)
{
    const size_t count = world->runnable_count;
    const size_t first = count > 0 ? sim_pick(&world->chance, count) : 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_task *task = world->runnable[(first + i) % count];
        if (task->process->stopped_until > world->now_ns)
            continue;
        const bool passed = count > 1 && task->number % 8 == world->temper.victim &&
                            sim_percent(&world->chance, world->temper.unfair);
        if (!passed || i + 1 == count)
            return task;
    }
    return NULL;
}

static void run_task(struct sim_world *world, struct sim_task *task)
{
    world->current = task;
    errno = task->saved_errno;
    sim_context_enter(&world->context, task->context, task->stack);
    world->current = NULL;
    if (!task->done)
        return;
    struct sim_process *process = task->process;
    process->tasks--;
    make_waiting(world, task);
    sim_wake_all(world, &task->ended);
    if (task->detached)
        sim_task_free(world, task);
    if (process->tasks == 0 && process != world->coordinator)
        sim_process_kill(world, process, 0);
}

/* Nobody can run: the clock goes on to when somebody can.  False: nobody ever will. */
static bool pass_time(struct sim_world *world)
{
    int64_t at = world->next_ns;
    for (size_t i = 0; i < world->runnable_count; i++) {
        const int64_t until = world->runnable[i]->process->stopped_until;
        at = until < at ? until : at;
    }
    if (at == SIM_NEVER)
        return false;
    if (at > world->now_ns)
        world->now_ns = at;
    look_at_clock(world);
    return true;
}

static bool step(struct sim_world *world)
{
    struct sim_task *task = pick_task(world);
    const bool moves = sim_net_has_more(world);
    if (task != NULL && !(moves && sim_percent(&world->chance, world->temper.net))) {
        run_task(world, task);
        return true;
    }
    if (task == NULL && moves && world->now_ns < LATE_NS &&
        sim_pick(&world->chance, world->temper.hurry) == 0) {
        sim_net_send(world);
        if (pass_time(world))
            return true;
    }
    return (moves && sim_net_step(world)) || pass_time(world);
}

static bool coordinator_is_back(const struct sim_world *world)
{
    return world->coordinator->tasks == 0;
}

enum sim_end sim_world_run(struct sim_world *world)
{
    while (!coordinator_is_back(world)) {
        world->steps++;
        world->now_ns += world->temper.step_ns;
        sim_faults_strike(world);
        if (world->coordinator->dead)
            return SIM_CRASHED;
        look_at_clock(world);
        if (!step(world))
            return SIM_STUCK;
        if (world->steps > world->limit || world->now_ns > LIMIT_NS)
            return SIM_ENDLESS;
    }
    return SIM_DONE;
}
