/* SPDX-License-Identifier: MIT */
#include "engine/task.h"

#include "engine/rejoin.h"

#define LOOK_AGAIN_NS 5000000 /* a reader that has ended may be gone without an answer */

/* Those of a list of links whose other end, of which `from` says which it is, may be. */
static enum flow_status fence_some(struct flow_task *task, const size_t *links, size_t count,
                                   bool from, struct flow_error *err)
{
    const struct flow_plan *plan = task->env->plan;
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < count && rc == FLOW_OK; i++) {
        const struct flow_plan_link *link = &plan->links[links[i]];
        if (plan->stages[plan->replicas[from ? link->from : link->to].stage].recovers)
            rc = flow_inbox_fence(task->inbox, (uint32_t)links[i], err);
    }
    return rc;
}

enum flow_status flow_task_fence(struct flow_task *task, struct flow_error *err)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < task->member_count && rc == FLOW_OK; i++) {
        const struct flow_plan_replica *self =
            &task->env->plan->replicas[task->members[i]->host.replica];
        rc = fence_some(task, self->in, self->in_count, true, err);
        if (rc == FLOW_OK)
            rc = fence_some(task, self->out, self->out_count, false, err);
    }
    return rc;
}

bool flow_task_take_back(const struct flow_task *task)
{
    bool passes_on = false;
    for (size_t i = 0; i < task->member_count; i++)
        passes_on = flow_pool_poll(task->members[i]->host.pool) || passes_on;
    return passes_on;
}

bool flow_task_writes(const struct flow_task *task, size_t link)
{
    const struct flow_plan *plan = task->env->plan;
    return link < plan->link_count && plan->replicas[plan->links[link].from].task == task->id;
}

enum flow_status flow_task_hello(struct flow_replica *member, const struct flow_message *message,
                                 bool writes)
{
    const bool is_new = member->env->incarnation > 0;
    if (writes)
        return flow_output_hello(&member->output, message, is_new);
    return is_new ? flow_input_welcome(&member->input, message)
                  : flow_input_greet(&member->input, message);
}

/* Wait until nobody reads any more what the former process has lent. */
static enum flow_status wait_for_answers(struct flow_task *task)
{
    struct flow_replica *self = task->members[0];
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && !flow_output_is_answered(&self->output)) {
        bool arrived;
        rc = flow_task_pump(task, &arrived);
        if (rc == FLOW_OK && !arrived)
            rc = flow_task_sleep(self, FLOW_STATE_WAIT_IN, NULL, 0, LOOK_AGAIN_NS);
        if (rc == FLOW_EAGAIN)
            rc = FLOW_OK;
    }
    return rc;
}

enum flow_status flow_task_rejoin(struct flow_task *task, bool *complete)
{
    struct flow_replica *self = task->members[0];
    const uint32_t incarnation = task->env->incarnation;
    bool any = false;
    enum flow_status rc = flow_output_greet(&self->output, incarnation);
    if (rc == FLOW_OK)
        rc = wait_for_answers(task);
    if (rc != FLOW_OK)
        return rc;
    *complete = flow_output_is_ended(&self->output);
    if (*complete) { /* whoever told the readers so had done everything, and counted it */
        flow_input_release(&self->input);
        return FLOW_OK;
    }
    flow_keep_restore(&self->keep, &self->output);
    self->input.taken = flow_read(&self->host.slot->records_in);
    flow_output_resume(&self->output, &any);
    /* Who has had the end may have gone, and what it passed on may still be read. */
    if (any)
        flow_pool_leave_arena(self->host.pool);
    return flow_input_hello(&self->input, incarnation);
}
