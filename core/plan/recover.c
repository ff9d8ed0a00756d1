/* SPDX-License-Identifier: MIT */
#include "plan/recover.h"

#include <stdlib.h>

#include "base/mem.h"
#include "plan/delivery.h"
#include "plan/expand.h"
#include "plan/fuse.h"
#include "stage/type.h"

static const char *input_obstacle(const struct flow_graph *graph, size_t stage)
{
    const struct flow_graph_edge *first = NULL;
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct flow_graph_edge *edge = &graph->edges[i];
        if (edge->to != stage)
            continue;
        if (edge->queue.when_full != FLOW_BLOCK)
            return "the edge to it may drop records";
        if (first != NULL && first->to_port != edge->to_port)
            return "several of its inputs are connected";
        first = edge;
    }
    return first == NULL ? "it is a producer" : NULL;
}

static bool is_read(const struct flow_graph *graph, size_t stage)
{
    for (size_t i = 0; i < graph->edge_count; i++) {
        if (graph->edges[i].from == stage && graph->edges[i].from_port != FLOW_PORT_ERRORS)
            return true;
    }
    return false;
}

const char *flow_plan_obstacle(const struct flow_plan *plan, const struct flow_graph_stage *stage)
{
    const struct flow_stage_type *type = stage->type;
    if (plan->mode != FLOW_PROCESSES && !stage->isolate)
        return "it is a thread of a process with others";
    if (!stage->restart.on)
        return "its \"restart\" is false";
    if (type->role == FLOW_PRODUCER || type->role == FLOW_CONSUMER)
        return type->role == FLOW_PRODUCER ? "it is a producer" : "it is a consumer";
    if ((type->traits & FLOW_STATEFUL) != 0 || type->finish != NULL)
        return "it keeps state";
    if (plan->graph->checkpoints && (type->save != NULL || type->commit != NULL))
        return "it saves something at checkpoints";
    if (type->ready != NULL && !flow_type_holds(type))
        return "what it emits by the clock would not come again";
    if ((type->traits & FLOW_OUTSIDE) != 0 && stage->errors.then != FLOW_STOP)
        return "what it refuses once it may take the next time";
    const char *weakness = NULL;
    if (flow_delivery_weakness(stage, &weakness, NULL) == FLOW_OK && weakness != NULL)
        return weakness;
    /* What is made once more must come in the same order, also when records are tried alone. */
    if (type->process == NULL && stage->errors.retries > 0)
        return "what it refuses is tried again behind the rest of its batch";
    const size_t index = (size_t)(stage - plan->graph->stages);
    if (!is_read(plan->graph, index))
        return "nothing takes its results";
    return input_obstacle(plan->graph, index);
}

/* Of the stages that could, those which share no thread.  False: there is none. */
static bool mark(const struct flow_plan *plan, bool *recovers, size_t *members)
{
    bool any = false;
    for (size_t i = 0; i < plan->stage_count; i++)
        members[plan->stages[i].task_of]++;
    for (size_t i = 0; i < plan->stage_count; i++) {
        const struct flow_plan_stage *stage = &plan->stages[i];
        if (stage->graph == NULL || members[stage->task_of] > 1)
            continue;
        const bool can = flow_plan_obstacle(plan, stage->graph) == NULL;
        recovers[stage->graph - plan->graph->stages] = can;
        any = any || can;
    }
    return any;
}

static void forget(struct flow_plan *plan)
{
    free(plan->stages);
    free(plan->edges);
    free(plan->names);
    plan->stages = NULL;
    plan->edges = NULL;
    plan->names = NULL;
    plan->stage_count = 0;
    plan->edge_count = 0;
}

enum flow_status flow_plan_recover(struct flow_plan *plan, struct flow_error *err)
{
    enum flow_status rc = FLOW_ENOMEM;
    bool *recovers = flow_calloc(plan->graph->stage_count + 1, sizeof(*recovers));
    size_t *members = flow_calloc(plan->stage_count + 1, sizeof(*members));
    if (recovers == NULL || members == NULL)
        goto done;
    rc = FLOW_OK;
    if (!mark(plan, recovers, members))
        goto done;
    forget(plan);
    rc = flow_plan_expand(plan, recovers, err);
    if (rc == FLOW_OK)
        rc = flow_plan_fuse(plan, err);

done:
    free(recovers);
    free(members);
    return rc;
}
