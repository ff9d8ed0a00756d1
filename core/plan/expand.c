/* SPDX-License-Identifier: MIT */
#include "plan/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plan/delivery.h"

#define SEQUENCER_SUFFIX ".order"

/* What the edges of a graph say about one of its stages. */
struct survey {
    size_t inputs;          /* edges into it */
    size_t upstream;        /* replicas that feed it, counted once for each of those edges */
    size_t writers;         /* ... without regard to sequencers between */
    size_t results;         /* edges out of its own ports, those of errors not counted */
    size_t balanced, keyed; /* of `inputs` */
    unsigned port;          /* the input port of its first edge */
    bool more_ports;        /* another one is connected too */
    unsigned replicas;
    bool numbered;
    bool recovers;
    bool sequenced;
    size_t place;    /* in the plan's stages */
    size_t cuts;     /* of its input edges, those with a sequencer of their own */
    size_t next_cut; /* where the next of those sequencers stands */
};

/* An expansion under way. */
struct survey_all {
    struct survey *stages; /* as in the graph */
    const bool *recovers;  /* ... those that shall; NULL: none */
    bool *cut;             /* for each edge of the graph: does it get a sequencer of its own? */
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

/* Do the readers of an edge take the results of a parallel stage by number? */
static bool takes_numbers(const struct survey *from, const struct survey *to,
                          const struct flow_graph_edge *edge)
{
    return from->numbered && edge->from_port != FLOW_PORT_ERRORS &&
           (to->numbered || to->replicas == 1 || edge->share != FLOW_BALANCE);
}

/*
 * Readers that take results by number need every one of them, so nothing may be dropped on the way.
 * An edge that may drop gets a sequencer, which takes them all, and drops behind it.  So does one
 * out of a stage whose processes are replaced, and one that deals to several workers: what each
 * reader gets must be the same the second time.
 */
static bool is_cut(const struct survey *from, const struct survey *to,
                   const struct flow_graph_edge *edge)
{
    const bool drops = edge->queue.when_full != FLOW_BLOCK;
    const bool deals = edge->share == FLOW_BALANCE && to->replicas > 1 && !to->sequenced;
    return (takes_numbers(from, to, edge) && drops) || (from->recovers && (drops || deals));
}

/* What "auto" stands for: all CPUs, or those that the stage has for itself. */
static unsigned cpus_for(const struct flow_plan *plan, const struct flow_graph_stage *stage)
{
    if (stage->cpu_count == 0)
        return plan->cpus;
    return stage->cpu_count < FLOW_GRAPH_MAX_WORKERS ? (unsigned)stage->cpu_count
                                                     : FLOW_GRAPH_MAX_WORKERS;
}

/* One replica that is not replaced itself holds what has not been acknowledged: is there one? */
static void find_holders(const struct flow_graph *graph, struct survey *surveys)
{
    for (size_t i = 0; i < graph->stage_count; i++) {
        surveys[i].sequenced = false;
        surveys[i].writers = 0;
    }
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct survey *from = &surveys[graph->edges[i].from];
        struct survey *to = &surveys[graph->edges[i].to];
        to->writers += from->replicas;
        to->sequenced = to->recovers && (from->recovers || to->writers > 1 || to->sequenced);
    }
}

/* A sequencer can only deal, or hand all to the one there is. */
static bool can_sequence(const struct survey *s)
{
    return s->replicas == 1 || s->balanced == s->inputs;
}

/*
 * What checkpoints speak of are the replicas of a plan, sequencers among them, and a run may go on
 * in the other mode, in which nothing is replaced: so no stage gets a sequencer for being replaced
 * alone.
 */
static bool is_worth_it(const struct flow_graph *graph, const struct survey *s)
{
    return can_sequence(s) && (!graph->checkpoints || (s->numbered && s->writers > 1));
}

/* Would the edge be cut only since its writer is replaced? */
static bool is_cut_for(const struct survey *from, const struct survey *to,
                       const struct flow_graph_edge *edge)
{
    struct survey stays = *from;
    struct survey reads = *to;
    stays.recovers = false;
    reads.sequenced = to->numbered && to->writers > 1;
    return from->recovers && is_cut(from, &reads, edge) && !is_cut(&stays, &reads, edge);
}

static void leave_out_writers(const struct flow_graph *graph, struct survey *surveys)
{
    find_holders(graph, surveys);
    for (size_t i = 0; i < graph->edge_count && graph->checkpoints; i++) {
        const struct flow_graph_edge *edge = &graph->edges[i];
        if (is_cut_for(&surveys[edge->from], &surveys[edge->to], edge))
            surveys[edge->from].recovers = false;
    }
}

