/* SPDX-License-Identifier: MIT */

/* What can be looked at without running anything: plans, drawings, stage types, the schema. */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "control/here.h"
#include "control/session.h"
#include "graph/draw.h"
#include "graph/schema.h"
#include "param/param.h"
#include "plan/plan.h"

static const char *format_name(enum flow_format format)
{
    static const char *const names[] = {
        [FLOW_FORMAT_TEXT] = "text",
        [FLOW_FORMAT_JSON] = "JSON",
        [FLOW_FORMAT_DOT] = "DOT",
        [FLOW_FORMAT_MERMAID] = "Mermaid",
    };
    return names[format];
}

static char *no_memory(struct flow_error *err)
{
    (void)flow_fail(err, FLOW_ENOMEM, "no memory for the text");
    return NULL;
}

/* The text of `out`, which is empty afterwards. */
static char *finish_text(struct flow_str *out, struct flow_error *err)
{
    char *text = flow_str_take(out);
    flow_str_clear(out);
    return text != NULL ? text : no_memory(err);
}

/* `json` (taken; NULL: no memory) as indented text with a newline after it. */
static char *finish_json(json_t *json, struct flow_error *err)
{
    char *dump = json != NULL ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (dump == NULL)
        return no_memory(err);
    struct flow_str out = {0};
    flow_str_addf(&out, "%s\n", dump);
    free(dump);
    return finish_text(&out, err);
}

/* ---- graphs ---- */

char *flow_graph_explain(const struct flow_graph *graph, enum flow_format format,
                         struct flow_error *err)
{
    if (format != FLOW_FORMAT_TEXT && format != FLOW_FORMAT_JSON) {
        (void)flow_fail(err, FLOW_EINVAL, "a plan is shown as text or JSON, not as %s",
                        format_name(format));
        return NULL;
    }

    struct flow_topology topology;
    struct flow_plan *plan = flow_plan_here(graph, &topology, err);
    flow_topology_clear(&topology);
    if (plan == NULL)
        return NULL;
    struct flow_str out = {0};
    char *text = NULL;
    if (format == FLOW_FORMAT_TEXT) {
        flow_plan_explain(plan, &out);
        text = finish_text(&out, err);
    } else {
        text = finish_json(flow_plan_json(plan), err);
    }
    flow_plan_free(plan);
    return text;
}

/* For each stage of the graph the first one of its thread, or itself; NULL: no memory. */
static size_t *threads_of(const struct flow_plan *plan)
{
    const struct flow_graph *graph = plan->graph;
    size_t *threads = flow_calloc(graph->stage_count + 1, sizeof(*threads));
    size_t *firsts = flow_calloc(plan->task_count + 1, sizeof(*firsts)); /* by task, from 1 on */
    for (size_t i = 0; i < plan->stage_count && threads != NULL && firsts != NULL; i++) {
        const struct flow_plan_stage *stage = &plan->stages[i];
        if (stage->graph == NULL)
            continue;
        const size_t index = (size_t)(stage->graph - graph->stages);
        size_t *first = &firsts[plan->replicas[stage->first_replica].task];
        *first = *first == 0 ? index + 1 : *first;
        threads[index] = *first - 1;
    }
    if (firsts == NULL) {
        free(threads);
        threads = NULL;
    }
    free(firsts);
    return threads;
}

/* The plan says what is fused.  A graph that cannot be planned can be drawn, as if nothing were. */
static bool find_threads(const struct flow_graph *graph, size_t **threads)
{
    struct flow_error why = {0};
    const struct flow_plan_options options = {0};
    struct flow_plan *plan = flow_plan_new(graph, &options, &why);
    *threads = plan != NULL ? threads_of(plan) : NULL;
    flow_plan_free(plan);
    return *threads != NULL || (plan == NULL && why.status != FLOW_ENOMEM);
}

char *flow_graph_draw(const struct flow_graph *graph, enum flow_format format,
                      struct flow_error *err)
{
    struct flow_str out = {0};
    size_t *threads = NULL;
    if (!find_threads(graph, &threads))
        return no_memory(err);
    switch (format) {
    case FLOW_FORMAT_TEXT:
        flow_graph_draw_text(graph, threads, &out);
        break;
    case FLOW_FORMAT_DOT:
        flow_graph_draw_dot(graph, threads, &out);
        break;
    case FLOW_FORMAT_MERMAID:
        flow_graph_draw_mermaid(graph, threads, &out);
        break;
    case FLOW_FORMAT_JSON:
        free(threads);
        (void)flow_fail(err, FLOW_EINVAL, "a graph is drawn as text, DOT or Mermaid, not as JSON");
        return NULL;
    }
    free(threads);
    return finish_text(&out, err);
}

void flow_graph_size(const struct flow_graph *graph, size_t *stages, size_t *edges)
{
    *stages = graph->stage_count;
    *edges = graph->edge_count;
}

char *flow_schema(struct flow_session *session, struct flow_error *err)
{
    return finish_json(flow_graph_schema(&session->types, err), err);
}

/* ---- stage types ---- */

