/* SPDX-License-Identifier: MIT */
/* Several workers of one stage: may the type have them, and what order can they keep. */
#include "graph/field.h"
#include "graph/text.h"

struct flow_edge_range flow_reader_inputs(const struct flow_reader *r, size_t stage)
{
    /* Edges stand in the order of their readers. */
    size_t low = 0;
    size_t high = r->graph->edge_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (r->graph->edges[middle].to < stage)
            low = middle + 1;
        else
            high = middle;
    }
    struct flow_edge_range edges = {.first = low, .end = low};
    while (edges.end < r->graph->edge_count && r->graph->edges[edges.end].to == stage)
        edges.end++;
    return edges;
}

/* A finding about the number of workers, wherever that comes from. */
static void report(struct flow_reader *r, size_t index, const char *hint, const char *message)
{
    const struct flow_stage_nodes *nodes = &r->stages[index];
    const struct flow_graph_stage *stage = &r->graph->stages[index];
    if (nodes->workers_option != NULL) {
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, hint, "--workers %s: '%s' (%s) %s",
                      flow_cut(nodes->workers_option).text, stage->name, stage->type->name,
                      message);
    } else {
        flow_diag_add(r->diag, FLOW_AT(nodes->workers), hint, "stage '%s' (%s) %s", stage->name,
                      stage->type->name, message);
    }
}

static void check_stateful(struct flow_reader *r, size_t index, struct flow_edge_range edges)
{
    for (size_t i = edges.first; i < edges.end; i++) {
        if (r->graph->edges[i].share == FLOW_KEY || r->edges[i].share_unknown)
            continue;
        struct flow_str hint = {0};
        flow_str_addf(&hint,
                      "write { \"stage\": %s, \"share\": \"key\" }, or leave it at one worker",
                      flow_show(r->edges[i].ref).text);
        report(
            r, index, hint.text,
            "keeps state from record to record: several workers need every edge into it to share "
            "by key");
        flow_str_clear(&hint);
        return;
    }
}

void flow_reader_parallel(struct flow_reader *r, size_t index)
{
    struct flow_graph_stage *stage = &r->graph->stages[index];
    const struct flow_stage_nodes *nodes = &r->stages[index];
    if (stage->workers == 1)
        return;

    const struct flow_edge_range edges = flow_reader_inputs(r, index);
    bool by_key = false;
    for (size_t i = edges.first; i < edges.end; i++)
        by_key = by_key || r->graph->edges[i].share == FLOW_KEY;
    if (by_key && nodes->order == NULL)
        stage->order = FLOW_ORDER_KEY;
    if (by_key && nodes->order_given && stage->order == FLOW_ORDER_INPUT) {
        flow_diag_add(r->diag, FLOW_AT(nodes->order), "leave it out, or write \"key\" or \"none\"",
                      "stage '%s' shares by key among several workers: they keep the order within "
                      "each key, not that of the whole input",
                      stage->name);
    }

    if (stage->type == NULL)
        return;
    if ((stage->type->traits & FLOW_SINGLE) != 0)
        report(r, index, "leave 'workers' out", "can only have one worker");
    else if ((stage->type->traits & FLOW_STATEFUL) != 0)
        check_stateful(r, index, edges);
}
