/* SPDX-License-Identifier: MIT */
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "plan/bounds.h"
#include "plan/expand.h"
#include "plan/fuse.h"
#include "plan/place.h"
#include "plan/recover.h"
#include "plan/wire.h"

static unsigned choose_cpus(const struct flow_plan_options *options)
{
    const unsigned cpus = options != NULL && options->cpus > 0 ? options->cpus : flow_cpu_count();
    return cpus < FLOW_GRAPH_MAX_WORKERS ? cpus : FLOW_GRAPH_MAX_WORKERS;
}

struct flow_plan *flow_plan_new(const struct flow_graph *graph,
                                const struct flow_plan_options *options, struct flow_error *err)
{
    enum flow_status rc = FLOW_ENOMEM;
    struct flow_plan *plan = flow_alloc(sizeof(*plan));
    if (plan == NULL)
        goto fail;
    plan->graph = graph;
    plan->mode = graph->mode;
    plan->cpus = choose_cpus(options);
    plan->room_bytes = options != NULL ? options->room_bytes : 0;

    rc = flow_plan_expand(plan, NULL, err);
    if (rc != FLOW_OK)
        goto fail;
    rc = flow_plan_fuse(plan, err);
    if (rc != FLOW_OK)
        goto fail;
    rc = flow_plan_recover(plan, err);
    if (rc != FLOW_OK)
        goto fail;
    rc = flow_plan_wire(plan);
    if (rc != FLOW_OK)
        goto fail;
    rc = flow_plan_place(plan, options != NULL ? options->topology : NULL, err);
    if (rc != FLOW_OK)
        goto fail;
    rc = flow_plan_bound(plan, err);
    if (rc != FLOW_OK)
        goto fail;
    return plan;

fail:
    if (rc == FLOW_ENOMEM)
        (void)flow_fail(err, FLOW_ENOMEM, "out of memory while planning '%s'", graph->name);
    flow_plan_free(plan);
    return NULL;
}

void flow_plan_free(struct flow_plan *plan)
{
    if (plan == NULL)
        return;
    free(plan->stages);
    free(plan->edges);
    free(plan->replicas);
    free(plan->links);
    free(plan->tasks);
    free(plan->groups);
    free(plan->names);
    free(plan->order);
    free(plan->indices);
    free(plan);
}

char *flow_plan_replica_name(const struct flow_plan *plan, size_t replica, char *buf,
                             size_t buf_size)
{
    const struct flow_plan_replica *r = &plan->replicas[replica];
    const struct flow_plan_stage *stage = &plan->stages[r->stage];
    if (stage->replica_count > 1)
        (void)snprintf(buf, buf_size, "%s[%u]", stage->name, r->index);
    else
        (void)snprintf(buf, buf_size, "%s", stage->name);
    return buf;
}