static const char *role_name(enum flow_role role)
{
    static const char *const names[] = {
        [FLOW_PRODUCER] = "producer",
        [FLOW_WORKER] = "worker",
        [FLOW_CONSUMER] = "consumer",
        [FLOW_EITHER] = "either",
    };
    return names[role];
}

/* Add `item` (taken) to `list` (taken) and return the list; NULL when either is, or no memory. */
static json_t *add_item(json_t *list, json_t *item)
{
    if (json_array_append_new(list, item) == 0)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *port_json(const struct flow_port *port)
{
    return json_pack("{s:s,s:s,s:s?}", "name", port->name, "type",
                     port->type != NULL ? port->type : "bytes", "help", port->help);
}

static json_t *ports_json(const struct flow_port *ports)
{
    json_t *list = json_array();
    for (; list != NULL && ports->name != NULL; ports++)
        list = add_item(list, port_json(ports));
    return list;
}

static json_t *type_json(const struct flow_stage_type *type)
{
    return json_pack("{s:s,s:s?,s:s,s:b,s:b,s:b,s:o,s:o,s:o?}", "name", type->name, "help",
                     type->help, "role", role_name(type->role), "stateful",
                     (type->traits & FLOW_STATEFUL) != 0, "single",
                     (type->traits & FLOW_SINGLE) != 0, "light", (type->traits & FLOW_LIGHT) != 0,
                     "inputs", ports_json(flow_type_inputs(type)), "outputs",
                     ports_json(flow_type_outputs(type)), "with", flow_params_schema(type->params));
}

static void ports_text(const char *title, const struct flow_port *ports, struct flow_str *out)
{
    if (ports->name == NULL)
        return;
    flow_str_addf(out, "\n%s\n", title);
    for (; ports->name != NULL; ports++) {
        flow_str_addf(out, "  %-12s %-8s %s\n", ports->name,
                      ports->type != NULL ? ports->type : "bytes",
                      ports->help != NULL ? ports->help : "");
    }
}

static void type_text(const struct flow_stage_type *type, struct flow_str *out)
{
    flow_str_addf(out, "%s: %s\n\n", type->name, type->help != NULL ? type->help : "");
    flow_str_addf(out, "role: %s%s\n",
                  type->role == FLOW_EITHER ? "worker or consumer" : role_name(type->role),
                  (type->traits & FLOW_SINGLE) != 0     ? ", always one worker"
                  : (type->traits & FLOW_STATEFUL) != 0 ? ", several workers only over keys"
                                                        : "");
    if ((type->traits & FLOW_LIGHT) != 0 && type->role != FLOW_PRODUCER)
        flow_str_add(out, "light: left to itself it runs in the thread of the stage before it\n");
    ports_text("inputs:", flow_type_inputs(type), out);
    ports_text("outputs:", flow_type_outputs(type), out);
    if (type->params != NULL && type->params[0].name != NULL) {
        flow_str_add(out, "\nparameters:\n");
        flow_params_describe(type->params, out);
    }
}

/* The types that can be loaded; an installed plugin that cannot is left for `describe` to explain.
 */
static json_t *list_json(struct flow_session *session)
{
    json_t *list = json_array();
    const char *const *names = flow_catalog_names(session->catalog);
    for (; list != NULL && names != NULL && *names != NULL; names++) {
        const struct flow_stage_type *type = flow_catalog_find(session->catalog, *names, ".", NULL);
        if (type != NULL)
            list = add_item(list, type_json(type));
    }
    return list;
}

static void list_text(struct flow_session *session, struct flow_str *out)
{
    const char *const *names = flow_catalog_names(session->catalog);
    for (; names != NULL && *names != NULL; names++) {
        struct flow_error why = {0};
        const struct flow_stage_type *type = flow_catalog_find(session->catalog, *names, ".", &why);
        const char *role = type != NULL ? role_name(type->role) : "refused";
        const char *text = type != NULL ? type->help : why.text;
        flow_str_addf(out, "%-16s %-9s %s\n", *names, role, text != NULL ? text : "");
    }
}

static bool is_text_or_json(enum flow_format format, struct flow_error *err)
{
    if (format == FLOW_FORMAT_TEXT || format == FLOW_FORMAT_JSON)
        return true;
    (void)flow_fail(err, FLOW_EINVAL, "stage types are shown as text or JSON, not as %s",
                    format_name(format));
    return false;
}

char *flow_stages_list(struct flow_session *session, enum flow_format format,
                       struct flow_error *err)
{
    if (!is_text_or_json(format, err))
        return NULL;
    if (format == FLOW_FORMAT_JSON)
        return finish_json(list_json(session), err);
    struct flow_str out = {0};
    list_text(session, &out);
    return finish_text(&out, err);
}

char *flow_stage_describe(struct flow_session *session, const char *use, enum flow_format format,
                          struct flow_error *err)
{
    if (!is_text_or_json(format, err))
        return NULL;
    const struct flow_stage_type *type = flow_catalog_find(session->catalog, use, ".", err);
    if (type == NULL)
        return NULL;
    if (format == FLOW_FORMAT_JSON)
        return finish_json(type_json(type), err);
    struct flow_str out = {0};
    type_text(type, &out);
    return finish_text(&out, err);
}
