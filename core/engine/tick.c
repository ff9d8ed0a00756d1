/* SPDX-License-Identifier: MIT */
#include "engine/tick.h"

#include "base/clock.h"

bool flow_tick_set(struct flow_replica *member, uint64_t tag, int64_t after_ns)
{
    struct flow_task *task = member->task;
    const int64_t due = after_ns < 0 ? -1 : flow_now_ns() + after_ns;
    if (!flow_timers_set(&member->timers, tag, due))
        return false;
    /* One that was taken out may leave the task with a time that is too early: it looks, and finds
     * the right one. */
    const int64_t next = flow_timers_next(&member->timers);
    task->due_ns = next < task->due_ns ? next : task->due_ns;
    return true;
}

static int64_t next_of(const struct flow_task *task, size_t place)
{
    int64_t first = INT64_MAX;
    for (size_t i = place; i < task->member_count; i++) {
        const int64_t next = flow_timers_next(&task->members[i]->timers);
        first = next < first ? next : first;
    }
    return first;
}

int64_t flow_tick_limit(const struct flow_task *task, size_t place, int64_t timeout_ns)
{
    const int64_t next = task->due_ns != INT64_MAX ? next_of(task, place) : INT64_MAX;
    if (next == INT64_MAX)
        return timeout_ns;
    const int64_t now = flow_now_ns();
    const int64_t left = next > now ? next - now : 0;
    return timeout_ns < 0 || left < timeout_ns ? left : timeout_ns;
}

static enum flow_status call_one(struct flow_replica *member, uint64_t tag)
{
    const bool called = member->place > 0;
    if (called)
        (void)flow_replica_enter(member);
    member->has_reason = false;
    enum flow_status rc = member->type->ready(member->self, &member->stage, tag, 0);
    if (rc == FLOW_OK)
        rc = flow_output_settle_runs(&member->output);
    else
        rc = flow_policy_stop(member, rc, NULL);
    flow_replica_publish(member);
    if (called)
        flow_replica_leave(member, flow_now_ns());
    return rc;
}

static enum flow_status call_member(struct flow_task *task, struct flow_replica *member)
{
    const int64_t now = flow_now_ns();
    struct flow_timer_entry entry;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && flow_timers_take(&member->timers, now, &entry))
        rc = member->was_finished || member->is_over ? FLOW_OK : call_one(member, entry.tag);
    return flow_task_blame(task, member, rc);
}

enum flow_status flow_tick_call(struct flow_task *task, size_t place)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = place; rc == FLOW_OK && i < task->member_count; i++)
        rc = call_member(task, task->members[i]);
    task->due_ns = next_of(task, 0);
    return rc;
}

enum flow_status flow_tick_behind(struct flow_replica *who)
{
    const enum flow_status rc = flow_tick_call(who->task, who->place + 1);
    return rc == FLOW_OK ? flow_task_flush(who, false) : rc;
}

enum flow_status flow_tick_wait(struct flow_replica *who, int64_t wait_ns)
{
    struct flow_task *task = who->task;
    const int64_t until = flow_now_ns() + wait_ns;
    enum flow_status rc = FLOW_OK;
    flow_set(&who->host.slot->wait_fd, 0);
    flow_set(&who->host.slot->wait_until_ns, (uint64_t)until);
    for (int64_t left = wait_ns; rc == FLOW_OK && left > 0; left = until - flow_now_ns()) {
        bool arrived;
        if (flow_tick_is_due(task, flow_now_ns()))
            rc = flow_tick_behind(who);
        if (rc == FLOW_OK)
            rc = flow_task_pump(task, &arrived);
        if (rc == FLOW_OK && !arrived)
            rc = flow_task_sleep(who, FLOW_STATE_WAIT_SELF, NULL, 0,
                                 flow_tick_limit(task, who->place + 1, left));
        rc = rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    return rc;
}
