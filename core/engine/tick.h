/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_TICK_H
#define FLOW_ENGINE_TICK_H

/*
 * Timers of stages that take batches and hold nothing: `ready` is called when one has come, between
 * two callbacks, on the thread that all members of the task share.  What a fused member does then
 * is as if it had been called.  A thread that is busy or sleeps looks at one number, when the next
 * timer of any member comes; one that waits for room downstream does not look.
 *
 * Threads: the task's own.
 */

#include "engine/task.h"

/* Set the timer `tag` of a member's stage; `after_ns` < 0 takes it out.  False: no memory. */
bool flow_tick_set(struct flow_replica *member, uint64_t tag, int64_t after_ns);

/* Call what is due of the members from `place` on, none of which is at work on anything. */
FLOW_NODISCARD enum flow_status flow_tick_call(struct flow_task *task, size_t place);

/* Of those behind `who`, which waits; what they emit goes out at once. */
FLOW_NODISCARD enum flow_status flow_tick_behind(struct flow_replica *who);

/* Let so much time pass, in which those behind `who` are called by their timers. */
FLOW_NODISCARD enum flow_status flow_tick_wait(struct flow_replica *who, int64_t wait_ns);

static inline bool flow_tick_is_due(const struct flow_task *task, int64_t now_ns)
{
    return now_ns >= task->due_ns;
}

/* The shorter of a time to sleep (< 0: for ever) and the time until the next timer of the members
 * from `place` on. */
int64_t flow_tick_limit(const struct flow_task *task, size_t place, int64_t timeout_ns);

#endif /* FLOW_ENGINE_TICK_H */
