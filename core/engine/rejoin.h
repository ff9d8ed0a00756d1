/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_REJOIN_H
#define FLOW_ENGINE_REJOIN_H

/*
 * How a process takes the place of one that has died, see docs/recovery.md:
 *
 *     1  say hello to each reader; it drops what still comes of the old one, and answers when
 *        nothing of that is read any more, there or further down
 *     2  unless all readers have had the end: set its counters to what was kept (engine/keep.h)
 *     3  the readers' counts now say how much of the results they have had already
 *     4  say hello to the writer, which takes back what it had lent, and delivers again
 *
 * Threads: the task's own.
 */

#include "engine/task.h"

/* Tell the inbox of the links whose other end may be replaced.  FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_task_fence(struct flow_task *task, struct flow_error *err);

/* Take back what other processes have returned.  Somebody may wait for what was lent to us, or
 * through us, and nobody would wake us for that.  True: something that was passed on has not been.
 */
bool flow_task_take_back(const struct flow_task *task);

/* Does the link start at this task? */
bool flow_task_writes(const struct flow_task *task, size_t link);

/* A hello, or the answer to ours, has come by a link of `member`, which writes to it or reads. */
FLOW_NODISCARD enum flow_status flow_task_hello(struct flow_replica *member,
                                                const struct flow_message *message, bool writes);

/* `*complete`: the readers have had everything, and nothing is left to be done. */
FLOW_NODISCARD enum flow_status flow_task_rejoin(struct flow_task *task, bool *complete);

#endif /* FLOW_ENGINE_REJOIN_H */
