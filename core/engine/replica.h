/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_REPLICA_H
#define FLOW_ENGINE_REPLICA_H

/*
 * A replica: one running copy of a stage, with its input and output sides.  The task that it is a
 * member of (engine/task.h) runs it, alone or with others that are fused.
 *
 * Threads: the calls run on the task's thread, but for new, let_go and free.
 */

#include <stdatomic.h>

#include "engine/aside.h"
#include "engine/edit.h"
#include "engine/epochs.h"
#include "engine/host.h"
#include "engine/input.h"
#include "engine/keep.h"
#include "engine/output.h"
#include "engine/timers.h"
#include "flowrun/stage.h"

struct flow_replica_env {
    const struct flow_plan *plan;
    struct flow_board *board;
    struct flow_transport *transport;
    const struct flow_memory *memory; /* what processes share; NULL: nothing */
    atomic_bool *aborting;            /* of the group */
    atomic_bool *draining;
    uint32_t incarnation;             /* how often this process has been replaced */
    int abort_fd;                     /* readable when aborting */
    int drain_fd;                     /* readable when draining */
    const struct flow_epochs *epochs; /* NULL: the run takes no checkpoints */
    void *context;
    void (*log)(void *context, const char *line);
};

struct flow_hold;
struct flow_spooling;
struct flow_task;

/* How a replica waits and calls, which is its task's business; see engine/host.h. */
struct flow_replica_waits {
    enum flow_status (*wait_room)(void *replica);
    enum flow_status (*look)(void *replica);
    enum flow_status (*call)(void *replica, const struct flow_message *message);
};

struct flow_replica {
    struct flow_stage stage; /* first: what callbacks are handed is the replica itself */
    struct flow_info info;
    const struct flow_replica_env *env;
    struct flow_task *task;
    size_t place; /* in it; all but the first are called */
    const struct flow_stage_type *type;
    const struct flow_error_policy *policy;
    void *self;    /* the stage's state, filled from its parameters */
    bool opened;   /* open was called: close is owed */
    bool emits;    /* something takes from a port of the stage's own */
    bool may_undo; /* the policy may let the run go on after a bad record */
    struct flow_host host;
    struct flow_input input;
    struct flow_output output;
    struct flow_keep keep;     /* if it may be replaced */
    struct flow_item item;     /* the batch in hand */
    struct flow_batch batch;   /* ... as the callback sees it */
    struct flow_cursor cursor; /* ... where `process` goes through it */
    struct flow_edit edit;
    struct flow_hold *hold;         /* of a stage that may hold records; else NULL */
    struct flow_timers timers;      /* of one that has `ready` and may not; see engine/tick.h */
    struct flow_spooling *spooling; /* of a producer with a spool; else NULL */
    const struct flow_graph_fault *const *faults; /* of a test; else NULL: see engine/fault.h */
    struct flow_aside aside;                      /* records that are not to be tried */
    const struct flow_fatal *fatal; /* of them, the one that is being given up; NULL: none */
    bool careful;                   /* records go one by one; see engine/careful.h */
    uint64_t serial;                /* of the record in hand, for withdrawing */
    bool in_batch;     /* in process_batch: flow_batch_reject applies the policy itself */
    bool trying_again; /* ... on a single record, after it was refused */
    bool routing;      /* a record is being emitted on the errors port */
    uint32_t *refused; /* records of the batch to be tried again, and their reasons */
    size_t refused_count, refused_capacity;
    char reason[512]; /* what the callback said last */
    bool has_reason;
    bool was_finished;      /* ... already at the checkpoint that the run goes on from */
    bool is_over;           /* it has finished, and is called for commits only */
    uint64_t saved_epoch;   /* of the last barrier that it passed */
    uint64_t owed_epoch;    /* once this is committed its stage is to be told; 0: it has been */
    int64_t waited_out_ns;  /* first of a task: for room, by all its members */
    int64_t counted_out_ns; /* ... of which reported as time that records took */
    int64_t flushed_ns;     /* when open batches were last sent */
    int64_t ended_ns;       /* when the last batch was done */
};

