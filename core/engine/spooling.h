/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_SPOOLING_H
#define FLOW_ENGINE_SPOOLING_H

/*
 * A producer with a spool: what it emits is written to the state folder as it is sent on, so that
 * a run that goes on can emit it again although the producer cannot.  See docs/spool.md.
 *
 *     produce ──emit──┬──> open batch ──> readers          written when flow_wait returns, and on
 *                     └──> open entry ──> log              the disk if the producer answers its
 *                                                          senders, and before a state is saved
 *
 * The position in the log is saved with the replica's numbers.  A run that goes on from there emits
 * what lies behind it in place of calling produce, and then goes on with produce.
 *
 * Threads: the task's own.
 */

#include "engine/task.h"
#include "state/spool.h"

struct flow_spooling {
    struct flow_spool log;
    uint64_t limit;      /* bytes that may lie in the log before produce is not called */
    uint64_t saved;      /* position of the last checkpoint */
    uint64_t committed;  /* ... of the last one that can no longer be lost */
    int64_t unsynced_ns; /* since when something is not on the disk; 0: nothing */
    const uint8_t *reserved;
    bool owed; /* `saved` is not committed yet */
    bool full; /* the operator has been told that the disk is */
};

/* Make it, if the plan says that the replica has a spool. */
FLOW_NODISCARD enum flow_status flow_spooling_init(struct flow_replica *replica);
void flow_spooling_free(struct flow_replica *replica);

/* The position is known: look for what lies behind it. */
FLOW_NODISCARD enum flow_status flow_spooling_open(struct flow_replica *replica);

/* The stage emits a record. */
FLOW_NODISCARD enum flow_status flow_spooling_add(struct flow_replica *replica, unsigned port,
                                                  const struct flow_piece *piece);

/* Have everything on the disk; waits while that is full. */
FLOW_NODISCARD enum flow_status flow_spooling_sync(struct flow_replica *replica);

/*
 * Before flow_wait, for `fd` and `events` of poll(2).  Whoever answers its senders, or is about to
 * sleep, has everything on the disk then; others have it written, so that it outlives the process.
 */
FLOW_NODISCARD enum flow_status flow_spooling_wait(struct flow_replica *replica, int fd,
                                                   short events);

/* In place of produce, if `*taken` is set: emit what a former run had emitted, or wait for room. */
FLOW_NODISCARD enum flow_status flow_spooling_turn(struct flow_replica *replica, bool *taken);

/* After produce: what has waited for long is brought to the disk. */
FLOW_NODISCARD enum flow_status flow_spooling_settle(struct flow_replica *replica);

/* The state has been saved, and can no longer be lost. */
void flow_spooling_saved(struct flow_replica *replica);
void flow_spooling_committed(struct flow_replica *replica);

#endif /* FLOW_ENGINE_SPOOLING_H */
