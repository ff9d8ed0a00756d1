/* SPDX-License-Identifier: MIT */

/* Making tasks, and what becomes of them afterwards. */

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/barrier.h"
#include "engine/notice.h"
#include "engine/pin.h"
#include "engine/rejoin.h"

static const struct flow_plan_task *plan_of(const struct flow_task *task)
{
    return &task->env->plan->tasks[task->id];
}

static struct flow_replica *first_of(const struct flow_task *task)
{
    return task->members[0];
}

static unsigned reach_of(const struct flow_plan *plan, const struct flow_plan_task *task)
{
    unsigned reach = 0;
    for (size_t i = 0; i < task->replica_count; i++)
        reach |= flow_replica_reach(plan, task->replicas[i]);
    return reach;
}

static enum flow_status make_members(struct flow_task *task, struct flow_error *err)
{
    const struct flow_plan_task *plan = plan_of(task);
    task->members = flow_calloc(plan->replica_count, sizeof(struct flow_replica *));
    if (task->members == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for %zu replicas", plan->replica_count);
    for (; task->member_count < plan->replica_count; task->member_count++) {
        const enum flow_status rc =
            flow_replica_new(task, &flow_task_waits, plan->replicas[task->member_count],
                             &task->members[task->member_count], err);
        if (rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

enum flow_status flow_task_new(const struct flow_replica_env *env, size_t id,
                               struct flow_task **task, struct flow_error *err)
{
    struct flow_task *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a task");
    made->env = env;
    made->id = id;
    made->due_ns = INT64_MAX;
    enum flow_status rc = flow_notice_open(made, err);
    if (rc == FLOW_OK)
        rc = make_members(made, err);
    if (rc == FLOW_OK)
        rc = flow_inbox_open(env->transport, id, reach_of(env->plan, plan_of(made)),
                             first_of(made)->host.pool, &made->inbox, err);
    if (rc == FLOW_OK && env->plan->recovers)
        rc = flow_task_fence(made, err);
    if (rc != FLOW_OK) {
        flow_task_free(made);
        return rc;
    }
    *task = made;
    return FLOW_OK;
}

void flow_task_disconnect(struct flow_task *task, bool abandon)
{
    for (size_t i = 0; i < task->member_count; i++)
        flow_replica_let_go(task->members[i]);
    flow_peers_disconnect(&task->peers, abandon);
    flow_inbox_close(task->inbox);
    task->inbox = NULL;
}

void flow_task_free(struct flow_task *task)
{
    if (task == NULL)
        return;
    flow_task_disconnect(task, true);
    for (size_t i = 0; i < task->member_count; i++)
        flow_replica_free(task->members[i]);
    free(task->members);
    flow_notice_close(task);
    free(task);
}

enum flow_status flow_task_open(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    enum flow_status rc = flow_task_blame(
        task, first, flow_pin_thread(task->env->plan, first->host.replica, &first->host.err));
    if (rc == FLOW_OK)
        rc = flow_task_blame(task, first,
                             flow_peers_connect(&task->peers, task->env->plan, task->id,
                                                task->env->transport, &first->host.err));
    for (size_t i = 0; i < task->member_count && rc == FLOW_OK; i++)
        rc = flow_task_blame(task, task->members[i], flow_replica_open(task->members[i]));
    if (task->culprit == NULL)
        return rc;
    flow_replica_explain(task->culprit, task->failure);
    return task->failure;
}

void flow_task_close(struct flow_task *task)
{
    for (size_t i = 0; i < task->member_count; i++)
        flow_replica_close(task->members[i]);
}

const struct flow_error *flow_task_error(const struct flow_task *task)
{
    return &(task->culprit != NULL ? task->culprit : first_of(task))->host.err;
}

void flow_task_name(const struct flow_task *task, struct flow_str *out)
{
    for (size_t i = 0; i < task->member_count; i++)
        flow_str_addf(out, "%s%s", i > 0 ? "+" : "", task->members[i]->info.name);
}
