/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_WATCHDOG_H
#define FLOW_CONTROL_WATCHDOG_H

/*
 * The coordinator's watchdog: it looks at the board a few times in each `run.stall`, and when
 * nothing has moved for that long, says who waits for whom; or when one stage alone has not come
 * back from a callback for that long while others go on.  It says so once, until something moves
 * again.  At any time others may ask the same at the run's door (control/door.h).
 *
 * A stall is reported after run.stall, and no later than a quarter of it after that.
 *
 * Threads: the coordinator's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/launch.h"
#include "flowrun/error.h"
#include "flowrun/run.h"

struct flow_watchdog;

/* NULL: no memory, and the run goes on unwatched.  Both are borrowed. */
struct flow_watchdog *flow_watchdog_new(const struct flow_launch *launch,
                                        const struct flow_run_options *options);
void flow_watchdog_free(struct flow_watchdog *dog); /* NULL: nothing to do */

/* What to wait for: a descriptor to be readable (-1: none), and a time (INT64_MAX: never). */
int flow_watchdog_fd(const struct flow_watchdog *dog);
int64_t flow_watchdog_due(const struct flow_watchdog *dog);

/* The time has come.  FLOW_EAGAIN: the run stands still, and its graph wants it to end then. */
FLOW_NODISCARD enum flow_status flow_watchdog_look(struct flow_watchdog *dog, int64_t now_ns,
                                                   struct flow_error *err);

/* The run begins anew after it went back: nothing stands still that has not begun. */
void flow_watchdog_reset(struct flow_watchdog *dog, int64_t now_ns);

/* Somebody asks.  `back`: where the run goes back to at the moment, NULL: it does not. */
void flow_watchdog_answer(struct flow_watchdog *dog, const char *back);

#endif /* FLOW_CONTROL_WATCHDOG_H */
