/* SPDX-License-Identifier: MIT */
/* From "use" and "plugins" to stage types, and what a type's ports are. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/text.h"

static const struct flow_stage_type *find(struct flow_reader *r, const char *use,
                                          struct flow_error *err)
{
    return r->types->find(r->types->context, use, r->source->folder, err);
}

/* What find said about a file, or that memory was short. */
static void report_failure(struct flow_reader *r, const struct flow_node *node,
                           const struct flow_error *err)
{
    if (err->status == FLOW_ENOMEM)
        (void)flow_reader_no_memory(r);
    else
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "%s",
                      err->text[0] != '\0' ? err->text : "this stage type cannot be had");
}

static void add_plugin(struct flow_reader *r, const struct flow_node *node,
                       const struct flow_stage_type *type)
{
    const struct flow_stage_type *known = find(r, type->name, NULL);
    for (size_t i = 0; known == NULL && i < r->source->plugin_count; i++)
        if (strcmp(r->source->plugins[i]->name, type->name) == 0)
            known = r->source->plugins[i];
    if (known != NULL && known != type) {
        flow_diag_add(r->diag, FLOW_AT(node), "name the file in \"use\" instead of listing it here",
                      "this plugin's type '%s' has the name of a type that is known already",
                      type->name);
    } else {
        r->source->plugins[r->source->plugin_count++] = type;
    }
}

static void read_plugin(struct flow_reader *r, const struct flow_node *node)
{
    const char *text = NULL;
    if (!flow_field_string(r, node, &text))
        return;
    struct flow_str path = {0};
    flow_str_addf(&path, "%s%s", strchr(text, '/') == NULL ? "./" : "", text);
    if (path.failed) {
        (void)flow_reader_no_memory(r);
        return;
    }
    struct flow_error err = {0};
    const struct flow_stage_type *type = find(r, path.text, &err);
    if (type != NULL)
        add_plugin(r, node, type);
    else
        report_failure(r, node, &err);
    flow_str_clear(&path);
}

void flow_reader_plugins(struct flow_reader *r)
{
    const struct flow_node *node = flow_node_get(&r->source->root, "plugins");
    if (node == NULL)
        return;
    if (!json_is_array(node->json)) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'plugins' must be a list of files, as in [\"./scale.so\"], not %s",
                      flow_show(node).text);
        return;
    }
    r->source->plugins = flow_calloc(node->count + 1, sizeof(struct flow_stage_type *));
    if (r->source->plugins == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        read_plugin(r, &node->items[i]);
}

static void report_unknown(struct flow_reader *r, const struct flow_node *node, const char *use)
{
    struct flow_str hint = {0};
    const char *const *names = r->types->names(r->types->context);
    if (names != NULL)
        flow_hint_closest(&hint, use, names);
    if (hint.text == NULL) {
        flow_str_add(&hint,
                     "flowrun stages lists the types that are known; a plugin's file is named "
                     "with its path, as in \"./scale.so\"");
    }
    flow_diag_add(r->diag, FLOW_AT(node), hint.text, "unknown stage type '%s'", flow_cut(use).text);
    flow_str_clear(&hint);
}

static const struct flow_stage_type *find_listed(const struct flow_reader *r, const char *use)
{
    for (size_t i = 0; i < r->source->plugin_count; i++)
        if (strcmp(r->source->plugins[i]->name, use) == 0)
            return r->source->plugins[i];
    return NULL;
}

static const struct flow_stage_type *read_use(struct flow_reader *r, const struct flow_node *node)
{
    const char *use = NULL;
    if (!flow_field_string(r, node, &use))
        return NULL;
    struct flow_error err = {0};
    const struct flow_stage_type *type = find_listed(r, use);
    if (type == NULL)
        type = find(r, use, &err);
    if (type == NULL && err.status == FLOW_ENOENT && strchr(use, '/') == NULL)
        report_unknown(r, node, use);
    else if (type == NULL)
        report_failure(r, node, &err);
    return type;
}

void flow_reader_use(struct flow_reader *r, size_t index)
{
    struct flow_graph_stage *stage = &r->graph->stages[index];
    const struct flow_node *node = r->stages[index].use;
    if (node != NULL)
        stage->type = read_use(r, node);
    else {
        flow_diag_add(r->diag, FLOW_AT_KEY(r->stages[index].node),
                      "\"use\" names its type, as in \"use\": \"lines.read\"",
                      "stage '%s' has no 'use'", stage->name);
    }
}

const struct flow_port *flow_type_inputs(const struct flow_stage_type *type)
{
    static const struct flow_port none[] = {{0}};
    static const struct flow_port one[] = {{"in", "bytes", "the records to take"}, {0}};
    if (type->role == FLOW_PRODUCER)
        return none;
    return type->inputs != NULL ? type->inputs : one;
}

const struct flow_port *flow_type_outputs(const struct flow_stage_type *type)
{
    static const struct flow_port none[] = {{0}};
    static const struct flow_port one[] = {{"out", "bytes", "the records given"}, {0}};
    if (type->role == FLOW_CONSUMER)
        return none;
    return type->outputs != NULL ? type->outputs : one;
}

size_t flow_port_count(const struct flow_port *ports)
{
    size_t count = 0;
    while (ports[count].name != NULL)
        count++;
    return count;
}

const char *flow_output_name(const struct flow_stage_type *type, unsigned port)
{
    return port == FLOW_PORT_ERRORS ? "errors" : flow_type_outputs(type)[port].name;
}
