/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_REPLICA_H
#define FLOW_ENGINE_REPLICA_H

/*
 * A replica: one running copy of a stage, with its input and output sides, on a thread of its own.
 *
 *            ┌───────────────────────── replica ─────────────────────────┐
 *   inbox ──>│ accept ─> ready ─> process ─> batches being filled ─> deal │──> readers' inboxes
 *            │   credits <──────────── done ┘         ^ credits           │
 *            └───────────────────────────────────────────────────────────┘
 *
 * The loop takes what is ready; with nothing ready it looks into the inbox; with nothing there it
 * sends what it has begun, tells its writers what they wait to hear, and sleeps.  Waiting for room
 * downstream is the same sleep: it goes on taking in what arrives (which credits bound), so that
 * the credits it waits for are never stuck behind data.
 *
 * Threads: the calls run on the replica's thread, but for `free`, which needs it to have ended.
 */

#include <stdatomic.h>

#include "engine/edit.h"
#include "engine/host.h"
#include "engine/input.h"
#include "engine/output.h"
#include "flowrun/stage.h"

struct flow_replica_env {
    const struct flow_plan *plan;
    struct flow_board *board;
    struct flow_transport *transport;
    atomic_bool *aborting; /* of the group */
    atomic_bool *draining;
    int abort_fd; /* readable when aborting */
    int drain_fd; /* readable when draining */
    void *context;
    void (*log)(void *context, const char *line);
};

struct flow_replica {
    struct flow_stage stage; /* first: what callbacks are handed is the replica itself */
    struct flow_info info;
    const struct flow_replica_env *env;
    const struct flow_stage_type *type;
    const struct flow_error_policy *policy;
    void *self;    /* the stage's state, filled from its parameters */
    bool opened;   /* open was called: close is owed */
    bool emits;    /* something takes from a port of the stage's own */
    bool may_undo; /* the policy may let the run go on after a bad record */
    struct flow_host host;
    struct flow_inbox *inbox;
    struct flow_input input;
    struct flow_output output;
    struct flow_item item;     /* the batch in hand */
    struct flow_batch batch;   /* ... as the callback sees it */
    struct flow_cursor cursor; /* ... where `process` goes through it */
    struct flow_edit edit;
    uint64_t serial;   /* of the record in hand, for withdrawing */
    bool in_batch;     /* in process_batch: flow_batch_reject applies the policy itself */
    bool trying_again; /* ... on a single record, after it was refused */
    bool routing;      /* a record is being emitted on the errors port */
    uint32_t *refused; /* records of the batch to be tried again, and their reasons */
    size_t refused_count, refused_capacity;
    char reason[512]; /* what the callback said last */
    bool has_reason;
    int64_t waited_out_ns; /* in all, for telling work from waiting */
    int64_t flushed_ns;    /* when open batches were last sent */
    int64_t told_ns;       /* when writers were last told how far we are */
};

/* Make it and bind its inbox.  `env` is borrowed until flow_replica_free. */
FLOW_NODISCARD enum flow_status flow_replica_new(const struct flow_replica_env *env, size_t id,
                                                 struct flow_replica **replica,
                                                 struct flow_error *err);
/* Close its sockets and let go of all batches; with `abandon`, what has not gone out is lost. */
void flow_replica_disconnect(struct flow_replica *replica, bool abandon);

/* After flow_replica_disconnect of all replicas, whose batches may be of this one's pool. */
void flow_replica_free(struct flow_replica *replica);

/* Connect to the neighbours and open the stage.  On failure the replica's error says why. */
FLOW_NODISCARD enum flow_status flow_replica_open(struct flow_replica *replica);

/* Run to the end of the input, or of what a producer has; wait until everything is acknowledged. */
FLOW_NODISCARD enum flow_status flow_replica_run(struct flow_replica *replica);

/* Close the stage, whether it was opened well, ended or failed. */
void flow_replica_close(struct flow_replica *replica);

/* Add the stage's name, replica and, with `number`, record to a failure; only the first counts. */
FLOW_PRINTF(4, 5)
enum flow_status flow_replica_fail(struct flow_replica *replica, enum flow_status status,
                                   const uint64_t *number, const char *fmt, ...);

/*
 * Take in all that has arrived; with nothing there, and `sleep`, sleep until something has, one of
 * `fds` is ready, or the time is up.  FLOW_EAGAIN: the time is up.  FLOW_EABORT.
 */
FLOW_NODISCARD enum flow_status flow_replica_pump(struct flow_replica *replica, bool *arrived);
FLOW_NODISCARD enum flow_status flow_replica_sleep(struct flow_replica *replica,
                                                   enum flow_replica_state why, struct pollfd *fds,
                                                   size_t count, int64_t timeout_ns);

/* What callbacks may call. */
extern const struct flow_calls flow_replica_calls;

/* A stage of one input and one output that passes batches on: what the plan puts in for order. */
extern const struct flow_stage_type flow_sequencer_type;

/* The error policy; see policy.c. */
FLOW_NODISCARD enum flow_status flow_policy_process(struct flow_replica *replica);
enum flow_status flow_policy_refuse(struct flow_replica *replica, enum flow_status status,
                                    uint32_t index);
enum flow_status flow_policy_unkeyed(void *replica, const struct flow_piece *record,
                                     uint64_t number, const char *reason);

#endif /* FLOW_ENGINE_REPLICA_H */
