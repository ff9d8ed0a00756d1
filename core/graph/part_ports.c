/* SPDX-License-Identifier: MIT */
/* "ports": where a graph that is a stage is joined to the one that uses it, looked at from both
 * sides. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/text.h"

const struct flow_node *flow_source_ports(const struct flow_source *source, const char *which)
{
    const struct flow_node *ports = flow_node_get(flow_node_get(&source->root, "ports"), which);
    return ports != NULL && json_is_object(ports->json) ? ports : NULL;
}

/* One "STAGE" or "STAGE.PORT". */
static bool names_stage(const char *text, const char *key, const char **port)
{
    const size_t size = strlen(key);
    if (text == NULL || strncmp(text, key, size) != 0 || (text[size] != '\0' && text[size] != '.'))
        return false;
    *port = text[size] == '.' ? text + size + 1 : NULL;
    return true;
}

bool flow_source_names(const struct flow_node *target, const char *key, const char **port)
{
    if (!json_is_array(target->json))
        return names_stage(json_string_value(target->json), key, port);
    for (size_t i = 0; i < target->count; i++)
        if (names_stage(json_string_value(target->items[i].json), key, port))
            return true;
    return false;
}

/* Every name under "in" is a stage or a graph that is one; what it does with it is seen later. */
static void check_target(struct flow_reader *r, const struct flow_node *target)
{
    const char *text = NULL;
    if (!flow_field_string(r, target, &text))
        return;
    char *name = flow_strndup(text, strcspn(text, "."));
    if (name == NULL)
        (void)flow_reader_no_memory(r);
    else if (flow_reader_find_part(r, name) == NULL &&
             flow_reader_find_here(r, name) == FLOW_NO_STAGE)
        flow_reader_report_stage(r, target, name);
    free(name);
}

static void check_inside(struct flow_reader *r, struct flow_source *part)
{
    static const char *const keys[] = {"in", "out", NULL};
    static const struct flow_words words = {keys, NULL};
    const struct flow_node *ports = flow_node_get(&part->root, "ports");
    if (ports == NULL || !flow_field_is_object(r, ports))
        return;
    (void)flow_field_check_keys(r, ports, &words, FLOW_NO_OWN_KEYS);
    (void)flow_field_is_object(r, flow_node_get(ports, "in"));
    (void)flow_field_is_object(r, flow_node_get(ports, "out"));
    const struct flow_node *in = flow_source_ports(part, "in");
    for (size_t i = 0; in != NULL && i < in->count; i++) {
        const struct flow_node *port = &in->items[i];
        const bool list = json_is_array(port->json);
        for (size_t at = 0; at < (list ? port->count : 1); at++)
            check_target(r, list ? &port->items[at] : port);
    }
    const struct flow_node *out = flow_source_ports(part, "out");
    for (size_t i = 0; out != NULL && i < out->count; i++) {
        struct flow_graph_edge edge = {0};
        if (!flow_reader_ref(r, &out->items[i], &edge))
            r->unsure = true;
        else if (edge.from_port == FLOW_PORT_ERRORS)
            r->stages[edge.from].errors_exported = r->stages[edge.from].source == part;
        else
            r->stages[edge.from].exported = r->stages[edge.from].source == part;
    }
}

/* Does the graph that the part is in pass one of its own inputs on to this one? */
static bool is_passed_on(const struct flow_source *part, const char *port)
{
    const struct flow_node *in = flow_source_ports(part->outer, "in");
    for (size_t i = 0; part->outer->outer != NULL && in != NULL && i < in->count; i++) {
        const char *name = NULL;
        if (flow_source_names(&in->items[i], part->stage->key, &name) &&
            (name == NULL || strcmp(name, port) == 0))
            return true;
    }
    return false;
}

/* Were its nodes read? */
static bool is_usable(const struct flow_source *source)
{
    return source->json != NULL && json_is_object(source->json);
}

static void report_ports(struct flow_reader *r, const struct flow_source *part,
                         const struct flow_node *at, const char *what)
{
    const struct flow_node *in = flow_source_ports(part, "in");
    struct flow_str known = {0};
    for (size_t i = 0; in != NULL && i < in->count; i++)
        flow_str_addf(&known, "%s%s", i > 0 ? ", " : "", flow_cut(in->items[i].key).text);
    flow_diag_add(r->diag, FLOW_AT_KEY(at), NULL, "stage '%s' (%s) %s; its inputs: %s",
                  part->stage->key, part->path, what, known.text != NULL ? known.text : "none");
    flow_str_clear(&known);
    r->unsure = true;
}

static void report_unconnected(struct flow_reader *r, const struct flow_source *part,
                               const char *port)
{
    flow_diag_add(r->diag, FLOW_AT_KEY(part->stage),
                  "add \"from\": \"STAGE\", or \"inputs\" where there are several",
                  "stage '%s' (%s) takes records on '%s', but nothing says from where",
                  part->stage->key, part->path, flow_cut(port).text);
    r->unsure = true;
}

/* Each input of the part is connected, and nothing else is. */
static void check_outside(struct flow_reader *r, const struct flow_source *part)
{
    const struct flow_node *in = flow_source_ports(part, "in");
    const struct flow_node *from = flow_node_get(part->stage, "from");
    const struct flow_node *inputs = flow_node_get(part->stage, "inputs");
    const size_t count = in != NULL ? in->count : 0;
    if (from != NULL && inputs != NULL)
        report_ports(r, part, inputs, "has both 'from' and 'inputs'");
    else if (from != NULL && count == 0)
        report_ports(r, part, from, "takes no input");
    else if (from != NULL && count > 1)
        report_ports(r, part, from, "has several inputs: write \"inputs\": { \"PORT\": ... }");
    if (!flow_field_is_object(r, inputs))
        return;
    for (size_t i = 0; inputs != NULL && i < inputs->count; i++)
        if (flow_node_get(in, inputs->items[i].key) == NULL)
            report_ports(r, part, &inputs->items[i], "has no input of this name");
    for (size_t i = 0; i < count && from == NULL; i++) {
        const char *port = in->items[i].key;
        if (flow_node_get(inputs, port) == NULL && !is_passed_on(part, port))
            report_unconnected(r, part, port);
    }
}

void flow_reader_check_parts(struct flow_reader *r)
{
    for (size_t i = 0; i < r->source_count; i++) {
        struct flow_source *source = r->sources[i];
        if (!is_usable(source))
            continue;
        (void)flow_reader_enter(r, source);
        check_inside(r, source);
        if (source->outer == NULL)
            continue;
        (void)flow_reader_enter(r, source->outer);
        check_outside(r, source);
    }
    (void)flow_reader_enter(r, r->sources[0]);
}
