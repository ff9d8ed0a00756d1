/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_REVIVE_H
#define FLOW_CONTROL_REVIVE_H

/*
 * A process of a stage that can be replaced has died: is it replaced, when, and is one of its
 * records to blame?
 *
 * A fault (a signal such as SIGSEGV, or an exit) with a record in hand is that record's, and so is
 * a callback that took too long and was ended for it.  Then the next process begins at once and
 * meets the record again; at the third death it is set aside: the engine handles it by the stage's
 * error policy without calling the stage (engine/aside.c).  Where it is not known which record of a
 * batch it was, they are handed out one by one the next time.
 *
 * All other deaths come from outside, and have the limit of "restart".  The next process begins at
 * once if the last one had got anything done, or was the first that had not; else after a while
 * that doubles.
 *
 * Before records flow there is nothing to lose, and any process that is killed from outside may be
 * started again.  A fault of its own it would only repeat.
 *
 * Threads: the coordinator's.
 */

#include "base/str.h"
#include "control/death.h"
#include "control/launch.h"

#define FLOW_BLAME_TRIES 3

struct flow_revival {
    int64_t due_ns;    /* when the next process is to be started */
    int64_t window_ns; /* when the first of `deaths` happened */
    unsigned deaths;   /* from outside */
    unsigned idle;     /* in a row, of processes that got nothing done */
    uint64_t kept;     /* how often progress had been noted when the process was started */
    bool overdue;      /* it is being killed since a record takes too long, ... */
    size_t late;       /* ... of this replica */
    uint64_t blamed;   /* the record of the last fault, and 1 more; 0: none */
    unsigned charges;  /* its faults so far */
    uint64_t aside[FLOW_ASIDE_MOST]; /* the batches of the records on the board, and 1 more */
};

/* What a replica had in hand at the last look, and since when. */
struct flow_sight {
    uint64_t batch, record;
    int64_t since_ns; /* 0: nothing */
};

/*
 * It died at `now_ns`.  True: it is to be replaced, at revival->due_ns.  What is done, or why
 * nothing more can be, is appended to `text`.
 */
bool flow_revival_decide(struct flow_revival *revival, const struct flow_launch *launch,
                         const struct flow_crew *crew, const struct flow_death *death,
                         int64_t now_ns, struct flow_str *text);

/* The same before records flow, for any group that has a process to itself. */
bool flow_revival_retry(struct flow_revival *revival, const struct flow_launch *launch,
                        const struct flow_crew *crew, const struct flow_death *death,
                        int64_t now_ns, struct flow_str *text);

/* The one replica of a group that can be replaced; the first of any other. */
size_t flow_revival_replica(const struct flow_launch *launch, size_t group);

/* Its next process is about to be started. */
void flow_revival_begin(struct flow_revival *revival, const struct flow_launch *launch,
                        size_t group);

/* Has it nothing left to do, so that its death does not matter? */
bool flow_revival_is_done(const struct flow_launch *launch, size_t group);

/* How long to wait before a start, when the last `idle` ones have gained nothing [ns]. */
int64_t flow_restart_wait(const struct flow_restart *restart, unsigned idle);

/* Has a record been in a callback for longer than its stage's "timeout"? */
bool flow_sight_is_overdue(struct flow_sight *sight, const struct flow_launch *launch,
                           size_t replica, int64_t now_ns);

/* "has worked on record 12 for longer than its timeout (2s)" */
void flow_sight_describe(const struct flow_launch *launch, size_t replica, struct flow_str *out);

#endif /* FLOW_CONTROL_REVIVE_H */
