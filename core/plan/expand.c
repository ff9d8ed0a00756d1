/* SPDX-License-Identifier: MIT */
#include "plan/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SEQUENCER_SUFFIX ".order"

/* What the edges of a graph say about one of its stages. */
struct survey {
    size_t inputs;          /* edges into it */
    size_t upstream;        /* replicas that feed it, over all those edges */
    size_t results;         /* edges out of its own ports, those of errors not counted */
    size_t balanced, keyed; /* of `inputs` */
    unsigned port;          /* the input port of its first edge */
    bool more_ports;        /* another one is connected too */
    unsigned replicas;
    bool numbered;
    bool sequenced;
    size_t place; /* in the plan's stages */
};

unsigned flow_plan_auto_workers(const struct flow_stage_type *type, bool shared_by_key,
                                unsigned cpus)
{
    if ((type->traits & FLOW_SINGLE) != 0)
        return 1;
    if ((type->traits & FLOW_STATEFUL) != 0 && !shared_by_key)
        return 1;
    return cpus;
}

static void survey_edge(struct survey *from, struct survey *to, const struct flow_graph_edge *edge)
{
    if (edge->from_port != FLOW_PORT_ERRORS)
        from->results++;
    if (to->inputs == 0)
        to->port = edge->to_port;
    to->more_ports = to->more_ports || to->port != edge->to_port;
    to->inputs++;
    to->balanced += edge->share == FLOW_BALANCE;
    to->keyed += edge->share == FLOW_KEY;
}

/*
 * Order across several input ports is undefined, so such a stage is never numbered; nor is one
 * whose results nobody takes, since nobody could see their order.
 */
static bool is_numbered(const struct survey *s, const struct flow_graph_stage *stage)
{
    return s->replicas > 1 && stage->order != FLOW_ORDER_NONE && s->inputs > 0 &&
           s->balanced == s->inputs && !s->more_ports && s->results > 0;
}

static void survey_graph(const struct flow_plan *plan, struct survey *surveys)
{
    const struct flow_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct flow_graph_edge *edge = &graph->edges[i];
        survey_edge(&surveys[edge->from], &surveys[edge->to], edge);
    }
    for (size_t i = 0; i < graph->stage_count; i++) {
        const struct flow_graph_stage *stage = &graph->stages[i];
        struct survey *s = &surveys[i];
        const bool by_key = s->inputs > 0 && s->keyed == s->inputs;
        s->replicas = stage->workers != FLOW_WORKERS_AUTO
                          ? stage->workers
                          : flow_plan_auto_workers(stage->type, by_key, plan->cpus);
        s->numbered = is_numbered(s, stage);
    }
    for (size_t i = 0; i < graph->edge_count; i++)
        surveys[graph->edges[i].to].upstream += surveys[graph->edges[i].from].replicas;
    for (size_t i = 0; i < graph->stage_count; i++)
        surveys[i].sequenced =
            surveys[i].numbered && (surveys[i].inputs > 1 || surveys[i].upstream > 1);
}

/* Give each stage its place, its sequencer right before it, and count what the plan will hold. */
static size_t place_stages(struct flow_plan *plan, struct survey *surveys)
{
    const struct flow_graph *graph = plan->graph;
    size_t names_size = 0;
    plan->edge_count = graph->edge_count;
    for (size_t i = 0; i < graph->stage_count; i++) {
        if (surveys[i].sequenced) {
            plan->stage_count++;
            plan->edge_count++;
            names_size += strlen(graph->stages[i].name) + sizeof(SEQUENCER_SUFFIX);
        }
        surveys[i].place = plan->stage_count++;
    }
    return names_size;
}

static void make_stages(struct flow_plan *plan, const struct survey *surveys)
{
    char *name = plan->names;
    for (size_t i = 0; i < plan->graph->stage_count; i++) {
        const struct flow_graph_stage *stage = &plan->graph->stages[i];
        const struct survey *s = &surveys[i];
        plan->stages[s->place] = (struct flow_plan_stage){
            .name = stage->name,
            .graph = stage,
            .type = stage->type,
            .replica_count = s->replicas,
            .numbered = s->numbered,
        };
        if (!s->sequenced)
            continue;
        const size_t size = strlen(stage->name) + sizeof(SEQUENCER_SUFFIX);
        (void)snprintf(name, size, "%s" SEQUENCER_SUFFIX, stage->name);
        plan->stages[s->place - 1] = (struct flow_plan_stage){.name = name, .replica_count = 1};
        name += size;
    }
}

/*
 * Results are taken by number by readers that each see all of them.  Where they are dealt out to
 * several readers, none of which promises an order (else it had a sequencer), they go as they come.
 */