/*
 * A stage that cannot have the sequencer that it needs is not replaced; that may spare others
 * theirs.
 */
static void choose_recovering(const struct flow_graph *graph, struct survey_all *all)
{
    bool changed = all->recovers != NULL;
    for (size_t i = 0; i < graph->stage_count && all->recovers != NULL; i++)
        all->stages[i].recovers = all->recovers[i];
    if (changed)
        leave_out_writers(graph, all->stages);
    while (changed) {
        changed = false;
        find_holders(graph, all->stages);
        for (size_t i = 0; i < graph->stage_count; i++) {
            struct survey *s = &all->stages[i];
            if (s->sequenced && !is_worth_it(graph, s)) {
                s->recovers = false;
                changed = true;
            }
        }
    }
}

static void survey_graph(const struct flow_plan *plan, struct survey_all *all)
{
    const struct flow_graph *graph = plan->graph;
    struct survey *surveys = all->stages;
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
                          : flow_plan_auto_workers(stage->type, by_key, cpus_for(plan, stage));
        s->numbered = is_numbered(s, stage);
    }
    choose_recovering(graph, all);
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct flow_graph_edge *edge = &graph->edges[i];
        struct survey *to = &surveys[edge->to];
        all->cut[i] = is_cut(&surveys[edge->from], to, edge);
        to->cuts += all->cut[i];
        to->upstream += all->cut[i] ? 1 : surveys[edge->from].replicas;
    }
    for (size_t i = 0; i < graph->stage_count; i++)
        surveys[i].sequenced |= surveys[i].numbered && surveys[i].upstream > 1;
}

/* The name of the sequencer on a cut edge: of its reader, its writer, the port if it is not the
 * first, and ".order".  As for snprintf. */
static size_t name_cut(const struct flow_graph *graph, const struct flow_graph_edge *edge,
                       char *name, size_t size)
{
    const struct flow_graph_stage *from = &graph->stages[edge->from];
    const bool other = edge->from_port != 0;
    return (size_t)snprintf(name, size, "%s.%s%s%s" SEQUENCER_SUFFIX, graph->stages[edge->to].name,
                            from->name, other ? "." : "",
                            other ? flow_output_name(from->type, edge->from_port) : "") +
           1;
}

/* Give each stage its place, its sequencers right before it, and count what the plan will hold. */
static size_t place_stages(struct flow_plan *plan, struct survey_all *all)
{
    const struct flow_graph *graph = plan->graph;
    size_t names_size = 0;
    plan->edge_count = graph->edge_count;
    for (size_t i = 0; i < graph->stage_count; i++) {
        struct survey *s = &all->stages[i];
        s->next_cut = plan->stage_count;
        plan->stage_count += s->cuts + s->sequenced;
        plan->edge_count += s->cuts + s->sequenced;
        s->place = plan->stage_count++;
        if (s->sequenced)
            names_size += strlen(graph->stages[i].name) + sizeof(SEQUENCER_SUFFIX);
    }
    for (size_t i = 0; i < graph->edge_count; i++)
        names_size += all->cut[i] ? name_cut(graph, &graph->edges[i], NULL, 0) : 0;
    return names_size;
}

