/* SPDX-License-Identifier: MIT */
/* What must hold of stages and edges once all names are known. */
#include <stdlib.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/text.h"

static const struct flow_node *input_node(const struct flow_stage_nodes *nodes)
{
    return nodes->from != NULL ? nodes->from : nodes->inputs;
}

static void check_input(struct flow_reader *r, size_t index)
{
    const struct flow_graph_stage *stage = &r->graph->stages[index];
    const struct flow_stage_nodes *nodes = &r->stages[index];
    const struct flow_node *input = input_node(nodes);
    if (stage->type->role == FLOW_PRODUCER && input != NULL) {
        flow_diag_add(r->diag, FLOW_AT_KEY(input), NULL,
                      "stage '%s' (%s) is a producer: it takes no input", stage->name,
                      stage->type->name);
    } else if (stage->type->role != FLOW_PRODUCER && input == NULL && !nodes->keys_unknown &&
               !nodes->fed) {
        flow_diag_add(r->diag, FLOW_AT_KEY(nodes->node), "add \"from\": \"STAGE\"",
                      "stage '%s' (%s) takes records, but nothing says from where", stage->name,
                      stage->type->name);
    }
}

static void check_output(struct flow_reader *r, size_t index)
{
    const struct flow_graph_stage *stage = &r->graph->stages[index];
    const struct flow_stage_nodes *nodes = &r->stages[index];
    const bool must_be_read =
        stage->type->role == FLOW_PRODUCER || stage->type->role == FLOW_WORKER;
    if (!must_be_read || nodes->is_read || r->unsure ||
        (nodes->exported && nodes->source->outer == NULL))
        return;
    const struct flow_node *node = nodes->exported ? nodes->source->stage : nodes->node;
    struct flow_diag *diag = nodes->exported ? nodes->source->outer->diag : r->diag;
    struct flow_str hint = {0};
    flow_str_addf(&hint, "add a stage with \"from\": \"%s\"; \"use\": \"null\" throws records away",
                  node->key);
    flow_diag_add(diag, FLOW_AT_KEY(node), hint.text, "nothing reads what stage '%s' (%s) gives",
                  stage->name, stage->type->name);
    flow_str_clear(&hint);
}

/* A route to nowhere. */
static void check_route(struct flow_reader *r, size_t index)
{
    const struct flow_graph_stage *stage = &r->graph->stages[index];
    const struct flow_stage_nodes *nodes = &r->stages[index];
    if (stage->errors.then != FLOW_ROUTE || nodes->has_error_reader || r->unsure ||
        (nodes->errors_exported && nodes->source->outer == NULL))
        return;
    if (nodes->errors_exported) {
        flow_diag_add(nodes->source->outer->diag, FLOW_AT_KEY(nodes->source->stage), NULL,
                      "stage '%s' routes bad records to a port of '%s', which nothing reads",
                      stage->name, nodes->source->name);
        return;
    }
    const struct flow_node *node =
        nodes->errors != NULL ? nodes->errors : r->source->default_errors_node;
    struct flow_str hint = {0};
    flow_str_addf(&hint, "add a stage with \"from\": \"%s.errors\"", stage->name);
    flow_diag_add(r->diag, FLOW_AT(node), hint.text,
                  "stage '%s' routes bad records to its port 'errors', which nothing reads",
                  stage->name);
    flow_str_clear(&hint);
}

/* Readers of a port where nothing will arrive, and edges from a stage to itself. */
static void check_edge(struct flow_reader *r, size_t index)
{
    const struct flow_graph_edge *edge = &r->graph->edges[index];
    const struct flow_graph_stage *from = &r->graph->stages[edge->from];
    const struct flow_node *ref = r->edges[index].ref;
    if (edge->from_port == FLOW_PORT_ERRORS && from->errors.then != FLOW_ROUTE &&
        !r->stages[edge->from].errors_unknown) {
        struct flow_str hint = {0};
        flow_str_addf(&hint, "add \"errors\": \"route\" to stage '%s'", from->name);
        flow_diag_add(r->diag, FLOW_AT(ref), hint.text,
                      "nothing will arrive from '%s.errors': the error policy of '%s' is %s",
                      from->name, from->name, flow_on_error_name(from->errors.then));
        flow_str_clear(&hint);
    }
    if (edge->from == edge->to)
        flow_diag_add(r->diag, FLOW_AT(ref), "records flow one way, from producers to consumers",
                      "stage '%s' reads from itself", from->name);
}

static void note_reader(struct flow_reader *r, size_t index)
{
    const struct flow_graph_edge *edge = &r->graph->edges[index];
    if (edge->from_port == FLOW_PORT_ERRORS)
        r->stages[edge->from].has_error_reader = true;
    else
        r->stages[edge->from].is_read = true;
}

/* An edge while edges that stand twice are looked for. */
struct sorted_edge {
    size_t from, to, index;
    unsigned from_port, to_port;
};

static int compare(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int compare_ends(const struct sorted_edge *x, const struct sorted_edge *y)
{
    int order = compare(x->to, y->to);
    order = order != 0 ? order : compare(x->from, y->from);
    order = order != 0 ? order : compare(x->from_port, y->from_port);
    return order != 0 ? order : compare(x->to_port, y->to_port);
}

static int compare_edges(const void *a, const void *b)
{
    const struct sorted_edge *x = a;
    const struct sorted_edge *y = b;
    const int order = compare_ends(x, y);
    return order != 0 ? order : compare(x->index, y->index);
}

static void report_double(struct flow_reader *r, size_t first, size_t again)
{
    struct flow_str hint = {0};
    (void)flow_reader_enter(r, r->edges[again].source);
    if (r->edges[first].source == r->source)
        flow_str_addf(&hint, "it stands first on line %zu",
                      flow_text_line(r->diag, r->edges[first].ref->offset));
    flow_diag_add(r->diag, FLOW_AT(r->edges[again].ref), hint.text,
                  "stage '%s' reads %s twice: every record would arrive two times",
                  r->graph->stages[r->graph->edges[again].to].name,
                  flow_show(r->edges[again].ref).text);
    flow_str_clear(&hint);
}

static void check_doubles(struct flow_reader *r)
{
    const size_t count = r->graph->edge_count;
    struct sorted_edge *sorted = flow_calloc(count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct flow_graph_edge *edge = &r->graph->edges[i];
        sorted[i] = (struct sorted_edge){edge->from, edge->to, i, edge->from_port, edge->to_port};
    }
    qsort(sorted, count, sizeof(*sorted), compare_edges);
    size_t first = 0;
    for (size_t i = 1; i < count; i++) {
        if (compare_ends(&sorted[first], &sorted[i]) == 0)
            report_double(r, sorted[first].index, sorted[i].index);
        else
            first = i;
    }
    free(sorted);
}

void flow_reader_rules(struct flow_reader *r)
{
    for (size_t i = 0; i < r->graph->edge_count; i++) {
        (void)flow_reader_enter(r, r->edges[i].source);
        note_reader(r, i);
        check_edge(r, i);
        flow_reader_match(r, i);
    }
    for (size_t i = 0; i < r->graph->stage_count; i++) {
        (void)flow_reader_enter(r, r->stages[i].source);
        flow_reader_parallel(r, i);
        flow_reader_fuse(r, i);
        check_route(r, i);
        if (r->graph->stages[i].type == NULL)
            continue;
        check_input(r, i);
        check_output(r, i);
    }
    check_doubles(r);
    flow_reader_cycles(r);
}