static bool is_merged(const struct survey *from, const struct survey *to,
                      const struct flow_graph_edge *edge)
{
    return from->numbered && edge->from_port != FLOW_PORT_ERRORS &&
           (to->sequenced || to->replicas == 1 || edge->share != FLOW_BALANCE);
}

/* An edge of the graph; one that leads to a stage with a sequencer leads to the sequencer instead.
 */
static struct flow_plan_edge graph_edge(const struct flow_plan *plan, const struct survey *surveys,
                                        size_t index)
{
    const struct flow_graph_edge *edge = &plan->graph->edges[index];
    const struct survey *from = &surveys[edge->from];
    const struct survey *to = &surveys[edge->to];
    return (struct flow_plan_edge){
        .graph_edge = index,
        .from = from->place,
        .from_port = edge->from_port,
        .to = to->sequenced ? to->place - 1 : to->place,
        .to_port = to->sequenced ? 0 : edge->to_port,
        .share = edge->share,
        .key = edge->key,
        .when_full = edge->queue.when_full,
        .merge_numbered = is_merged(from, to, edge),
    };
}

static struct flow_plan_edge sequencer_edge(const struct survey *to)
{
    return (struct flow_plan_edge){
        .graph_edge = FLOW_NONE,
        .from = to->place - 1,
        .to = to->place,
        .to_port = to->port,
        .share = FLOW_BALANCE,
        .when_full = FLOW_BLOCK,
    };
}

/* By a counting sort: edges to one stage keep the order they have in the graph. */
static bool make_edges(struct flow_plan *plan, const struct survey *surveys)
{
    const struct flow_graph *graph = plan->graph;
    size_t *next = flow_calloc(plan->stage_count + 1, sizeof(*next));
    if (next == NULL)
        return false;
    for (size_t i = 0; i < graph->edge_count; i++)
        next[graph_edge(plan, surveys, i).to + 1]++;
    for (size_t i = 0; i < graph->stage_count; i++)
        next[surveys[i].place + 1] += surveys[i].sequenced;
    for (size_t i = 1; i <= plan->stage_count; i++)
        next[i] += next[i - 1];

    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct flow_plan_edge edge = graph_edge(plan, surveys, i);
        plan->edges[next[edge.to]++] = edge;
    }
    for (size_t i = 0; i < graph->stage_count; i++) {
        if (surveys[i].sequenced)
            plan->edges[next[surveys[i].place]++] = sequencer_edge(&surveys[i]);
    }
    free(next);
    return true;
}

/* Replicas and links one after the other, and no more of them than the engine is built for. */
static enum flow_status count(struct flow_plan *plan, struct flow_error *err)
{
    uint64_t replicas = 0;
    for (size_t i = 0; i < plan->stage_count; i++) {
        plan->stages[i].first_replica = (size_t)replicas;
        replicas += plan->stages[i].replica_count;
    }
    if (replicas > FLOW_PLAN_MAX_REPLICAS)
        return flow_fail(err, FLOW_ERANGE,
                         "the graph asks for %llu workers in all; at most %d are supported",
                         (unsigned long long)replicas, FLOW_PLAN_MAX_REPLICAS);
    uint64_t links = 0;
    for (size_t i = 0; i < plan->edge_count; i++) {
        struct flow_plan_edge *edge = &plan->edges[i];
        edge->first_link = (size_t)links;
        edge->link_count =
            plan->stages[edge->from].replica_count * plan->stages[edge->to].replica_count;
        links += edge->link_count;
    }
    if (links > FLOW_PLAN_MAX_LINKS)
        return flow_fail(err, FLOW_ERANGE,
                         "the graph needs %llu links between its workers; at most %d are supported",
                         (unsigned long long)links, FLOW_PLAN_MAX_LINKS);
    plan->replica_count = (size_t)replicas;
    plan->link_count = (size_t)links;
    return FLOW_OK;
}

enum flow_status flow_plan_expand(struct flow_plan *plan, struct flow_error *err)
{
    enum flow_status rc = FLOW_ENOMEM;
    struct survey *surveys = flow_calloc(plan->graph->stage_count, sizeof(*surveys));
    if (surveys == NULL)
        goto done;
    survey_graph(plan, surveys);
    const size_t names_size = place_stages(plan, surveys);

    plan->names = flow_alloc(names_size);
    plan->stages = flow_calloc(plan->stage_count, sizeof(*plan->stages));
    plan->edges = flow_calloc(plan->edge_count, sizeof(*plan->edges));
    if (plan->names == NULL || plan->stages == NULL || plan->edges == NULL)
        goto done;
    make_stages(plan, surveys);
    if (!make_edges(plan, surveys))
        goto done;
    rc = count(plan, err);

done:
    free(surveys);
    return rc;
}
