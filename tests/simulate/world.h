/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_WORLD_H
#define SIMULATE_WORLD_H

/*
 * A machine that does not exist: processes and threads that are coroutines of one real thread, a
 * clock that goes when it is read and jumps when everybody waits, and a scheduler that decides by a
 * seed what happens next.  What runs in it is the engine as it is linked into the program; calls to
 * the system are taken over by the linker (--wrap), so the code under test does not know.
 *
 *     task ──> call to the system ──> scheduler ──> another task, or a message that moves on,
 *                                                   or a fault
 *
 * Everything that happens derives from the seed: the same seed is the same run, step by step.
 *
 * Threads: one.  The world is the one global of the simulation, since calls to the system have no
 * argument that it could come by.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "simulate/chance.h"

#define SIM_FD_BASE (1 << 20) /* descriptors from here on are of this world */
#define SIM_NEVER INT64_MAX
#define SIM_COORDINATOR SIZE_MAX   /* in place of a group */
#define SIM_NURSERY (SIZE_MAX - 1) /* likewise: a nursery, or a spare process of one */

struct sim_task;
struct sim_wait;

/* Those who wait for a thing. */
struct sim_queue {
    struct sim_wait *first;
};

/* One task's place in one queue; on the stack of whoever waits. */
struct sim_wait {
    struct sim_task *task;
    struct sim_queue *queue;
    struct sim_wait *next, **at;
};

struct sim_process {
    struct sim_process *next; /* of the world; the latest first */
    pid_t pid;
    size_t group; /* of the plan, or SIM_COORDINATOR or SIM_NURSERY */
    size_t tasks; /* alive */
    bool dead;
    bool struck;           /* by a fault, and not by the coordinator */
    int signal;            /* that killed it, or 0 */
    int64_t stopped_until; /* by SIGSTOP; 0: it is not */
    struct sim_heap *heap;
    struct sim_queue ended; /* those who wait for its end */
};

struct sim_task {
    struct sim_process *process;
    unsigned number;
    void (*entry)(void *);
    void *argument;
    void *result;  /* of a thread, for who joins it */
    void *context; /* its stack pointer while it does not run */
    struct sim_stack *stack;
    struct sim_wait *waits;
    size_t wait_count;
    const void *on;   /* the mutex or condition that it waits for */
    int64_t deadline; /* while it waits */
    size_t place;     /* in the list of those that can run; SIZE_MAX: it waits */
    bool timed_out, done, detached;
    int saved_errno;
    struct sim_queue ended;
};

/* How a seed makes the world behave; see sim_temper_choose. */
struct sim_temper {
    unsigned yield_of; /* at one of so many calls another task gets its turn */
    unsigned fine_of;  /* ... and at one of so many branches; 0: never */
    unsigned net;      /* of a hundred steps, those in which a message moves while tasks can run */
    uint64_t tick_ns;  /* the clock goes so far at most when it is read */
    int64_t step_ns;   /* ... and so far with each step */
    unsigned hurry;    /* one of so many times in which all wait, time passes before messages do */
    unsigned unfair;   /* percent: some tasks are passed over when it is their turn */
    unsigned victim;   /* ... which of eight */
};

enum sim_fault_kind {
    SIM_KILL,   /* SIGKILL or SIGSEGV to one process of the run, but the coordinator */
    SIM_STOP,   /* SIGSTOP to one, and SIGCONT later */
    SIM_CRASH,  /* everything dies */
    SIM_ORPHAN, /* the coordinator dies, and the others soon after */
    SIM_POWER,  /* everything dies, and what was not synced may be lost */
    SIM_FULL,   /* no room on the disk for a while */
    SIM_DRAIN,  /* somebody asks the run to stop */
    SIM_FAULTS  /* how many kinds there are */
};

struct sim_fault {
    enum sim_fault_kind kind;
    uint64_t step;
};

#define SIM_FAULTS_MOST 8

enum sim_end {
    SIM_DONE,    /* the coordinator has returned */
    SIM_CRASHED, /* it was killed */
    SIM_STUCK,   /* nobody can go on, ever */
    SIM_ENDLESS  /* too many steps, or too much time */
};

