/* SPDX-License-Identifier: MIT */
#include "random/ledger.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Beside what the run says of it. */
struct figure {
    const char *name;
    uint64_t expected;
};

static bool figures_agree(const json_t *object, const char *of, const struct figure *figures,
                          size_t count, struct rt_verdict *verdict)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, figures[i].name);
        if (json_is_integer(value) && (uint64_t)json_integer_value(value) == figures[i].expected)
            continue;
        snprintf(verdict->text, sizeof(verdict->text),
                 "the report says '%s' of %s is %" JSON_INTEGER_FORMAT ", not %" PRIu64,
                 figures[i].name, of, json_integer_value(value), figures[i].expected);
        return false;
    }
    return true;
}

static const json_t *find_named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *its = json_string_value(json_object_get(entry, "name"));
        if (its != NULL && strcmp(its, name) == 0)
            return entry;
    }
    return NULL;
}

/*
 * Whether the engine can tell what became of each record: not in a stage that takes batches, nor in
 * a sink, which emits nothing for any.
 */
static bool sees_records(const struct rt_stage *stage)
{
    return stage->type != RT_BATCH && stage->type != RT_RUNS && stage->type != RT_FORWARD_BATCH &&
           !rt_is_sink(stage);
}

static bool stage_agrees(const struct rt_graph *graph, const struct rt_expected *expected,
                         unsigned stage, const json_t *stages, struct rt_verdict *verdict)
{
    const struct rt_counts *counts = &expected->counts[stage];
    const struct figure figures[] = {
        {"in", counts->in},         {"out", counts->out},           {"skipped", counts->skipped},
        {"routed", counts->routed}, {"failed", counts->failed},     {"retried", counts->retried},
        {"unread", counts->unread}, {"filtered", counts->filtered},
    };
    const size_t all = sizeof(figures) / sizeof(figures[0]);
    char name[RT_KEY_SIZE];
    rt_stage_name(graph, stage, name);
    return graph->in[stage].lossy ||
           figures_agree(find_named(stages, name), name, figures,
                         sees_records(&graph->stages[stage]) ? all : all - 1, verdict);
}

static const char *port_suffix(const struct rt_graph *graph, const struct rt_edge *edge)
{
    if (edge->from_port == RT_ERRORS)
        return ".errors";
    return graph->stages[edge->from].type == RT_SPLIT && edge->from_port == 1 ? ".rest" : "";
}

/*
 * The edge's line in the report.  One that leads to a sequencer before its stage ends in ".order";
 * one that may drop results of a parallel stage starts at a sequencer of its own.
 */
static const json_t *find_edge(const struct rt_graph *graph, const struct rt_edge *edge,
                               const json_t *edges, char name[4 * RT_KEY_SIZE])
{
    char from[RT_KEY_SIZE], to[RT_KEY_SIZE];
    rt_stage_name(graph, edge->from, from);
    rt_stage_name(graph, edge->to, to);
    const char *suffix = port_suffix(graph, edge);
    snprintf(name, (size_t)4 * RT_KEY_SIZE, "%s%s -> %s", from, suffix, to);
    const json_t *found = find_named(edges, name);
    if (found != NULL)
        return found;
    static const char *const ends[] = {"", ".order"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, (size_t)4 * RT_KEY_SIZE, "%s.%s%s.order -> %s%s", to, from, suffix, to,
                 ends[i]);
        found = find_named(edges, name);
        if (found != NULL)
            return found;
    }
    snprintf(name, (size_t)4 * RT_KEY_SIZE, "%s%s -> %s.order", from, suffix, to);
    return find_named(edges, name);
}

/* Two edges of the same ends, to two ports, have one name: they must be alike to be told. */
static bool has_twin(const struct rt_graph *graph, unsigned edge)
{
    const struct rt_edge *a = &graph->edges[edge];
    for (unsigned e = 0; e < graph->edge_count; e++) {
        const struct rt_edge *b = &graph->edges[e];
        if (e != edge && a->from == b->from && a->from_port == b->from_port && a->to == b->to)
            return true;
    }
    return false;
}

static uint64_t number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* All that was offered was sent or dropped, nothing but by an edge that may drop, and all arrived.
 */
static bool edge_agrees(const struct rt_graph *graph, const struct rt_expected *expected,
                        unsigned index, const json_t *edges, struct rt_verdict *verdict)
{
    const struct rt_edge *edge = &graph->edges[index];
    char name[4 * RT_KEY_SIZE];
    const json_t *found = find_edge(graph, edge, edges, name);
    const uint64_t sent = number(found, "sent");
    const uint64_t received = number(found, "received");
    const uint64_t dropped = number(found, "dropped");
    const uint64_t offered = expected->offered[index];
    const bool whole = !graph->out[edge->from][edge->from_port].lossy;
    if (found != NULL && received == sent && (!whole || sent + dropped == offered) &&
        (edge->when_full != RT_BLOCK || dropped == 0))
        return true;
    snprintf(verdict->text, sizeof(verdict->text),
             "the report says of the edge %s: %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64
             " dropped; the reference has %" PRIu64,
             name, sent, received, dropped, offered);
    return false;
}

static bool books_agree(const struct rt_graph *graph, const struct rt_expected *expected,
                        const json_t *report, struct rt_verdict *verdict)
{
    const json_t *stages = json_object_get(report, "stages");
    const json_t *edges = json_object_get(report, "edges");
    for (unsigned s = 0; s < graph->stage_count; s++)
        if (!stage_agrees(graph, expected, s, stages, verdict))
            return false;
    for (unsigned e = 0; e < graph->edge_count; e++)
        if (!has_twin(graph, e) && !edge_agrees(graph, expected, e, edges, verdict))
            return false;
    return true;
}

/* The report is one object, from a line that begins with its brace. */
static json_t *find_report(const char *said)
{
    const char *start = said[0] == '{' ? said : strstr(said, "\n{");
    return start == NULL ? NULL : json_loads(start, JSON_DISABLE_EOF_CHECK, NULL);
}

bool rt_ledger_agrees(const struct rt_graph *graph, const struct rt_expected *expected,
                      const char *said, struct rt_verdict *verdict)
{
    json_t *report = find_report(said);
    if (report == NULL) {
        snprintf(verdict->text, sizeof(verdict->text), "no report on standard error: %.500s", said);
        return false;
    }
    const bool ok = books_agree(graph, expected, report, verdict);
    json_decref(report);
    return ok;
}
