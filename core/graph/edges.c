/* SPDX-License-Identifier: MIT */
/* "from" and "inputs": the edges, each owned by the stage that reads. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/text.h"

/* An input that is not there: its edges are checked, but not kept. */
#define NO_PORT UINT_MAX

static const char *const share_names[] = {"balance", "key", "all", NULL};

const char *flow_share_name(enum flow_share share)
{
    return share_names[share];
}

static void list_ports(struct flow_str *out, const struct flow_port *ports)
{
    for (size_t i = 0; ports[i].name != NULL; i++)
        flow_str_addf(out, "%s%s", i > 0 ? ", " : "", ports[i].name);
}

/* "did you mean", port by port: the first that is close. */
static void hint_port(struct flow_str *hint, const char *port, const struct flow_port *ports)
{
    for (; ports->name != NULL && hint->size == 0; ports++)
        flow_hint_closest(hint, port, (const char *const[]){ports->name, NULL});
}

void flow_reader_report_stage(struct flow_reader *r, const struct flow_node *ref, const char *name)
{
    const struct flow_node *block = flow_node_get(&r->source->root, "stages");
    struct flow_str hint = {0};
    const char **names = flow_calloc(block->count + 1, sizeof(*names));
    if (names == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    for (size_t i = 0; i < block->count; i++)
        names[i] = block->items[i].key;
    if (r->diag->count < FLOW_DIAG_MAX)
        flow_hint_closest(&hint, name, names);
    if (hint.text == NULL && block->count <= 8) {
        flow_str_add(&hint, "stages: ");
        flow_hint_list(&hint, names);
    }
    flow_diag_add(r->diag, FLOW_AT(ref), hint.text, "no stage is named '%s'", flow_cut(name).text);
    flow_str_clear(&hint);
    free(names);
}

static void report_output(struct flow_reader *r, const struct flow_node *ref,
                          const struct flow_graph_stage *stage, const char *port)
{
    if (stage->type->role == FLOW_CONSUMER) {
        flow_diag_add(r->diag, FLOW_AT(ref), "a consumer ends a path; read from what it reads from",
                      "stage '%s' (%s) is a consumer: it has no output to read", stage->name,
                      stage->type->name);
        return;
    }
    const struct flow_port *outputs = flow_type_outputs(stage->type);
    struct flow_str known = {0};
    struct flow_str hint = {0};
    list_ports(&known, outputs);
    hint_port(&hint, port, outputs);
    flow_diag_add(r->diag, FLOW_AT(ref), hint.text,
                  "stage '%s' (%s) has no output '%s'; it has: %s, errors", stage->name,
                  stage->type->name, flow_cut(port).text, known.text != NULL ? known.text : "none");
    flow_str_clear(&known);
    flow_str_clear(&hint);
}

/* The output that `port` names (NULL: the first).  False: a finding, or the type is unknown. */
static bool find_output(struct flow_reader *r, const struct flow_node *ref, size_t stage,
                        const char *port, unsigned *index)
{
    const struct flow_graph_stage *from = &r->graph->stages[stage];
    if (port != NULL && strcmp(port, "errors") == 0) {
        *index = FLOW_PORT_ERRORS;
        return true;
    }
    *index = 0;
    if (from->type == NULL)
        return true;
    const struct flow_port *outputs = flow_type_outputs(from->type);
    for (unsigned i = 0; outputs[i].name != NULL; i++) {
        if (port == NULL || strcmp(port, outputs[i].name) == 0) {
            *index = i;
            return true;
        }
    }
    report_output(r, ref, from, port != NULL ? port : "out");
    return false;
}

static void list_keys(struct flow_str *out, const struct flow_node *object)
{
    for (size_t i = 0; i < object->count; i++)
        flow_str_addf(out, "%s%s", i > 0 ? ", " : "", flow_cut(object->items[i].key).text);
}

/* An output of a graph that is a stage (NULL: its first), by way of its "ports". */
static bool find_part_output(struct flow_reader *r, const struct flow_node *ref,
                             struct flow_source *part, const char *port,
                             struct flow_graph_edge *edge)
{
    const struct flow_node *ports = flow_source_ports(part, "out");
    const struct flow_node *inner = NULL;
    for (size_t i = 0; ports != NULL && inner == NULL && i < ports->count; i++)
        if (port == NULL || strcmp(port, ports->items[i].key) == 0)
            inner = &ports->items[i];
    if (inner == NULL) {
        struct flow_str known = {0};
        if (ports != NULL)
            list_keys(&known, ports);
        flow_diag_add(r->diag, FLOW_AT(ref), NULL, "stage '%s' (%s) has no output '%s'; it has: %s",
                      part->stage->key, part->path, flow_cut(port != NULL ? port : "out").text,
                      known.text != NULL ? known.text : "none");
        flow_str_clear(&known);
        return false;
    }
    struct flow_source *here = flow_reader_enter(r, part);
    const bool good = flow_reader_ref(r, inner, edge);
    (void)flow_reader_enter(r, here);
    return good;
}

bool flow_reader_ref(struct flow_reader *r, const struct flow_node *ref,
                     struct flow_graph_edge *edge)
{
    const char *text = NULL;
    if (!flow_field_string(r, ref, &text))
        return false;
    char *name = flow_strdup(text);
    if (name == NULL)
        return flow_reader_no_memory(r);
    char *port = strchr(name, '.');
    if (port != NULL)
        *port++ = '\0';
    struct flow_source *part = flow_reader_find_part(r, name);
    bool good = false;
    if (part != NULL && part->json == NULL) { /* it could not be read, which is a finding already */
        r->unsure = true;
    } else if (part != NULL) {
        good = find_part_output(r, ref, part, port, edge);
    } else {
        edge->from = flow_reader_find_here(r, name);
        if (edge->from == FLOW_NO_STAGE)
            flow_reader_report_stage(r, ref, name);
        else
            good = find_output(r, ref, edge->from, port, &edge->from_port);
    }
    free(name);
    return good;
}

static bool is_pointer(const char *text)
{
    if (*text != '\0' && *text != '/')
        return false;
    for (; *text != '\0'; text++)
        if (*text == '~' && text[1] != '0' && text[1] != '1')
            return false;
    return true;
}

static void read_key(struct flow_reader *r, const struct flow_node *node, bool by_key,
                     struct flow_graph_edge *edge)
{
    if (node == NULL)
        return;
    flow_field_copy(r, node, &edge->key);
    if (edge->key != NULL && !is_pointer(edge->key)) {
        flow_diag_add(r->diag, FLOW_AT(node),
                      "a JSON pointer, as in \"/customer/id\"; ~ is ~0 and / is ~1",
                      "'key' must be a JSON pointer, not %s", flow_show(node).text);
    }
    if (!by_key)
        flow_diag_add(r->diag, FLOW_AT_KEY(node), "add \"share\": \"key\"",
                      "'key' says what to share by, but this edge does not share by key");
}

/* The members of an edge that is an object. */
static void read_members(struct flow_reader *r, const struct flow_node *node,
                         struct flow_graph_edge *edge, struct flow_edge_nodes *nodes)
{
    static const char *const keys[] = {"stage", "share", "key", "queue", NULL};
    static const char *const later[] = {"group", NULL};
    static const struct flow_words words = {keys, later};
    static const struct flow_words share_words = {share_names, NULL};

    (void)flow_field_check_keys(r, node, &words, FLOW_NO_OWN_KEYS);
    nodes->ref = flow_node_get(node, "stage");
    if (nodes->ref == NULL)
        flow_diag_add(r->diag, FLOW_AT(node), "add \"stage\": \"NAME\" or \"NAME.PORT\"",
                      "this edge has no 'stage': where it reads from");
    const struct flow_node *share = flow_node_get(node, "share");
    int index = FLOW_BALANCE;
    nodes->share_unknown = share != NULL && !flow_field_word(r, share, &share_words, &index);
    edge->share = (enum flow_share)index;
    read_key(r, flow_node_get(node, "key"), index == FLOW_KEY || nodes->share_unknown, edge);
    flow_reader_queue(r, flow_node_get(node, "queue"), &edge->queue);
}

/* Append the edge, whose key is taken over. */
static bool add_edge(struct flow_reader *r, const struct flow_graph_edge *edge,
                     const struct flow_edge_nodes *nodes)
{
    struct flow_graph *graph = r->graph;
    const size_t needed = graph->edge_count + 1;
    if (!flow_grow(&graph->edges, &r->edge_capacity, needed, sizeof(*graph->edges)) ||
        !flow_grow(&r->edges, &r->edge_nodes_capacity, needed, sizeof(*r->edges)))
        return flow_reader_no_memory(r);
    r->edges[graph->edge_count] = *nodes;
    graph->edges[graph->edge_count++] = *edge;
    return true;
}

static void read_edge(struct flow_reader *r, const struct flow_node *node, size_t to,
                      unsigned to_port)
{
    struct flow_graph_edge edge = {.to = to, .to_port = to_port, .queue = r->source->default_queue};
    struct flow_edge_nodes nodes = {.source = r->source, .ref = node};
    bool good = json_is_object(node->json) || json_is_string(node->json);
    if (json_is_object(node->json))
        read_members(r, node, &edge, &nodes);
    else if (!good) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "an edge is \"STAGE\", \"STAGE.PORT\" or { \"stage\": ... }, not %s",
                      flow_show(node).text);
    }
    good = good && nodes.ref != NULL && flow_reader_ref(r, nodes.ref, &edge);
    if (!good || to_port == NO_PORT || !add_edge(r, &edge, &nodes)) {
        free(edge.key);
        r->unsure = true;
    }
}

