/* SPDX-License-Identifier: MIT */
#include "graph/draw_label.h"

void flow_draw_title(const struct flow_graph_stage *stage, struct flow_str *out)
{
    flow_str_add(out, stage->name);
    if (stage->workers == FLOW_WORKERS_AUTO)
        flow_str_add(out, " ×auto");
    else if (stage->workers > 1)
        flow_str_addf(out, " ×%u", stage->workers);
}

/* Add a word to a label, with a space before it unless it is the first. */
static void add_word(struct flow_str *out, size_t start, const char *before, const char *word)
{
    flow_str_addf(out, "%s%s%s", out->size > start ? " " : "", before, word);
}

void flow_draw_label(const struct flow_graph *graph, const struct flow_graph_edge *edge,
                     struct flow_str *out)
{
    const struct flow_stage_type *from = graph->stages[edge->from].type;
    const struct flow_port *inputs = flow_type_inputs(graph->stages[edge->to].type);
    const size_t start = out->size;
    if (edge->from_port == FLOW_PORT_ERRORS || flow_port_count(flow_type_outputs(from)) > 1)
        add_word(out, start, "", flow_output_name(from, edge->from_port));
    if (edge->share != FLOW_BALANCE)
        add_word(out, start, "", flow_share_name(edge->share));
    if (edge->key != NULL)
        add_word(out, start, "", edge->key);
    if (edge->queue.when_full != FLOW_BLOCK)
        add_word(out, start, "", flow_when_full_name(edge->queue.when_full));
    if (flow_port_count(inputs) > 1)
        add_word(out, start, "→", inputs[edge->to_port].name);
}
