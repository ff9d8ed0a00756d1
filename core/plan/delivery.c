/* SPDX-License-Identifier: MIT */
#include "plan/delivery.h"

#include <stdlib.h>

#include "base/mem.h"
#include "param/param.h"

#define NO_CHECKPOINTS "the run takes no checkpoints"

enum flow_status flow_delivery_weakness(const struct flow_graph_stage *stage, const char **weakness,
                                        struct flow_error *err)
{
    const struct flow_stage_type *type = stage->type;
    *weakness = NULL;
    if (type == NULL || type->weakness == NULL)
        return FLOW_OK;
    void *self = flow_alloc(type->state_size + 1);
    if (self == NULL)
        return flow_fail(err, FLOW_ENOMEM, "no memory to look at stage '%s'", stage->name);
    const enum flow_status rc = flow_params_read(type->params, stage->with, self, err);
    if (rc == FLOW_OK)
        *weakness = type->weakness(self);
    flow_params_clear(type->params, self);
    free(self);
    return rc;
}

uint64_t flow_delivery_spool(const struct flow_graph *graph, const struct flow_graph_stage *stage)
{
    const char *weakness = NULL;
    if (!graph->checkpoints || stage->type == NULL || stage->type->role != FLOW_PRODUCER)
        return 0;
    if (stage->spool_given || graph->spool_bytes == 0)
        return stage->spool_bytes;
    const enum flow_status rc = flow_delivery_weakness(stage, &weakness, NULL);
    return rc == FLOW_OK && weakness != NULL ? graph->spool_bytes : 0;
}

/* What one stage is to a path that it begins or ends; NULL: no weakness. */
static enum flow_status weakness_of(const struct flow_plan_stage *stage, const char **weakness,
                                    struct flow_error *err)
{
    *weakness = NULL;
    return stage->graph != NULL ? flow_delivery_weakness(stage->graph, weakness, err) : FLOW_OK;
}

static bool has_output(const struct flow_plan *plan, size_t stage)
{
    for (size_t i = 0; i < plan->edge_count; i++)
        if (plan->edges[i].from == stage)
            return true;
    return false;
}

static bool has_input(const struct flow_plan *plan, size_t stage)
{
    for (size_t i = 0; i < plan->edge_count; i++)
        if (plan->edges[i].to == stage)
            return true;
    return false;
}

enum { UNREACHED, REACHED, DROPPING }; /* a path leads there; and one that may drop records */

static bool drops(const struct flow_plan_edge *edge)
{
    return edge->when_full == FLOW_DROP_NEW || edge->when_full == FLOW_DROP_OLD;
}

/* Where records of a stage get to.  Stages by `turn`: writers stand before readers. */
static void spread(const struct flow_plan *plan, const size_t *by_turn, size_t from, uint8_t *seen)
{
    for (size_t i = 0; i < plan->stage_count; i++)
        seen[i] = UNREACHED;
    seen[from] = REACHED;
    for (size_t t = 0; t < plan->stage_count; t++) {
        const size_t stage = by_turn[t];
        for (size_t e = 0; seen[stage] != UNREACHED && e < plan->edge_count; e++) {
            const struct flow_plan_edge *edge = &plan->edges[e];
            const uint8_t now = drops(edge) ? DROPPING : seen[stage];
            if (edge->from == stage && seen[edge->to] < now)
                seen[edge->to] = now;
        }
    }
}

struct lister {
    const struct flow_plan *plan;
    size_t *by_turn;
    uint8_t *seen;
    struct flow_delivery_path *paths;
    size_t count, capacity;
};

static enum flow_status add_path(struct lister *l, size_t from, size_t to, struct flow_error *err)
{
    const struct flow_plan_stage *end = &l->plan->stages[to];
    struct flow_delivery_path path = {.from = from, .to = to};
    enum flow_status rc = weakness_of(&l->plan->stages[from], &path.loses, err);
    path.spooled = l->plan->stages[from].spool_bytes > 0;
    if (path.spooled)
        path.loses = NULL;
    if (rc == FLOW_OK)
        rc = weakness_of(end, &path.twice, err);
    if (rc != FLOW_OK)
        return rc;
    if (path.twice == NULL && end->type != NULL && end->type->save == NULL)
        path.twice = "it cannot take back what it has done";
    if (path.loses == NULL && l->seen[to] == DROPPING)
        path.loses = "an edge on the way drops records when it is full";
    if (!l->plan->graph->checkpoints)
        path.loses = path.twice = NO_CHECKPOINTS;
    if (!flow_grow(&l->paths, &l->capacity, l->count + 1, sizeof(*l->paths)))
        return flow_fail(err, FLOW_ENOMEM, "no memory to look at the paths of the graph");
    l->paths[l->count++] = path;
    return FLOW_OK;
}