static void make_stages(struct flow_plan *plan, const struct survey *surveys, char **names)
{
    for (size_t i = 0; i < plan->graph->stage_count; i++) {
        const struct flow_graph_stage *stage = &plan->graph->stages[i];
        const struct survey *s = &surveys[i];
        plan->stages[s->place] = (struct flow_plan_stage){
            .name = stage->name,
            .graph = stage,
            .type = stage->type,
            .replica_count = s->replicas,
            .numbered = s->numbered,
            .recovers = s->recovers,
            .spool_bytes = flow_delivery_spool(plan->graph, stage),
        };
        if (!s->sequenced)
            continue;
        const size_t size = strlen(stage->name) + sizeof(SEQUENCER_SUFFIX);
        (void)snprintf(*names, size, "%s" SEQUENCER_SUFFIX, stage->name);
        plan->stages[s->place - 1] = (struct flow_plan_stage){.name = *names, .replica_count = 1};
        *names += size;
    }
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
        .merge_numbered = takes_numbers(from, to, edge),
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

/* Put a sequencer on each cut edge: `edges` has the part behind it, `before` gets the one before.
 */
static size_t cut_edges(struct flow_plan *plan, struct survey_all *all, char *names,
                        struct flow_plan_edge *edges, struct flow_plan_edge *before)
{
    const struct flow_graph *graph = plan->graph;
    size_t count = 0;
    for (size_t i = 0; i < graph->edge_count; i++) {
        if (!all->cut[i])
            continue;
        const struct flow_graph_edge *edge = &graph->edges[i];
        const size_t place = all->stages[edge->to].next_cut++;
        const size_t size = name_cut(graph, edge, NULL, 0);
        (void)name_cut(graph, edge, names, size);
        plan->stages[place] = (struct flow_plan_stage){.name = names, .replica_count = 1};
        names += size;
        before[count++] = (struct flow_plan_edge){
            .graph_edge = FLOW_NONE,
            .from = edges[i].from,
            .from_port = edges[i].from_port,
            .to = place,
            .share = FLOW_BALANCE,
            .when_full = FLOW_BLOCK,
            .merge_numbered = edges[i].merge_numbered,
        };
        edges[i].from = place;
        edges[i].from_port = 0;
        edges[i].merge_numbered = false;
    }
    return count;
}

/* Into plan->edges by a counting sort: edges to one stage keep their order. */
static bool sort_edges(struct flow_plan *plan, const struct flow_plan_edge *edges)
{
    size_t *next = flow_calloc(plan->stage_count + 1, sizeof(*next));
    if (next == NULL)
        return false;
    for (size_t i = 0; i < plan->edge_count; i++)
        next[edges[i].to + 1]++;
    for (size_t i = 1; i <= plan->stage_count; i++)
        next[i] += next[i - 1];
    for (size_t i = 0; i < plan->edge_count; i++)
        plan->edges[next[edges[i].to]++] = edges[i];
    free(next);
    return true;
}

static bool make_edges(struct flow_plan *plan, struct survey_all *all, char *names)
{
    const struct flow_graph *graph = plan->graph;
    struct flow_plan_edge *edges = flow_calloc(plan->edge_count, sizeof(*edges));
    if (edges == NULL)
        return false;
    size_t count = 0;
    for (; count < graph->edge_count; count++)
        edges[count] = graph_edge(plan, all->stages, count);
    count += cut_edges(plan, all, names, edges, edges + count);
    for (size_t i = 0; i < graph->stage_count; i++) {
        if (all->stages[i].sequenced)
            edges[count++] = sequencer_edge(&all->stages[i]);
    }
    const bool sorted = sort_edges(plan, edges);
    free(edges);
    return sorted;
}

/* Replicas and links one after the other, and no more of them than the engine is built for. */
static enum flow_status count(struct flow_plan *plan, struct flow_error *err)
{
    uint64_t replicas = 0;
    for (size_t i = 0; i < plan->stage_count; i++) {
        plan->stages[i].first_replica = (size_t)replicas;
        replicas += plan->stages[i].replica_count;
    }
    if (replicas > FLOW_PLAN_MAX_REPLICAS) {
        return flow_fail(err, FLOW_ERANGE,
                         "the graph asks for %llu workers in all; at most %d are supported",
                         (unsigned long long)replicas, FLOW_PLAN_MAX_REPLICAS);
    }
    uint64_t links = 0;
    for (size_t i = 0; i < plan->edge_count; i++) {
        struct flow_plan_edge *edge = &plan->edges[i];
        edge->first_link = (size_t)links;
        edge->link_count =
            plan->stages[edge->from].replica_count * plan->stages[edge->to].replica_count;
        links += edge->link_count;
    }
    if (links > FLOW_PLAN_MAX_LINKS) {
        return flow_fail(err, FLOW_ERANGE,
                         "the graph needs %llu links between its workers; at most %d are supported",
                         (unsigned long long)links, FLOW_PLAN_MAX_LINKS);
    }
    plan->replica_count = (size_t)replicas;
    plan->link_count = (size_t)links;
    return FLOW_OK;
}

enum flow_status flow_plan_expand(struct flow_plan *plan, const bool *recovers,
                                  struct flow_error *err)
{
    enum flow_status rc = FLOW_ENOMEM;
    struct survey_all all = {
        .stages = flow_calloc(plan->graph->stage_count, sizeof(*all.stages)),
        .cut = flow_calloc(plan->graph->edge_count, sizeof(*all.cut)),
        .recovers = recovers,
    };
    if (all.stages == NULL || all.cut == NULL)
        goto done;
    survey_graph(plan, &all);
    const size_t names_size = place_stages(plan, &all);

    plan->names = flow_alloc(names_size);
    plan->stages = flow_calloc(plan->stage_count, sizeof(*plan->stages));
    plan->edges = flow_calloc(plan->edge_count, sizeof(*plan->edges));
    if (plan->names == NULL || plan->stages == NULL || plan->edges == NULL)
        goto done;
    char *names = plan->names;
    make_stages(plan, all.stages, &names);
    if (!make_edges(plan, &all, names))
        goto done;
    rc = count(plan, err);

done:
    free(all.stages);
    free(all.cut);
    return rc;
}
