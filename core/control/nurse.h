/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_NURSE_H
#define FLOW_CONTROL_NURSE_H

/*
 * The other end of control/nursery.h: what the process does that makes others.
 *
 * Threads: the only one of the process.
 */

#include <stdbool.h>
#include <stddef.h>

#include "flowrun/error.h"

/*
 * Make processes as long as the coordinator is there.  FLOW_OK: this is one of them, and
 * `*channel` is now its own; FLOW_ECLOSED: the coordinator has gone; else `err` says why it cannot
 * be done.
 */
FLOW_NODISCARD enum flow_status flow_nurse_serve(int *channel, struct flow_error *err);

/* In such a process: wait to hear which group it is.  FLOW_ECLOSED, FLOW_EPROTO. */
FLOW_NODISCARD enum flow_status flow_nurse_await(int channel, size_t *group,
                                                 struct flow_error *err);

/*
 * Show in the list of processes what it has become: in the bytes from `first` to the end of `last`,
 * two arguments that follow one another, stand the number of its group and its name.  Nothing
 * is done where they do not, or there is no room.
 */
void flow_nurse_rename(char *first, char *last, size_t group, const char *name);

#endif /* FLOW_CONTROL_NURSE_H */