static enum flow_status list_from(struct lister *l, size_t from, struct flow_error *err)
{
    enum flow_status rc = FLOW_OK;
    spread(l->plan, l->by_turn, from, l->seen);
    for (size_t to = 0; to < l->plan->stage_count && rc == FLOW_OK; to++) {
        if (l->seen[to] != UNREACHED && !has_output(l->plan, to))
            rc = add_path(l, from, to, err);
    }
    return rc;
}

enum flow_status flow_delivery_list(const struct flow_plan *plan, struct flow_delivery_path **paths,
                                    size_t *count, struct flow_error *err)
{
    struct lister l = {
        .plan = plan,
        .by_turn = flow_calloc(plan->stage_count, sizeof(size_t)),
        .seen = flow_calloc(plan->stage_count, 1),
    };
    enum flow_status rc = FLOW_OK;
    if (l.by_turn == NULL || l.seen == NULL)
        rc = flow_fail(err, FLOW_ENOMEM, "no memory to look at the paths of the graph");
    for (size_t i = 0; i < plan->stage_count && rc == FLOW_OK; i++)
        l.by_turn[plan->stages[i].turn] = i;
    for (size_t i = 0; i < plan->stage_count && rc == FLOW_OK; i++) {
        if (!has_input(plan, i))
            rc = list_from(&l, i, err);
    }
    free(l.by_turn);
    free(l.seen);
    if (rc != FLOW_OK) {
        free(l.paths);
        return rc;
    }
    *paths = l.paths;
    *count = l.count;
    return FLOW_OK;
}

const char *flow_delivery_words(const struct flow_delivery_path *path)
{
    if (path->loses != NULL)
        return path->twice != NULL ? "none" : "at most once";
    return path->twice != NULL ? "at least once" : "exactly once";
}

/* ---- demands ---- */

/* What a stage says of its paths itself; NULL: nothing. */
static const enum flow_delivery *word_of(const struct flow_plan_stage *stage)
{
    const struct flow_graph_stage *graph = stage->graph;
    return graph != NULL && graph->delivery_given ? &graph->delivery : NULL;
}

/* What is demanded of a path by `owner`: a stage, or, NULL, `run`. */
static enum flow_status check_demand(const struct flow_plan *plan,
                                     const struct flow_delivery_path *path,
                                     enum flow_delivery wanted, const char *owner,
                                     struct flow_error *err)
{
    const bool may_lose = wanted == FLOW_DELIVERY_NONE || wanted == FLOW_DELIVERY_AT_MOST;
    const bool may_double = wanted == FLOW_DELIVERY_NONE || wanted == FLOW_DELIVERY_AT_LEAST;
    const char *why = path->loses != NULL && !may_lose     ? path->loses
                      : path->twice != NULL && !may_double ? path->twice
                                                           : NULL;
    if (why == NULL)
        return FLOW_OK;
    return flow_fail(
        err, FLOW_EINVAL, "%s%s.delivery demands \"%s\", but from '%s' to '%s' it is %s: %s",
        owner != NULL ? "stages." : "", owner != NULL ? owner : "run", flow_delivery_name(wanted),
        plan->stages[path->from].name, plan->stages[path->to].name, flow_delivery_words(path), why);
}

static enum flow_status check_path(const struct flow_plan *plan,
                                   const struct flow_delivery_path *path, struct flow_error *err)
{
    const struct flow_plan_stage *const ends[] = {&plan->stages[path->from],
                                                  &plan->stages[path->to]};
    enum flow_status rc = FLOW_OK;
    bool said = false;
    for (size_t i = 0; i < 2 && rc == FLOW_OK; i++) {
        const enum flow_delivery *word = word_of(ends[i]);
        said = said || word != NULL;
        if (word != NULL)
            rc = check_demand(plan, path, *word, ends[i]->name, err);
    }
    return said ? rc : check_demand(plan, path, plan->graph->delivery, NULL, err);
}

/*
 * What a spool has is emitted again.  What a producer had taken and not put there yet is gone with
 * its process: records in the middle of a stream, of which nobody would know, unless they are sent
 * again.
 */
static enum flow_status way_back_weakness(const struct flow_plan_stage *stage, const char **why,
                                          struct flow_error *err)
{
    const enum flow_status rc = weakness_of(stage, why, err);
    if (rc != FLOW_OK || *why == NULL || stage->spool_bytes == 0)
        return rc;
    const bool answers = (stage->type->traits & FLOW_ANSWERS) != 0;
    *why = answers ? NULL : "what is not in its spool yet is not sent again";
    return FLOW_OK;
}

