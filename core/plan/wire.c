/* SPDX-License-Identifier: MIT */
#include "plan/wire.h"

#include <stdlib.h>

#include "base/mem.h"

/* Does each replica of the stage, or the task it is fused into, have a process of its own? */
static bool stands_apart(const struct flow_plan *plan, size_t stage)
{
    const struct flow_graph_stage *graph = plan->stages[stage].graph;
    return plan->mode == FLOW_PROCESSES || (graph != NULL && graph->isolate);
}

bool flow_plan_edge_local(const struct flow_plan *plan, const struct flow_plan_edge *edge)
{
    return edge->fused || (!stands_apart(plan, edge->from) && !stands_apart(plan, edge->to));
}

static size_t count_groups(const struct flow_plan *plan)
{
    size_t count = plan->mode == FLOW_THREADS ? 1 : 0;
    for (size_t i = 0; i < plan->stage_count; i++)
        count += stands_apart(plan, i) && plan->stages[i].task_of == i
                     ? plan->stages[i].replica_count
                     : 0;
    return count;
}

static size_t count_tasks(const struct flow_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->stage_count; i++)
        count += plan->stages[i].task_of == i ? plan->stages[i].replica_count : 0;
    return count;
}

/* The replicas that tasks begin with, then the others, which stand where those do. */
static void place_replicas(struct flow_plan *plan)
{
    size_t next_group = plan->mode == FLOW_THREADS ? 1 : 0;
    size_t next_task = 0;
    for (size_t i = 0; i < plan->stage_count; i++) {
        const struct flow_plan_stage *stage = &plan->stages[i];
        const bool begins = stage->task_of == i;
        const bool apart = stands_apart(plan, i);
        for (size_t k = 0; k < stage->replica_count; k++) {
            struct flow_plan_replica *replica = &plan->replicas[stage->first_replica + k];
            replica->stage = i;
            replica->index = (unsigned)k;
            if (begins) {
                replica->task = next_task++;
                replica->group = apart ? next_group++ : 0;
                plan->tasks[replica->task].group = replica->group;
            }
        }
    }
    for (size_t i = 0; i < plan->stage_count; i++) {
        const struct flow_plan_stage *stage = &plan->stages[i];
        if (stage->task_of == i)
            continue;
        const size_t first = plan->stages[stage->task_of].first_replica;
        plan->replicas[stage->first_replica].task = plan->replicas[first].task;
        plan->replicas[stage->first_replica].group = plan->replicas[first].group;
    }
}

static void make_links(struct flow_plan *plan)
{
    for (size_t i = 0; i < plan->edge_count; i++) {
        const struct flow_plan_edge *edge = &plan->edges[i];
        const struct flow_plan_stage *from = &plan->stages[edge->from];
        const struct flow_plan_stage *to = &plan->stages[edge->to];
        const bool local = flow_plan_edge_local(plan, edge);
        for (size_t k = 0; k < edge->link_count; k++) {
            plan->links[edge->first_link + k] = (struct flow_plan_link){
                .edge = i,
                .from = from->first_replica + k / to->replica_count,
                .to = to->first_replica + k % to->replica_count,
                .local = local,
                .fused = edge->fused,
            };
        }
    }
}

/* Every list takes its piece of plan->indices, which has room for all of them together. */
static void make_lists(struct flow_plan *plan)
{
    for (size_t i = 0; i < plan->link_count; i++) {
        plan->replicas[plan->links[i].from].out_count++;
        plan->replicas[plan->links[i].to].in_count++;
    }
    for (size_t i = 0; i < plan->replica_count; i++) {
        plan->groups[plan->replicas[i].group].replica_count++;
        plan->tasks[plan->replicas[i].task].replica_count++;
    }
    for (size_t i = 0; i < plan->task_count; i++)
        plan->groups[plan->tasks[i].group].task_count++;

    size_t *next = plan->indices;
    for (size_t i = 0; i < plan->replica_count; i++) {
        struct flow_plan_replica *replica = &plan->replicas[i];
        replica->in = next;
        replica->out = replica->in + replica->in_count;
        next = replica->out + replica->out_count;
        replica->in_count = replica->out_count = 0;
    }
    for (size_t i = 0; i < plan->group_count; i++) {
        struct flow_plan_group *group = &plan->groups[i];
        group->spawned = plan->mode == FLOW_PROCESSES || i > 0;
        group->tasks = next;
        next += group->task_count;
        group->task_count = 0;
    }
    for (size_t i = 0; i < plan->task_count; i++) {
        struct flow_plan_task *task = &plan->tasks[i];
        task->replicas = next;
        next += task->replica_count;
        task->replica_count = 0;
        struct flow_plan_group *group = &plan->groups[task->group];
        group->tasks[group->task_count++] = i;
    }
    for (size_t i = 0; i < plan->replica_count; i++) {
        if (plan->stages[plan->replicas[i].stage].recovers)
            plan->recovers = plan->groups[plan->replicas[i].group].recovers = true;
    }
}

/* Writers before readers, which is the order of `turn`. */
static bool fill_tasks(struct flow_plan *plan)
{
    size_t *by_turn = flow_calloc(plan->stage_count + 1, sizeof(*by_turn));
    if (by_turn == NULL)
        return false;
    for (size_t i = 0; i < plan->stage_count; i++)
        by_turn[plan->stages[i].turn] = i;
    for (size_t i = 0; i < plan->stage_count; i++) {
        const struct flow_plan_stage *stage = &plan->stages[by_turn[i]];
        for (size_t k = 0; k < stage->replica_count; k++) {
            const size_t id = stage->first_replica + k;
            struct flow_plan_task *task = &plan->tasks[plan->replicas[id].task];
            plan->replicas[id].place = task->replica_count;
            task->replicas[task->replica_count++] = id;
        }
    }
    free(by_turn);
    return true;
}

/* Links are walked in their order, which leaves each list grouped by edge in plan order. */
static void fill_lists(struct flow_plan *plan)
{
    for (size_t i = 0; i < plan->link_count; i++) {
        struct flow_plan_replica *from = &plan->replicas[plan->links[i].from];
        struct flow_plan_replica *to = &plan->replicas[plan->links[i].to];
        from->out[from->out_count++] = i;
        to->in[to->in_count++] = i;
    }
}

enum flow_status flow_plan_wire(struct flow_plan *plan)
{
    plan->group_count = count_groups(plan);
    plan->replicas = flow_calloc(plan->replica_count, sizeof(*plan->replicas));
    plan->links = flow_calloc(plan->link_count, sizeof(*plan->links));
    plan->task_count = count_tasks(plan);
    plan->tasks = flow_calloc(plan->task_count, sizeof(*plan->tasks));
    plan->groups = flow_calloc(plan->group_count, sizeof(*plan->groups));
    plan->indices = flow_calloc(2 * plan->link_count + plan->replica_count + plan->task_count,
                                sizeof(*plan->indices));
    if (plan->replicas == NULL || plan->links == NULL || plan->tasks == NULL ||
        plan->groups == NULL || plan->indices == NULL)
        return FLOW_ENOMEM;
    place_replicas(plan);
    make_links(plan);
    make_lists(plan);
    fill_lists(plan);
    return fill_tasks(plan) ? FLOW_OK : FLOW_ENOMEM;
}