/* One edge or a list of edges into one port. */
static void read_source(struct flow_reader *r, const struct flow_node *node, size_t to,
                        unsigned to_port)
{
    if (!json_is_array(node->json)) {
        read_edge(r, node, to, to_port);
        return;
    }
    if (node->count == 0)
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'%s' is an empty list: name a stage to read from", flow_cut(node->key).text);
    for (size_t i = 0; i < node->count; i++)
        read_edge(r, &node->items[i], to, to_port);
}

static void read_from(struct flow_reader *r, size_t index)
{
    const struct flow_node *node = r->stages[index].from;
    const struct flow_graph_stage *stage = &r->graph->stages[index];
    if (node == NULL)
        return;
    const struct flow_port *ports = stage->type != NULL ? flow_type_inputs(stage->type) : NULL;
    if (ports != NULL && flow_port_count(ports) > 1) {
        struct flow_str known = {0};
        list_ports(&known, ports);
        flow_diag_add(r->diag, FLOW_AT_KEY(node), "write \"inputs\": { \"PORT\": \"STAGE\", ... }",
                      "stage '%s' (%s) has several inputs, and 'from' does not say which: %s",
                      stage->name, stage->type->name, known.text != NULL ? known.text : "");
        flow_str_clear(&known);
    }
    read_source(r, node, index, 0);
}