enum flow_status flow_delivery_way_back(const struct flow_plan *plan, size_t *stage,
                                        const char **why, struct flow_error *err)
{
    *stage = FLOW_NONE;
    *why = NULL;
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < plan->stage_count && rc == FLOW_OK && *why == NULL; i++) {
        const enum flow_delivery *word = word_of(&plan->stages[i]);
        const enum flow_delivery wanted = word != NULL ? *word : plan->graph->delivery;
        if (!has_input(plan, i) && wanted != FLOW_DELIVERY_AT_MOST)
            rc = way_back_weakness(&plan->stages[i], why, err);
        *stage = *why != NULL ? i : FLOW_NONE;
    }
    return rc;
}

/* Can what the stage knows be saved? */
static enum flow_status check_stage(const struct flow_plan *plan, size_t index,
                                    struct flow_error *err)
{
    const struct flow_plan_stage *stage = &plan->stages[index];
    const struct flow_stage_type *type = stage->type;
    if (type == NULL || type->save != NULL)
        return FLOW_OK;
    if (type->role == FLOW_PRODUCER)
        return flow_fail(err, FLOW_EINVAL,
                         "the run is to take checkpoints, but its producer '%s' cannot say where "
                         "it is: its type %s has no 'save'",
                         stage->name, type->name);
    if ((type->traits & FLOW_STATEFUL) != 0)
        return flow_fail(err, FLOW_EINVAL,
                         "the run is to take checkpoints, but stage '%s' keeps state that it "
                         "cannot save: its type %s has no 'save'",
                         stage->name, type->name);
    if (type->finish != NULL && type->role != FLOW_CONSUMER)
        return flow_fail(err, FLOW_EINVAL,
                         "the run is to take checkpoints, but stage '%s' may keep state until the "
                         "end: its type %s has a 'finish' and no 'save'",
                         stage->name, type->name);
    return FLOW_OK;
}

/* Only an end of paths can speak of them. */
static enum flow_status check_word(const struct flow_plan *plan, size_t index,
                                   struct flow_error *err)
{
    const struct flow_plan_stage *stage = &plan->stages[index];
    if (word_of(stage) == NULL || !has_input(plan, index) || !has_output(plan, index))
        return FLOW_OK;
    return flow_fail(
        err, FLOW_EINVAL,
        "stage '%s' has \"delivery\", but it stands in the middle of its paths: say "
        "it of the producer that begins them, of the stage that ends them, or in 'run'",
        stage->name);
}

/* Has a stage that is to have a spool a use for it? */
static enum flow_status check_spool(const struct flow_plan *plan,
                                    const struct flow_plan_stage *stage, struct flow_error *err)
{
    const char *weakness = NULL;
    if (stage->graph == NULL || !stage->graph->spool_given || stage->graph->spool_bytes == 0)
        return FLOW_OK;
    if (stage->type->role != FLOW_PRODUCER)
        return flow_fail(err, FLOW_EINVAL,
                         "stage '%s' is to have a spool, which only producers can have; what it "
                         "is given comes again by itself",
                         stage->name);
    if (!plan->graph->checkpoints)
        return flow_fail(err, FLOW_EINVAL,
                         "stage '%s' is to have a spool, which lies in the state folder of a run "
                         "that takes checkpoints: add \"state\": true to \"run\", or --state",
                         stage->name);
    const enum flow_status rc = flow_delivery_weakness(stage->graph, &weakness, err);
    if (rc != FLOW_OK || weakness != NULL)
        return rc;
    return flow_fail(err, FLOW_EINVAL,
                     "stage '%s' is to have a spool, but needs none: it can read again what it has "
                     "read; leave \"spool\" out there",
                     stage->name);
}

enum flow_status flow_delivery_check(const struct flow_plan *plan, struct flow_error *err)
{
    enum flow_status rc = FLOW_OK;
    bool demands = plan->graph->delivery != FLOW_DELIVERY_NONE;
    for (size_t i = 0; plan->graph->checkpoints && i < plan->stage_count && rc == FLOW_OK; i++)
        rc = check_stage(plan, i, err);
    for (size_t i = 0; i < plan->stage_count && rc == FLOW_OK; i++) {
        demands = demands || word_of(&plan->stages[i]) != NULL;
        rc = check_word(plan, i, err);
        if (rc == FLOW_OK)
            rc = check_spool(plan, &plan->stages[i], err);
    }
    if (rc != FLOW_OK || !demands)
        return rc;
    struct flow_delivery_path *paths = NULL;
    size_t count = 0;
    rc = flow_delivery_list(plan, &paths, &count, err);
    for (size_t i = 0; i < count && rc == FLOW_OK; i++)
        rc = check_path(plan, &paths[i], err);
    free(paths);
    return rc;
}
