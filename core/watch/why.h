/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_WHY_H
#define FLOW_WATCH_WHY_H

/*
 * Why nothing moves: from what the board says every replica is doing, who waits for whom, and who
 * is at the end of it.
 *
 * A task's thread is with one replica at a time, its actor: of fused stages the last that does not
 * wait to be called.  An actor is in a callback, or waits: for input, for room downstream, for
 * something outside (flow_wait), or for its output to be acknowledged.  Who waits for another actor
 * is not to blame; the search goes, in this order, for one that
 *
 *     is stopped by a signal, or its process is gone
 *     does not come back from opening, or from a callback
 *     waits for something outside, as a stage may: no fault of the run
 *     waits for nothing, with work for it on the way: it was not woken
 *     waits in a circle of others that all wait
 *
 * Pure: it reads the plan, the board and what it is handed.  The board of a live run may change
 * while it is read, so of a run that moves the answer is of no one moment.
 *
 * Threads: any.  Memory: all borrowed; what is returned is the caller's.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "plan/plan.h"
#include "watch/board.h"
#include "watch/stall.h"

enum flow_why_kind {
    FLOW_WHY_MOVING,   /* something has moved since the last look */
    FLOW_WHY_HANGING,  /* the same, but a stage has not come back from a callback for long */
    FLOW_WHY_BACK,     /* the run is going back to its last checkpoint */
    FLOW_WHY_ENDED,    /* no replica is left */
    FLOW_WHY_STOPPED,  /* a thread is stopped by a signal or a debugger */
    FLOW_WHY_GONE,     /* a process is gone or about to be */
    FLOW_WHY_OPENING,  /* a stage does not come back from opening */
    FLOW_WHY_CALLBACK, /* ... from a callback */
    FLOW_WHY_OUTSIDE,  /* a stage waits for something outside the run */
    FLOW_WHY_ASLEEP,   /* one waits though nobody is left to wait for, or has work on the way */
    FLOW_WHY_DEADLOCK, /* each waits for the next in a circle */
};

/* What the system says of a replica's thread; zeroed: nothing. */
struct flow_why_thread {
    char state;      /* as in /proc: R, S, D, T, t, Z; 'X': it is not there */
    char note[128];  /* "in the system call read on descriptor 0 (pipe:[17])"; "": not known */
    char waited[96]; /* what its descriptor of flow_wait is: "pipe:[17]"; "": not known */
};

struct flow_why_input {
    const struct flow_plan *plan;
    const struct flow_board *board;
    int64_t now_ns;
    int64_t moved_ns;                       /* when something last moved */
    bool moving;                            /* that was since the last look */
    const struct flow_stall_replica *moved; /* when each replica did; NULL: not known */
    int64_t hang_ns;                        /* not for so long, while others have, is a hang */
    const struct flow_why_thread *threads;  /* by replica; NULL: not known */
    const char *back;                       /* where the run goes back to; NULL: it does not */
};

struct flow_why {
    enum flow_why_kind kind;
    size_t
        *culprits; /* replicas; of a deadlock, each waits for the next and the last for the first */
    size_t culprit_count;
};

/* False: no memory.  flow_why_clear releases. */
bool flow_why_find(const struct flow_why_input *input, struct flow_why *why);
void flow_why_clear(struct flow_why *why);

/* The replica that the thread of a task is with. */
size_t flow_why_actor(const struct flow_plan *plan, const struct flow_board *board, size_t task);

/* Does actor `replica` wait for the other end of `link`? */
bool flow_why_waits(const struct flow_why_input *input, size_t replica, size_t link);

/* The replicas at whose hands `replica` waits, one for each link that flow_why_waits; returns how
 * many, and fills in the first `room` of them as links. */
size_t flow_why_waits_on(const struct flow_why_input *input, size_t replica, size_t *links,
                         size_t room);

/* Has the replica not ended yet? */
bool flow_why_is_live(const struct flow_board *board, size_t replica);

/* In one word, for JSON: "callback", "deadlock", ... */
const char *flow_why_kind_name(enum flow_why_kind kind);

/* One line without a newline: "nothing has moved for at least 31 s: stage 'work' ...". */
void flow_why_headline(const struct flow_why_input *input, const struct flow_why *why,
                       struct flow_str *out);

/* A line for each live replica, at most `lines` of them, culprits first. */
void flow_why_details(const struct flow_why_input *input, const struct flow_why *why, size_t lines,
                      struct flow_str *out);

/* "stage 'work' replica 1 (process 12, thread 14)" */
void flow_why_name(const struct flow_why_input *input, size_t replica, struct flow_str *out);

/* "in a callback" and its like. */
const char *flow_why_state(uint64_t state);

/* All of it; docs/when-things-go-wrong.md lists the members.  NULL: no memory. */
json_t *flow_why_json(const struct flow_why_input *input, const struct flow_why *why);

#endif /* FLOW_WATCH_WHY_H */
