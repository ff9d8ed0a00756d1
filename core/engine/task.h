/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_TASK_H
#define FLOW_ENGINE_TASK_H

/*
 * A task: what one thread runs, a replica or several that are fused.
 *
 *            ┌───────────────────────────── task ──────────────────────────────┐
 *   inbox ──>│ accept ─> ready ─> first member ──call──> member ──call──> ... ──│──> readers'
 * inboxes │   credits <──────────── done ┘                 ^ credits        │
 *            └─────────────────────────────────────────────────────────────────┘
 *
 * The loop takes what is ready; with nothing ready it looks into the inbox; with nothing there it
 * sends what it has begun, tells its writers what they wait to hear, and sleeps.  Waiting for room
 * downstream is the same sleep: it goes on taking in what arrives (which credits bound), so that
 * the credits it waits for are never stuck behind data.
 *
 * Fused members.  Only the first member has input from outside; a batch that a member sends to
 * another is handed over by a call, and dealt with, down to the last member that it reaches, before
 * the call returns.  So the members of a task are never at work on two batches at once, nothing
 * waits between them, and the end of the input passes through them in the same way.  A member that
 * fails ends the task: those that called it get FLOW_EABORT, so that their error policies leave it
 * alone, and the task keeps the reason.
 *
 * Threads: the calls run on the task's thread, but for new, disconnect and free.
 */

#include "engine/peers.h"
#include "engine/replica.h"

struct flow_task {
    const struct flow_replica_env *env;
    size_t id;
    struct flow_inbox *inbox;
    struct flow_peers peers;
    uint64_t clock;                /* batches begun by any member */
    struct flow_replica **members; /* as in the plan: writers before readers */
    size_t member_count;
    struct flow_replica *culprit; /* the member that failed first; NULL: none has */
    enum flow_status failure;     /* what it returned */
    int64_t told_ns;              /* when writers were last told how far we are */
    int64_t due_ns;               /* when the next timer of a member comes; see engine/tick.h */
    bool woken;                   /* it has slept for want of input and taken nothing since */
    int notice_fd;                /* an eventfd: there is news of checkpoints; -1: there are none */
    uint64_t epoch;               /* a producer's: the last barrier that it has sent */
    uint64_t committed;           /* members know of commits up to this one */
};

/* How members wait and call. */
extern const struct flow_replica_waits flow_task_waits;

/* Make its members and bind its inbox.  `env` is borrowed until flow_task_free. */
FLOW_NODISCARD enum flow_status flow_task_new(const struct flow_replica_env *env, size_t id,
                                              struct flow_task **task, struct flow_error *err);

/* Close its sockets and let go of all batches; with `abandon`, what has not gone out is lost. */
void flow_task_disconnect(struct flow_task *task, bool abandon);

/* After flow_task_disconnect of all tasks, whose batches may be of this one's pools. */
void flow_task_free(struct flow_task *task);

/* Connect to the neighbours and open the stages.  On failure flow_task_error says why. */
FLOW_NODISCARD enum flow_status flow_task_open(struct flow_task *task);

/* Run to the end of the input, or of what a producer has; wait until everything is acknowledged. */
FLOW_NODISCARD enum flow_status flow_task_run(struct flow_task *task);

/* Close the stages, whether they were opened well, ended or failed. */
void flow_task_close(struct flow_task *task);

/* Why open or run failed, with the stage's name; borrowed. */
const struct flow_error *flow_task_error(const struct flow_task *task);

/* "gen", or "gen+copy+null", appended. */
void flow_task_name(const struct flow_task *task, struct flow_str *out);

/* Wake the task, on any thread: a checkpoint has begun, or can no longer be lost. */
void flow_task_notice(const struct flow_task *task);

/* A member has failed: the first reason stays, and FLOW_EABORT is what the others learn. */
FLOW_NODISCARD enum flow_status flow_task_blame(struct flow_task *task, struct flow_replica *member,
                                                enum flow_status rc);

/* Take in all that has arrived.  FLOW_EABORT: the run is being aborted. */
FLOW_NODISCARD enum flow_status flow_task_pump(struct flow_task *task, bool *arrived);

/*
 * With nothing there, sleep until something has arrived, one of `fds` (at most 3) is ready, or the
 * time is up.  The time counts as `why` for the member `who`.  FLOW_EAGAIN: the time is up.
 */
FLOW_NODISCARD enum flow_status flow_task_sleep(struct flow_replica *who,
                                                enum flow_replica_state why, struct pollfd *fds,
                                                size_t count, int64_t timeout_ns);

/* Tell writers, and new ones that wait for an answer, what they are to hear before a sleep. */
FLOW_NODISCARD enum flow_status flow_task_tell(struct flow_task *task);

/*
 * Send the open batches of `who` and of the members after it, none of which is at work on anything
 * then but `who`; with `try_only`, those that go out at once.
 */
FLOW_NODISCARD enum flow_status flow_task_flush(struct flow_replica *who, bool try_only);

#endif /* FLOW_ENGINE_TASK_H */
