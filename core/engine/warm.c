/* SPDX-License-Identifier: MIT */
#include "engine/warm.h"

/* An inbox (two sockets where others can reach it) and an outbox per neighbour, over all tasks.
 */
static size_t count_sockets(const struct flow_plan *plan, size_t id)
{
    const struct flow_plan_group *group = &plan->groups[id];
    size_t count = 0;
    for (size_t i = 0; i < group->task_count; i++) {
        const struct flow_plan_task *task = &plan->tasks[group->tasks[i]];
        count += 2;
        for (size_t k = 0; k < task->replica_count; k++) {
            const struct flow_plan_replica *replica = &plan->replicas[task->replicas[k]];
            count += replica->in_count + replica->out_count;
        }
    }
    return count;
}

/* Of the group that has most. */
static size_t most_sockets(const struct flow_plan *plan)
{
    size_t most = 0;
    for (size_t i = 0; i < plan->group_count; i++) {
        const size_t count = count_sockets(plan, i);
        most = count > most ? count : most;
    }
    return most;
}

static enum flow_status make(const struct flow_group_options *options, size_t sockets,
                             struct flow_transport **transport, struct flow_error *err)
{
    const struct flow_transport_options wanted = {
        .folder = options->folder,
        .run_id = options->run_id,
        .memory = options->memory,
        .incarnation = options->incarnation,
        .sockets = sockets,
    };
    return flow_transport_new(&wanted, transport, err);
}

enum flow_status flow_transport_of_group(const struct flow_group_options *options,
                                         struct flow_transport **transport, struct flow_error *err)
{
    return make(options, count_sockets(options->plan, options->group), transport, err);
}

enum flow_status flow_transport_of_any(const struct flow_group_options *options,
                                       struct flow_transport **transport, struct flow_error *err)
{
    struct flow_transport *made = NULL;
    enum flow_status rc = make(options, most_sockets(options->plan), &made, err);
    if (rc == FLOW_OK)
        rc = flow_transport_warm(made, err);
    if (rc == FLOW_OK)
        *transport = made;
    else
        flow_transport_free(made);
    return rc;
}
