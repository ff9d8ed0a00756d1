/* SPDX-License-Identifier: MIT */

/* What can be looked at of a graph without running it: the plan, the drawing, the schema. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "control/here.h"
#include "control/printed.h"
#include "control/session.h"
#include "graph/draw.h"
#include "graph/schema.h"
#include "plan/plan.h"

char *flow_graph_explain(const struct flow_graph *graph, enum flow_format format,
                         struct flow_error *err)
{
    if (format != FLOW_FORMAT_TEXT && format != FLOW_FORMAT_JSON) {
        (void)flow_fail(err, FLOW_EINVAL, "a plan is shown as text or JSON, not as %s",
                        flow_format_name(format));
        return NULL;
    }

    struct flow_topology topology;
    struct flow_plan *plan = flow_plan_here(graph, &topology, err);
    flow_topology_clear(&topology);
    if (plan == NULL)
        return NULL;
    struct flow_str out = {0};
    char *text = NULL;
    if (format == FLOW_FORMAT_TEXT) {
        flow_plan_explain(plan, &out);
        text = flow_printed_text(&out, err);
    } else {
        text = flow_printed_json(flow_plan_json(plan), err);
    }
    flow_plan_free(plan);
    return text;
}

/* For each stage of the graph the first one of its thread, or itself; NULL: no memory. */
static size_t *threads_of(const struct flow_plan *plan)
{
    const struct flow_graph *graph = plan->graph;
    size_t *threads = flow_calloc(graph->stage_count + 1, sizeof(*threads));
    size_t *firsts = flow_calloc(plan->task_count + 1, sizeof(*firsts)); /* by task, from 1 on */
    for (size_t i = 0; i < plan->stage_count && threads != NULL && firsts != NULL; i++) {
        const struct flow_plan_stage *stage = &plan->stages[i];
        if (stage->graph == NULL)
            continue;
        const size_t index = (size_t)(stage->graph - graph->stages);
        size_t *first = &firsts[plan->replicas[stage->first_replica].task];
        *first = *first == 0 ? index + 1 : *first;
        threads[index] = *first - 1;
    }
    if (firsts == NULL) {
        free(threads);
        threads = NULL;
    }
    free(firsts);
    return threads;
}

/* The plan says what is fused.  A graph that cannot be planned can be drawn, as if nothing were. */
static bool find_threads(const struct flow_graph *graph, size_t **threads)
{
    struct flow_error why = {0};
    const struct flow_plan_options options = {0};
    struct flow_plan *plan = flow_plan_new(graph, &options, &why);
    *threads = plan != NULL ? threads_of(plan) : NULL;
    flow_plan_free(plan);
    return *threads != NULL || (plan == NULL && why.status != FLOW_ENOMEM);
}

char *flow_graph_draw(const struct flow_graph *graph, enum flow_format format,
                      struct flow_error *err)
{
    struct flow_str out = {0};
    size_t *threads = NULL;
    if (!find_threads(graph, &threads))
        return flow_printed_nothing(err);
    switch (format) {
    case FLOW_FORMAT_TEXT:
        flow_graph_draw_text(graph, threads, &out);
        break;
    case FLOW_FORMAT_DOT:
        flow_graph_draw_dot(graph, threads, &out);
        break;
    case FLOW_FORMAT_MERMAID:
        flow_graph_draw_mermaid(graph, threads, &out);
        break;
    case FLOW_FORMAT_JSON:
    case FLOW_FORMAT_MARKDOWN:
        free(threads);
        (void)flow_fail(err, FLOW_EINVAL, "a graph is drawn as text, DOT or Mermaid, not as %s",
                        flow_format_name(format));
        return NULL;
    }
    free(threads);
    return flow_printed_text(&out, err);
}

void flow_graph_size(const struct flow_graph *graph, size_t *stages, size_t *edges)
{
    *stages = graph->stage_count;
    *edges = graph->edge_count;
}

char *flow_schema(struct flow_session *session, struct flow_error *err)
{
    return flow_printed_json(flow_graph_schema(&session->types, err), err);
}
