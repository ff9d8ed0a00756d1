/* SPDX-License-Identifier: MIT */
#include "watch/report.h"

#include <stdlib.h>

#include "base/mem.h"
#include "watch/figures.h"

struct flow_sampler {
    const struct flow_plan *plan;
    const struct flow_board *board;
    int64_t start_ns;
    int64_t last_ns;
    uint64_t last_done;
    int64_t *occupied_ns; /* per replica, from its start to last_ns */
    int64_t *fresh_ns;    /* ... and what of it is of late */
};

struct flow_sampler *flow_sampler_new(const struct flow_plan *plan, const struct flow_board *board,
                                      int64_t start_ns)
{
    struct flow_sampler *sampler = flow_alloc(sizeof(*sampler));
    if (sampler == NULL)
        return NULL;
    *sampler = (struct flow_sampler){
        .plan = plan,
        .board = board,
        .start_ns = start_ns,
        .last_ns = start_ns,
        .occupied_ns = flow_calloc(plan->replica_count + 1, sizeof(*sampler->occupied_ns)),
        .fresh_ns = flow_calloc(plan->replica_count + 1, sizeof(*sampler->fresh_ns)),
    };
    if (sampler->occupied_ns == NULL || sampler->fresh_ns == NULL) {
        flow_sampler_free(sampler);
        return NULL;
    }
    return sampler;
}

void flow_sampler_free(struct flow_sampler *sampler)
{
    if (sampler == NULL)
        return;
    free(sampler->occupied_ns);
    free(sampler->fresh_ns);
    free(sampler);
}

/* How long the replica has not waited for others since the last call. */
static int64_t newly_occupied(struct flow_sampler *sampler, size_t replica, int64_t now_ns)
{
    const struct flow_times times = flow_replica_times(&sampler->board->replicas[replica], now_ns);
    const int64_t total = times.busy + times.wait_self;
    const int64_t fresh = total - sampler->occupied_ns[replica];
    sampler->occupied_ns[replica] = total;
    return fresh;
}

static int64_t fresh_of(const struct flow_sampler *sampler, const struct flow_plan_task *task)
{
    int64_t sum = 0;
    for (size_t i = 0; i < task->replica_count; i++)
        sum += sampler->fresh_ns[task->replicas[i]];
    return sum;
}

/* Of the thread that was occupied most, the stage that took most of it. */
static const char *slowest(struct flow_sampler *sampler, int64_t now_ns)
{
    const struct flow_plan *plan = sampler->plan;
    for (size_t i = 0; i < plan->replica_count; i++)
        sampler->fresh_ns[i] = newly_occupied(sampler, i, now_ns);

    int64_t most = 0;
    const struct flow_plan_task *task = NULL;
    for (size_t i = 0; i < plan->task_count; i++) {
        const int64_t fresh = fresh_of(sampler, &plan->tasks[i]);
        if (fresh > most) {
            most = fresh;
            task = &plan->tasks[i];
        }
    }
    if (task == NULL)
        return NULL;

    size_t top = task->replicas[0];
    for (size_t i = 1; i < task->replica_count; i++) {
        if (sampler->fresh_ns[task->replicas[i]] > sampler->fresh_ns[top])
            top = task->replicas[i];
    }
    return plan->stages[plan->replicas[top].stage].name;
}

void flow_sampler_take(struct flow_sampler *sampler, int64_t now_ns, struct flow_progress *progress)
{
    const struct flow_plan *plan = sampler->plan;
    struct flow_progress now = {.elapsed_ns = now_ns - sampler->start_ns};
    for (size_t i = 0; i < plan->replica_count; i++) {
        const struct flow_board_replica *counts = &sampler->board->replicas[i];
        now.errors += flow_read(&counts->skipped) + flow_read(&counts->routed);
        if (plan->replicas[i].in_count == 0)
            now.records_in += flow_read(&counts->records_out) + flow_read(&counts->unread);
        else if (plan->replicas[i].out_count == 0)
            now.records_done += flow_read(&counts->records_in);
    }

    const int64_t passed = now_ns - sampler->last_ns;
    if (passed > 0 && now.records_done > sampler->last_done) /* less: the run went back */
        now.rate = (double)(now.records_done - sampler->last_done) * 1e9 / (double)passed;
    now.slowest = slowest(sampler, now_ns);
    sampler->last_ns = now_ns;
    sampler->last_done = now.records_done;
    *progress = now;
}
