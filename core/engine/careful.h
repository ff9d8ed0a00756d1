/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_CAREFUL_H
#define FLOW_ENGINE_CAREFUL_H

/*
 * A replica that has died with a record in hand, in a run that has gone back to a checkpoint for
 * it, goes more carefully the second time: record by record, and before each the board is told what
 * it looks like, so that it is known again whatever number it has.  One that has been given up is
 * handled by the error policy without calling the stage.
 *
 *     checkpoint ── ... ── x ── ... ── checkpoint            x: the record in hand at the death
 *          └─ careful, until as many were taken in ──┘
 *
 * Threads: the replica's own.
 */

#include "engine/replica.h"

/* The replica opens: what the board says. */
void flow_careful_begin(struct flow_replica *replica);

/* A record is next: tell the board; if it has been given up, what of; NULL: it has not. */
const struct flow_fatal *flow_careful_look(struct flow_replica *replica,
                                           const struct flow_record *record);

/* A barrier has been passed: is the record that it died of behind it? */
void flow_careful_pass(struct flow_replica *replica);

/* What bytes, key and port look like; never 0. */
uint64_t flow_record_print(const struct flow_record *record);

#endif /* FLOW_ENGINE_CAREFUL_H */