static void report_input(struct flow_reader *r, const struct flow_graph_stage *stage,
                         const struct flow_node *node)
{
    const struct flow_port *inputs = flow_type_inputs(stage->type);
    struct flow_str known = {0};
    struct flow_str hint = {0};
    list_ports(&known, inputs);
    hint_port(&hint, node->key, inputs);
    flow_diag_add(r->diag, FLOW_AT_KEY(node), hint.text,
                  "stage '%s' (%s) has no input '%s'; it has: %s", stage->name, stage->type->name,
                  flow_cut(node->key).text, known.text != NULL ? known.text : "none");
    flow_str_clear(&known);
    flow_str_clear(&hint);
}

/* The input named by the key of `node`; NO_PORT with a finding where there is none. */
static unsigned find_input(struct flow_reader *r, const struct flow_graph_stage *stage,
                           const struct flow_node *node)
{
    if (stage->type == NULL || stage->type->role == FLOW_PRODUCER)
        return 0;
    const struct flow_port *inputs = flow_type_inputs(stage->type);
    for (unsigned i = 0; inputs[i].name != NULL; i++)
        if (strcmp(inputs[i].name, node->key) == 0)
            return i;
    report_input(r, stage, node);
    return NO_PORT;
}

static void read_inputs(struct flow_reader *r, size_t index)
{
    const struct flow_node *node = r->stages[index].inputs;
    const bool both = r->stages[index].from != NULL;
    if (node == NULL)
        return;
    if (both) {
        flow_diag_add(r->diag, FLOW_AT_KEY(node),
                      "\"from\" is for types with one input, \"inputs\" names them",
                      "stage '%s' has both 'from' and 'inputs'", r->graph->stages[index].name);
    }
    if (!flow_field_is_object(r, node)) {
        r->unsure = true;
        return;
    }
    if (node->count == 0)
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "'inputs' is empty: name a stage to read from");
    for (size_t i = 0; i < node->count; i++) {
        const unsigned port = find_input(r, &r->graph->stages[index], &node->items[i]);
        read_source(r, &node->items[i], index, both ? NO_PORT : port);
    }
}

