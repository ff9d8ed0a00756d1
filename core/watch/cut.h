/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_CUT_H
#define FLOW_WATCH_CUT_H

/*
 * What the board said at a checkpoint, so that the books of a run that goes back to it go on from
 * there: in the end all counts are what they would be had nothing happened.
 *
 * A checkpoint is a cut through the run, with a moment for each replica (engine/barrier.h).  At its
 * moment a replica notes its counts, a writer those of each link with the barrier that it sends, a
 * reader with the barrier that has come.  Two rows are kept in turn, by the parity of the epoch:
 * one is being filled while the other stands for the checkpoint that is there.  What a replica has
 * counted at its end goes for all epochs from `final_epoch` on.
 *
 * Threads: the notes are the replica's own; flow_cut_restore is for when nobody runs.
 */

#include "plan/plan.h"
#include "watch/board.h"

/* The counters that FLOW_KEPT counts. */
flow_counter *flow_board_kept(struct flow_board_replica *slot, size_t index);

/*
 * Has the replica, or a process before this one, passed the barrier of the epoch?  Then it is noted
 * already, and what a successor counts may be of a later moment: it begins behind the last batch of
 * which everything has arrived, and yet is given the barrier before that again.
 */
bool flow_cut_is_past(const struct flow_board_replica *slot, uint64_t epoch);

void flow_cut_note(struct flow_board_replica *slot, uint64_t epoch);
void flow_cut_note_end(struct flow_board_replica *slot, uint64_t epoch);

/*
 * The first barrier of an epoch that is sent by the link is noted, and none that a successor sends
 * again.  That is not a question of what the replica has passed: a barrier may queue behind records
 * that wait on an edge that drops its oldest, and go out much later.
 */
void flow_cut_note_sent(struct flow_board_link *slot, uint64_t epoch);

void flow_cut_note_received(struct flow_board_link *slot, uint64_t epoch);

/*
 * Set the board back to `epoch`, 0: to the beginning, for processes and threads that begin anew.
 * Times go on: what passed since `died_ns` is nobody's work.
 */
void flow_cut_restore(const struct flow_plan *plan, struct flow_board *board, uint64_t epoch,
                      int64_t died_ns, int64_t now_ns);

#endif /* FLOW_WATCH_CUT_H */
