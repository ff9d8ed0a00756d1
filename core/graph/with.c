/* SPDX-License-Identifier: MIT */
/* "with": the parameters of a stage against the table of its type. */
#include <string.h>

#include "graph/field.h"
#include "graph/text.h"
#include "param/param.h"

/* One check of one stage. */
struct checking {
    struct flow_reader *r;
    size_t stage;
    bool reported;
};

static bool has_row(const struct flow_param *table, const char *key)
{
    for (; table != NULL && table->name != NULL; table++)
        if (strcmp(table->name, key) == 0)
            return true;
    return false;
}

/* A key that is missing: at "with", or where there is none at the type.  `help` is the key's. */
static void report_missing(const struct checking *c, const char *message, const char *help)
{
    const struct flow_stage_nodes *nodes = &c->r->stages[c->stage];
    const struct flow_graph_stage *stage = &c->r->graph->stages[c->stage];
    struct flow_str hint = {0};
    if (help != NULL)
        flow_str_addf(&hint, "it is for: %s", help);
    if (nodes->with != NULL) {
        flow_diag_add(c->r->diag, FLOW_AT_KEY(nodes->with), hint.text, "stage '%s' (%s): %s",
                      stage->name, stage->type->name, message);
    } else {
        flow_diag_add(c->r->diag, FLOW_AT(nodes->use), hint.text, "stage '%s' (%s): %s",
                      stage->name, stage->type->name, message);
    }
    flow_str_clear(&hint);
}

/* What a user may not know about where a value came from. */
static const char *origin(const struct flow_node *node, const json_t *set)
{
    if (set != NULL && !json_is_string(set))
        return "a value that is JSON is taken as JSON; text that looks like it goes into double "
               "quotes";
    if (node != NULL && node->replaced)
        return "${param:...} has the type that its declaration says; ${env:...} is always text";
    return NULL;
}

static void report(void *context, const char *key, const char *message, const char *hint)
{
    struct checking *c = context;
    const struct flow_stage_nodes *nodes = &c->r->stages[c->stage];
    const struct flow_graph_stage *stage = &c->r->graph->stages[c->stage];
    c->reported = true;
    if (key == NULL) {
        report_missing(c, message, hint);
        return;
    }
    const json_t *set = json_object_get(nodes->set, key);
    const struct flow_node *node = flow_node_get(nodes->with, key);
    const bool known = has_row(stage->type->params, key);
    if (known && hint == NULL)
        hint = origin(node, set);
    if (set != NULL) {
        flow_diag_add(c->r->diag, FLOW_DIAG_NOWHERE, 1, hint, "--set %s.%s: %s", stage->name,
                      flow_cut(key).text, message);
    } else if (node == NULL || node->broken) {
        return;
    } else if (!known) {
        flow_diag_add(c->r->diag, FLOW_AT_KEY(node), hint, "%s", message);
    } else if (node->secret) {
        flow_diag_add(c->r->diag, FLOW_AT(node), NULL, "'%s' cannot take %s", key,
                      flow_show(node).text);
    } else {
        flow_diag_add(c->r->diag, FLOW_AT(node), hint, "%s", message);
    }
}

/* The parameters from the file with those of the command line over them, as a new reference. */
static json_t *merge(const struct flow_node *with, json_t *set)
{
    if (set == NULL)
        return with != NULL ? json_incref(with->json) : NULL;
    json_t *merged = with != NULL ? json_copy(with->json) : json_object();
    if (merged != NULL && json_object_update(merged, set) != 0) {
        json_decref(merged);
        merged = NULL;
    }
    return merged;
}

void flow_reader_with(struct flow_reader *r, size_t index)
{
    struct flow_graph_stage *stage = &r->graph->stages[index];
    const struct flow_stage_nodes *nodes = &r->stages[index];
    if (!flow_field_is_object(r, nodes->with) || stage->type == NULL)
        return;
    stage->with = merge(nodes->with, nodes->set);
    if (stage->with == NULL && nodes->set != NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    struct checking c = {.r = r, .stage = index};
    const struct flow_param_report sink = {.context = &c, .report = report};
    if (!flow_params_check(stage->type->params, stage->with, &sink) && !c.reported)
        (void)flow_reader_no_memory(r);
}