/* Where the other ends of its links are, fused ones left out: a set of enum flow_reach. */
unsigned flow_replica_reach(const struct flow_plan *plan, size_t id);

/* The task, its environment and `waits` are borrowed until flow_replica_free. */
FLOW_NODISCARD enum flow_status flow_replica_new(struct flow_task *task,
                                                 const struct flow_replica_waits *waits, size_t id,
                                                 struct flow_replica **replica,
                                                 struct flow_error *err);

/* Let go of all batches. */
void flow_replica_let_go(struct flow_replica *replica);

/* After flow_replica_let_go of all replicas, whose batches may be of this one's pool. */
void flow_replica_free(struct flow_replica *replica);

/* Open the stage, when the task has connected.  On failure the replica's error says why. */
FLOW_NODISCARD enum flow_status flow_replica_open(struct flow_replica *replica);

/* The run begins, and, well or not, has ended. */
void flow_replica_begin(struct flow_replica *replica);
void flow_replica_end(struct flow_replica *replica, bool well);

/* Call produce once.  FLOW_ECLOSED: it has no more. */
FLOW_NODISCARD enum flow_status flow_replica_produce(struct flow_replica *replica);

/* Do with replica->item, which may be a barrier, what is to be done, from now, `start_ns`, to
 * ended_ns. */
FLOW_NODISCARD enum flow_status flow_replica_take(struct flow_replica *replica, int64_t start_ns);

/* Process replica->item, from now, `start_ns`, to ended_ns. */
FLOW_NODISCARD enum flow_status flow_replica_process(struct flow_replica *replica,
                                                     int64_t start_ns);

/* Bring the counts on the board up to date. */
void flow_replica_publish(struct flow_replica *replica);

/* The input has ended: finish the stage, send what is left, and end all edges. */
FLOW_NODISCARD enum flow_status flow_replica_finish(struct flow_replica *replica);

/* Close the stage, whether it was opened well, ended or failed. */
void flow_replica_close(struct flow_replica *replica);

/* Every failure names its stage: make sure that the replica's error does. */
void flow_replica_explain(struct flow_replica *replica, enum flow_status rc);

/* Account for a sleep: rest before it returns the time, which wake takes. */
int64_t flow_replica_rest(struct flow_replica *replica, enum flow_replica_state why);
int64_t flow_replica_wake(struct flow_replica *replica, enum flow_replica_state why,
                          int64_t start_ns);

/* Account for a call to a fused member: enter, which returns the time, and leave. */
int64_t flow_replica_enter(struct flow_replica *replica);
void flow_replica_leave(struct flow_replica *replica, int64_t now_ns);

/* Time since it began in which it did not wait for anything or anybody. */
int64_t flow_replica_busy_ns(const struct flow_replica *replica);

/* Add the stage's name, replica and, with `number`, record to a failure; only the first counts. */
FLOW_PRINTF(4, 5)
enum flow_status flow_replica_fail(struct flow_replica *replica, enum flow_status status,
                                   const uint64_t *number, const char *fmt, ...);

/* What callbacks may call. */
extern const struct flow_calls flow_replica_calls;

/* A stage of one input and one output that passes batches on: what the plan puts in for order. */
extern const struct flow_stage_type flow_sequencer_type;

/* The error policy; see policy.c. */
FLOW_NODISCARD enum flow_status flow_policy_process(struct flow_replica *replica);
enum flow_status flow_policy_give_up(struct flow_replica *replica, const struct flow_record *record,
                                     const char *reason, unsigned tries);
const char *flow_policy_reason(const struct flow_replica *replica);
int64_t flow_policy_backoff(const struct flow_error_policy *policy, unsigned tries);
enum flow_status flow_policy_stop(struct flow_replica *replica, enum flow_status status,
                                  const uint64_t *number);
enum flow_status flow_policy_refuse(struct flow_replica *replica, enum flow_status status,
                                    uint32_t index);
enum flow_status flow_policy_unkeyed(void *replica, const struct flow_piece *record,
                                     uint64_t number, const char *reason);

#endif /* FLOW_ENGINE_REPLICA_H */