struct sim_world {
    struct sim_chance chance;
    struct sim_temper temper;
    uint64_t steps, limit;
    int64_t now_ns;
    int64_t next_ns;          /* the nearest deadline of somebody who waits */
    void *context;            /* the scheduler's own stack pointer */
    bool quiet;               /* no turns at branches for now */
    struct sim_task *current; /* NULL: the scheduler runs */
    struct sim_task **runnable;
    size_t runnable_count, runnable_room;
    struct sim_task **tasks; /* all that live */
    size_t task_count, task_room;
    struct sim_process *processes;
    struct sim_process *coordinator;
    pid_t next_pid;
    unsigned next_number;                     /* of a task */
    struct sim_stack *stacks;                 /* free ones */
    struct sim_fault faults[SIM_FAULTS_MOST]; /* by step */
    size_t fault_count, faults_done;
    uint64_t struck[SIM_FAULTS]; /* faults that happened */
    uint64_t orphans_die_at;     /* a step */
    bool power_lost;
    unsigned crashes;    /* deaths by SIGSEGV */
    int stop_fd;         /* where a run is asked to stop; -1: nowhere */
    uint64_t first_send; /* the step at which something was first sent; 0: not yet */
    bool (*is_replaced)(const void *plan, size_t group); /* does a death of the group not matter? */
    const void *plan;
    const char *state;     /* the state folder, as processes are told; NULL: no checkpoints */
    int64_t full_until_ns; /* the disk has no room */
    bool verbose;
    struct sim_table *table; /* descriptors */
    struct sim_net *net;     /* sockets */
    struct sim_disk *disk;
    struct sim_heaps *heaps;
};

/* The world that calls to the system belong to; NULL: the real one. */
extern struct sim_world *sim_world;

struct sim_world *sim_world_new(void);

/* Begin anew: no processes, time 0, an empty disk. */
void sim_world_reset(struct sim_world *world, uint64_t seed);

/* How this world behaves, by its seed. */
void sim_temper_choose(struct sim_world *world);

/* A process with one task, which is in `main`. */
struct sim_process *sim_process_new(struct sim_world *world, size_t group, void (*main)(void *),
                                    void *argument);

/* Another task of the process that runs. */
struct sim_task *sim_task_new(struct sim_process *process, void (*entry)(void *), void *argument);

/* It has been joined. */
void sim_task_free(struct sim_world *world, struct sim_task *task);

/* It dies: its tasks are dropped where they are, its descriptors closed. */
void sim_process_kill(struct sim_world *world, struct sim_process *process, int signal);

/* Run until the coordinator has returned or died. */
enum sim_end sim_world_run(struct sim_world *world);

/* Let go of all that is left. */
void sim_world_clear(struct sim_world *world);

/* Of a task: let another have its turn, perhaps, or certainly. */
void sim_yield(struct sim_world *world);

/* Of a task: wait in these queues, at most until `deadline`.  False: the time is up. */
bool sim_wait_for(struct sim_world *world, struct sim_wait *waits, size_t count, const void *on,
                  int64_t deadline);

/* Whoever waits there can run. */
void sim_wake_all(struct sim_world *world, struct sim_queue *queue);
void sim_wake_on(struct sim_world *world, const void *on, bool all);

/* The process that runs; NULL: none. */
struct sim_process *sim_process_now(void);

/* Said with --verbose. */
__attribute__((format(printf, 2, 3))) void sim_say(const struct sim_world *world, const char *fmt,
                                                   ...);

/* In faults.c: those whose step has come. */
void sim_faults_strike(struct sim_world *world);

/* In the other files: what a dead process leaves, and what happens by itself. */
void sim_table_drop(struct sim_world *world, const struct sim_process *process);
void sim_net_drop(struct sim_world *world, const struct sim_process *process);
void sim_disk_drop(struct sim_world *world, const struct sim_process *process);
bool sim_net_has_more(const struct sim_world *world);
/* False: nothing could move. */
bool sim_net_step(struct sim_world *world);
/* What is unsent is sent, which needs no one else. */
void sim_net_send(struct sim_world *world);

struct sim_table *sim_table_new(void);
void sim_table_reset(struct sim_world *world);
struct sim_net *sim_net_new(void);
void sim_net_reset(struct sim_world *world);
struct sim_disk *sim_disk_new(void);
void sim_disk_reset(struct sim_world *world);
/* The power comes back: what was not synced may be gone. */
void sim_disk_lose(struct sim_world *world);
struct sim_heaps *sim_heaps_new(void);
struct sim_heap *sim_heap_take(struct sim_heaps *heaps);
void sim_heap_give(struct sim_heaps *heaps, struct sim_heap *heap);

/* Memory that is not of any process. */
void *sim_own_alloc(size_t size);
void *sim_own_realloc(void *old, size_t size);
void sim_own_free(void *memory);

#endif /* SIMULATE_WORLD_H */
