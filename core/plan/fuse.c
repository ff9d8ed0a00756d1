/* SPDX-License-Identifier: MIT */
#include "plan/fuse.h"

#include <stdlib.h>

#include "base/mem.h"
#include "stage/type.h"

/* A stage while tasks are being put together. */
struct part {
    size_t waits_for; /* edges into it whose writers have not been placed yet */
    size_t members;   /* of the task that begins here */
};

static bool is_light(const struct flow_plan_stage *stage)
{
    return stage->type == NULL || (stage->type->traits & FLOW_LIGHT) != 0;
}

static bool is_isolated(const struct flow_plan_stage *stage)
{
    return stage->graph != NULL && stage->graph->isolate;
}

/* Sequencers keep parallel stages in order; they stand where several replicas meet. */
static enum flow_fuse wish_of(const struct flow_plan *plan, const struct flow_plan_stage *stage)
{
    return stage->graph != NULL ? stage->graph->fuse : plan->graph->fuse;
}

static bool has_queue(const struct flow_plan *plan, const struct flow_plan_edge *edge)
{
    if (edge->when_full != FLOW_BLOCK)
        return true;
    if (edge->graph_edge == FLOW_NONE)
        return false;
    const struct flow_queue *queue = &plan->graph->edges[edge->graph_edge].queue;
    return queue->items > 0 || queue->bytes > 0;
}

/* With records in flight it has not dealt with them when a call returns. */
static bool waits(const struct flow_plan_stage *stage)
{
    return stage->type != NULL && flow_type_holds(stage->type);
}

/* A thread runs in one place only. */
static bool has_same_cpus(const struct flow_plan_stage *from, const struct flow_plan_stage *to)
{
    const struct flow_graph_stage sequencer = {0};
    return flow_graph_same_cpus(from->graph != NULL ? from->graph : &sequencer,
                                to->graph != NULL ? to->graph : &sequencer);
}

static bool can_call(const struct flow_plan *plan, const struct flow_plan_edge *edge)
{
    const struct flow_plan_stage *from = &plan->stages[edge->from];
    const struct flow_plan_stage *to = &plan->stages[edge->to];
    return from->replica_count == 1 && to->replica_count == 1 && !is_isolated(from) &&
           !is_isolated(to) && !waits(to) && !from->recovers && !to->recovers &&
           !has_queue(plan, edge) && has_same_cpus(from, to);
}

/* The task that all input of a stage comes from; FLOW_NONE: there is no such. */
static size_t task_before(const struct flow_plan *plan, size_t stage, size_t first_edge)
{
    size_t task = FLOW_NONE;
    for (size_t i = first_edge; i < plan->edge_count && plan->edges[i].to == stage; i++) {
        const size_t of = plan->stages[plan->edges[i].from].task_of;
        if (!can_call(plan, &plan->edges[i]) || (task != FLOW_NONE && task != of))
            return FLOW_NONE;
        task = of;
    }
    return task;
}

static bool joins(const struct flow_plan *plan, size_t stage, const struct part *task)
{
    if (task->members >= FLOW_PLAN_MAX_FUSED)
        return false;
    switch (wish_of(plan, &plan->stages[stage])) {
    case FLOW_FUSE_ON:
        return true;
    case FLOW_FUSE_OFF:
        return false;
    case FLOW_FUSE_AUTO:
        break;
    }
    return is_light(&plan->stages[stage]);
}

static enum flow_status refuse(const struct flow_plan_stage *stage, struct flow_error *err)
{
    return flow_fail(err, FLOW_EINVAL,
                     "stage '%s' cannot run in the thread of the stage before it, as its \"fuse\" "
                     "demands: one of the two has several workers in this run, it may have records "
                     "in flight, or %u stages share that thread already; \"auto\" fuses where it "
                     "can be done and pays",
                     stage->name, FLOW_PLAN_MAX_FUSED);
}

/* All writers of `stage` have been placed: place it too. */
static enum flow_status place(struct flow_plan *plan, struct part *parts, size_t stage,
                              size_t first_edge, struct flow_error *err)
{
    struct flow_plan_stage *self = &plan->stages[stage];
    const size_t task = task_before(plan, stage, first_edge);
    const bool joined = task != FLOW_NONE && joins(plan, stage, &parts[task]);
    if (!joined && self->graph != NULL && self->graph->fuse_given &&
        self->graph->fuse == FLOW_FUSE_ON)
        return refuse(self, err);
    self->task_of = joined ? task : stage;
    parts[self->task_of].members++;
    for (size_t i = first_edge; joined && i < plan->edge_count && plan->edges[i].to == stage; i++)
        plan->edges[i].fused = true;
    return FLOW_OK;
}

/* Edges by writer, as plan->edges has them by reader. */
struct outgoing {
    size_t *first; /* by stage, in `edges`; one more than there are stages */
    size_t *edges;
};

static bool sort_outgoing(const struct flow_plan *plan, struct outgoing *out)
{
    out->first = flow_calloc(plan->stage_count + 2, sizeof(*out->first));
    out->edges = flow_calloc(plan->edge_count + 1, sizeof(*out->edges));
    if (out->first == NULL || out->edges == NULL)
        return false;
    for (size_t i = 0; i < plan->edge_count; i++)
        out->first[plan->edges[i].from + 2]++;
    for (size_t i = 2; i < plan->stage_count + 2; i++)
        out->first[i] += out->first[i - 1];
    for (size_t i = 0; i < plan->edge_count; i++)
        out->edges[out->first[plan->edges[i].from + 1]++] = i;
    return true;
}

/* The first edge into each stage: edges are sorted by the stage that they lead to. */
static void note_inputs(const struct flow_plan *plan, size_t *first, struct part *parts)
{
    for (size_t i = plan->edge_count; i-- > 0;) {
        first[plan->edges[i].to] = i;
        parts[plan->edges[i].to].waits_for++;
    }
}

/* Writers before readers: a stage is placed when the last of its writers has been. */
static enum flow_status place_all(struct flow_plan *plan, struct part *parts,
                                  const struct outgoing *out, size_t *scratch,
                                  struct flow_error *err)
{
    size_t *first = scratch;
    size_t *queue = scratch + plan->stage_count;
    size_t queued = 0;
    for (size_t i = 0; i < plan->stage_count; i++)
        first[i] = plan->edge_count;
    note_inputs(plan, first, parts);
    for (size_t i = 0; i < plan->stage_count; i++) {
        if (parts[i].waits_for == 0)
            queue[queued++] = i;
    }
    for (size_t at = 0; at < queued; at++) {
        const size_t stage = queue[at];
        const enum flow_status rc = place(plan, parts, stage, first[stage], err);
        if (rc != FLOW_OK)
            return rc;
        plan->stages[stage].turn = at;
        for (size_t i = out->first[stage]; i < out->first[stage + 1]; i++) {
            const size_t reader = plan->edges[out->edges[i]].to;
            if (--parts[reader].waits_for == 0)
                queue[queued++] = reader;
        }
    }
    return FLOW_OK;
}

enum flow_status flow_plan_fuse(struct flow_plan *plan, struct flow_error *err)
{
    enum flow_status rc = FLOW_ENOMEM;
    struct outgoing out = {0};
    struct part *parts = flow_calloc(plan->stage_count + 1, sizeof(*parts));
    size_t *scratch = flow_calloc(2 * plan->stage_count + 1, sizeof(*scratch));
    if (parts != NULL && scratch != NULL && sort_outgoing(plan, &out))
        rc = place_all(plan, parts, &out, scratch, err);
    free(out.first);
    free(out.edges);
    free(scratch);
    free(parts);
    return rc;
}
