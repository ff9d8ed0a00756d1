/* SPDX-License-Identifier: MIT */
/* Do the two ends of an edge fit: what the output gives and what the input takes. */
#include <string.h>

#include "graph/field.h"

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* "bytes" goes with everything, and JSON is text. */
static bool flows(const char *from, const char *to)
{
    return same(from, to) || same(from, "bytes") || same(to, "bytes") ||
           (same(from, "json") && same(to, "text"));
}

static const char *output_type(const struct flow_stage_type *type, unsigned port)
{
    return port == FLOW_PORT_ERRORS ? "json" : flow_type_outputs(type)[port].type;
}

static bool has_port(const struct flow_port *ports, const char *type)
{
    for (; ports->name != NULL; ports++)
        if (same(ports->type, type))
            return true;
    return false;
}

/* A known type that takes the one and gives the other; NULL: none. */
static const char *find_converter(const struct flow_reader *r, const char *from, const char *to)
{
    const char *const *names = r->types->names(r->types->context);
    for (; names != NULL && *names != NULL; names++) {
        const struct flow_stage_type *type =
            r->types->find(r->types->context, *names, r->source->folder, NULL);
        if (type != NULL && has_port(flow_type_inputs(type), from) &&
            has_port(flow_type_outputs(type), to))
            return type->name;
    }
    return NULL;
}

void flow_reader_match(struct flow_reader *r, size_t index)
{
    const struct flow_graph_edge *edge = &r->graph->edges[index];
    const struct flow_graph_stage *from = &r->graph->stages[edge->from];
    const struct flow_graph_stage *to = &r->graph->stages[edge->to];
    if (from->type == NULL || to->type == NULL || to->type->role == FLOW_PRODUCER)
        return;
    const char *given = output_type(from->type, edge->from_port);
    const struct flow_port *input = &flow_type_inputs(to->type)[edge->to_port];
    if (flows(given, input->type))
        return;

    const char *converter =
        r->diag->count < FLOW_DIAG_MAX ? find_converter(r, given, input->type) : NULL;
    struct flow_str hint = {0};
    if (converter != NULL) {
        flow_str_addf(&hint, "'%s' takes %s and gives %s: put it between", converter, given,
                      input->type);
    } else {
        flow_str_addf(&hint, "no known stage type turns %s into %s", given, input->type);
    }
    flow_diag_add(r->diag, FLOW_AT(r->edges[index].ref), hint.text,
                  "'%s.%s' gives %s, but the input '%s' of '%s' (%s) takes %s", from->name,
                  flow_output_name(from->type, edge->from_port), given, input->name, to->name,
                  to->type->name, input->type);
    flow_str_clear(&hint);
}
