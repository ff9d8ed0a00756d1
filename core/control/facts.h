/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_FACTS_H
#define FLOW_CONTROL_FACTS_H

/*
 * What the system knows of the threads of a run, for core/watch/why.h: whether one is stopped or
 * gone, and which system call one that does not come back is in.  From /proc, as far as that may be
 * read; what may not stays empty.
 */

#include "plan/plan.h"
#include "watch/board.h"
#include "watch/why.h"

/* One for each replica of the plan, to be released with free(); NULL: no memory. */
struct flow_why_thread *flow_facts_new(const struct flow_plan *plan,
                                       const struct flow_board *board);

#endif /* FLOW_CONTROL_FACTS_H */
