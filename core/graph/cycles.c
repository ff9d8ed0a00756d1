/* SPDX-License-Identifier: MIT */
/* Cycles, which format 1 refuses, and stages that no producer leads to. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"

/* Stages of a cycle, or of a list, that a message names at most. */
#define NAMES_SHOWN 12

enum color { UNSEEN, ON_PATH, DONE };

/* A walk along the edges, without recursion: a chain may have ten thousand stages. */
struct walk {
    struct flow_reader *r;
    size_t *first; /* of a stage in `out`; one more at the end */
    size_t *out;   /* edges by their first end */
    size_t *next;  /* of a stage on the path: the place in `out` to go on with */
    size_t *path;  /* stages, in order */
    size_t *place; /* of a stage on the path */
    size_t length;
    unsigned char *color;
    bool *in_cycle;
};

static void clear_walk(struct walk *w)
{
    free(w->first);
    free(w->out);
    free(w->next);
    free(w->path);
    free(w->place);
    free(w->color);
    free(w->in_cycle);
}

static bool make_walk(struct walk *w)
{
    const struct flow_graph *graph = w->r->graph;
    const size_t count = graph->stage_count + 1;
    w->first = flow_calloc(count + 1, sizeof(size_t));
    w->out = flow_calloc(graph->edge_count + 1, sizeof(size_t));
    w->next = flow_calloc(count, sizeof(size_t));
    w->path = flow_calloc(count, sizeof(size_t));
    w->place = flow_calloc(count, sizeof(size_t));
    w->color = flow_calloc(count, 1);
    w->in_cycle = flow_calloc(count, sizeof(bool));
    return w->first != NULL && w->out != NULL && w->next != NULL && w->path != NULL &&
           w->place != NULL && w->color != NULL && w->in_cycle != NULL;
}

/* Counting sort of the edges by their first end. */
static void sort_edges(struct walk *w)
{
    const struct flow_graph *graph = w->r->graph;
    for (size_t i = 0; i < graph->edge_count; i++)
        w->first[graph->edges[i].from + 2]++;
    for (size_t i = 2; i <= graph->stage_count; i++)
        w->first[i] += w->first[i - 1];
    for (size_t i = 0; i < graph->edge_count; i++)
        w->out[w->first[graph->edges[i].from + 1]++] = i;
}

/* The path from `start` on is a cycle that `edge` closes. */
static void report_cycle(struct walk *w, size_t start, size_t edge)
{
    struct flow_reader *r = w->r;
    const size_t size = w->length - start;
    (void)flow_reader_enter(r, r->edges[edge].source);
    struct flow_str text = {0};
    for (size_t i = 0; i < size; i++) {
        w->in_cycle[w->path[start + i]] = true;
        if (i < NAMES_SHOWN)
            flow_str_addf(&text, "%s -> ", r->graph->stages[w->path[start + i]].name);
    }
    if (size > NAMES_SHOWN)
        flow_str_addf(&text, "(%zu more) -> ", size - NAMES_SHOWN);
    flow_str_add(&text, r->graph->stages[w->path[start]].name);
    if (text.failed)
        (void)flow_reader_no_memory(w->r);
    else {
        flow_diag_add(r->diag, FLOW_AT(r->edges[edge].ref),
                      "records flow one way, from producers to consumers", "a cycle: %s",
                      text.text);
    }
    flow_str_clear(&text);
}

static void enter(struct walk *w, size_t stage)
{
    w->color[stage] = ON_PATH;
    w->next[stage] = w->first[stage];
    w->place[stage] = w->length;
    w->path[w->length++] = stage;
}

/* One step from the end of the path. */
static void step(struct walk *w)
{
    const size_t stage = w->path[w->length - 1];
    if (w->next[stage] == w->first[stage + 1]) {
        w->color[stage] = DONE;
        w->length--;
        return;
    }
    const size_t edge = w->out[w->next[stage]++];
    const size_t to = w->r->graph->edges[edge].to;
    if (w->color[to] == UNSEEN)
        enter(w, to);
    else if (w->color[to] == ON_PATH && to != stage)
        report_cycle(w, w->place[to], edge);
}

static void find_cycles(struct walk *w)
{
    for (size_t i = 0; i < w->r->graph->stage_count; i++) {
        if (w->color[i] != UNSEEN)
            continue;
        enter(w, i);
        while (w->length > 0)
            step(w);
    }
}

/* Where records begin: producers, and stages whose fault is a finding already. */
static bool is_source(const struct flow_reader *r, size_t stage)
{
    const struct flow_stage_type *type = r->graph->stages[stage].type;
    const struct flow_stage_nodes *nodes = &r->stages[stage];
    return type == NULL || type->role == FLOW_PRODUCER ||
           (nodes->from == NULL && nodes->inputs == NULL &&
            (!nodes->fed || nodes->source->outer == NULL));
}

static void reach(struct walk *w, size_t stage)
{
    if (w->color[stage] == DONE)
        return;
    w->color[stage] = DONE;
    w->path[w->length++] = stage;
}

static void mark_reached(struct walk *w)
{
    const struct flow_graph *graph = w->r->graph;
    memset(w->color, UNSEEN, graph->stage_count);
    for (size_t i = 0; i < graph->stage_count; i++)
        if (is_source(w->r, i))
            reach(w, i);
    while (w->length > 0) {
        const size_t stage = w->path[--w->length];
        for (size_t i = w->first[stage]; i < w->first[stage + 1]; i++)
            reach(w, graph->edges[w->out[i]].to);
    }
}

static void report_unreached(struct walk *w)
{
    const struct flow_reader *r = w->r;
    struct flow_str names = {0};
    size_t count = 0;
    size_t first = 0;
    for (size_t i = 0; i < r->graph->stage_count; i++) {
        if (w->color[i] == DONE || w->in_cycle[i])
            continue;
        if (count == 0)
            first = i;
        if (count < NAMES_SHOWN)
            flow_str_addf(&names, "%s'%s'", count > 0 ? ", " : "", r->graph->stages[i].name);
        count++;
    }
    if (count > NAMES_SHOWN)
        flow_str_addf(&names, " and %zu more", count - NAMES_SHOWN);
    if (count > 0 && names.failed)
        (void)flow_reader_no_memory(w->r);
    else if (count > 0)
        flow_diag_add(r->stages[first].source->diag, FLOW_AT_KEY(r->stages[first].node), NULL,
                      "no producer leads to %s", names.text);
    flow_str_clear(&names);
}

void flow_reader_cycles(struct flow_reader *r)
{
    struct walk w = {.r = r};
    if (make_walk(&w)) {
        sort_edges(&w);
        find_cycles(&w);
        if (!r->unsure) {
            mark_reached(&w);
            report_unreached(&w);
        }
    } else {
        (void)flow_reader_no_memory(r);
    }
    clear_walk(&w);
}
