/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_SETBACK_H
#define FLOW_CONTROL_SETBACK_H

/*
 * A process has died that nothing can take the place of, in a run that takes checkpoints: does the
 * run go back to the last one, when, and is a record to blame?
 *
 *     a fault with a record in hand ── known from before? ──no──> 1 of 3
 *                                          └─ yes ─> 2 of 3, 3 of 3: it is set aside
 *     any other death                ──> has the limit of the stage's "restart"
 *
 * A record is known again by its number, or, from the second time on, by what it looks like
 * (engine/careful.h): where several streams meet, its number may be another each time.
 *
 * It ends in any case: between two deaths of a stage there is a new checkpoint, or a record comes
 * nearer to being set aside, or the limit does.
 *
 * Threads: the coordinator's.
 */

#include "base/str.h"
#include "control/death.h"
#include "control/launch.h"

/* Of one stage: who of its replicas meets a record may be another each time. */
struct flow_setback {
    int64_t window_ns; /* when the first of `deaths` happened */
    unsigned deaths;   /* that count for the limit */
    unsigned idle;     /* in a row, without a checkpoint in between */
    bool known;        /* `epoch` is set, and no record was set aside since */
    uint64_t epoch;    /* the newest checkpoint when it last died */
    bool whole;        /* it had a batch in hand then, and it is not known which record */
    uint64_t blamed;   /* the record in hand at its last fault, and 1 more; 0: none */
    uint64_t print;    /* ... what it looked like; 0: not known */
    unsigned charges;  /* its faults so far */
};

/* Who has died, of what. */
struct flow_loss {
    size_t replica; /* that was at work */
    const struct flow_death *death;
    bool overdue;    /* it was killed since a record took too long */
    bool starting;   /* before records flowed, or again */
    int64_t now_ns;  /* when */
    uint64_t newest; /* the newest checkpoint; 0: none */
};

/*
 * True: the run is to go back, and begin anew at `*due_ns` (else untouched).  What is known of the
 * record in hand, or why the run ends, is appended to `text`.
 */
bool flow_setback_decide(struct flow_setback *setback, const struct flow_launch *launch,
                         const struct flow_loss *loss, int64_t *due_ns, struct flow_str *text);

/* The run has come to `epoch`, or goes `back` to it: records set aside that lie behind it need not
 * be remembered; in the second case the others will be met again. */
void flow_setback_forget(struct flow_board *board, uint64_t epoch, bool back);

#endif /* FLOW_CONTROL_SETBACK_H */