/* ---- through the ports of graphs that are stages ---- */

/* The input of a stage that "ports" of its graph name; NO_PORT with a finding. */
static unsigned find_fed_input(struct flow_reader *r, size_t index, const struct flow_node *target,
                               const char *port)
{
    const struct flow_graph_stage *stage = &r->graph->stages[index];
    if (stage->type == NULL)
        return NO_PORT;
    const struct flow_port *inputs = flow_type_inputs(stage->type);
    for (unsigned i = 0; inputs[i].name != NULL; i++)
        if (port != NULL ? strcmp(inputs[i].name, port) == 0 : inputs[1].name == NULL)
            return i;
    struct flow_str known = {0};
    list_ports(&known, inputs);
    flow_diag_add(r->diag, FLOW_AT(target), "as in \"STAGE.PORT\"",
                  "%s does not say which input of '%s' (%s); it has: %s", flow_show(target).text,
                  stage->name, stage->type->name, known.text != NULL ? known.text : "none");
    flow_str_clear(&known);
    return NO_PORT;
}

/* The edges that come into a port of `part`, and on to the stage `to`. */
static void read_through(struct flow_reader *r, struct flow_source *part,
                         const struct flow_node *port, size_t to, unsigned to_port)
{
    struct flow_source *outer = part->outer;
    struct flow_source *here = flow_reader_enter(r, outer);
    const struct flow_node *inputs = flow_node_get(part->stage, "inputs");
    const struct flow_node *node = inputs != NULL && json_is_object(inputs->json)
                                       ? flow_node_get(inputs, port->key)
                                       : flow_node_get(part->stage, "from");
    if (node != NULL)
        read_source(r, node, to, to_port);
    const struct flow_node *ports = flow_source_ports(outer, "in");
    for (size_t i = 0; outer->outer != NULL && ports != NULL && i < ports->count; i++) {
        const char *name = NULL;
        if (flow_source_names(&ports->items[i], part->stage->key, &name) &&
            (name == NULL || strcmp(name, port->key) == 0))
            read_through(r, outer, &ports->items[i], to, to_port);
    }
    (void)flow_reader_enter(r, here);
}

static void read_ports(struct flow_reader *r, size_t index)
{
    struct flow_stage_nodes *nodes = &r->stages[index];
    const struct flow_node *ports = flow_source_ports(nodes->source, "in");
    for (size_t i = 0; ports != NULL && i < ports->count; i++) {
        const struct flow_node *port = &ports->items[i];
        const bool list = json_is_array(port->json);
        for (size_t at = 0; at < (list ? port->count : 1); at++) {
            const struct flow_node *target = list ? &port->items[at] : port;
            const char *name = NULL;
            if (!flow_source_names(target, nodes->node->key, &name))
                continue;
            nodes->fed = true;
            const unsigned to_port = find_fed_input(r, index, target, name);
            if (to_port != NO_PORT && nodes->source->outer != NULL)
                read_through(r, nodes->source, port, index, to_port);
        }
    }
}

void flow_reader_edges(struct flow_reader *r)
{
    for (size_t i = 0; i < r->graph->stage_count && !r->diag->failed; i++) {
        (void)flow_reader_enter(r, r->stages[i].source);
        read_from(r, i);
        read_inputs(r, i);
        read_ports(r, i);
    }
    if (r->graph->stage_count > 0 && !r->diag->failed)
        flow_reader_check_parts(r);
}
