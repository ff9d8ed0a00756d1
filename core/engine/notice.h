/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_NOTICE_H
#define FLOW_ENGINE_NOTICE_H

/*
 * How a task that sleeps is woken for news of checkpoints: an eventfd of its own, among what it
 * sleeps on.  What the news is stands in engine/epochs.h.
 *
 * Threads: the task's own, but for flow_task_notice (engine/task.h).
 */

#include "engine/task.h"

/* To be called when the task is made; without checkpoints there is nothing to wake for.  FLOW_EIO.
 */
FLOW_NODISCARD enum flow_status flow_notice_open(struct flow_task *task, struct flow_error *err);
void flow_notice_close(struct flow_task *task);

/* It is awake; whoever sleeps next looks for himself what there is to do. */
void flow_notice_take(const struct flow_task *task);

#endif /* FLOW_ENGINE_NOTICE_H */
