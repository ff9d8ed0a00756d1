/* SPDX-License-Identifier: MIT */

/* What can be looked at of stage types: a list of them, and one in full. */

#include <jansson.h>

#include "base/str.h"
#include "control/printed.h"
#include "control/session.h"
#include "param/param.h"

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

/* Members are in the order of struct flow_stage_type. */
static json_t *type_json(const struct flow_stage_type *type)
{
    json_t *json = json_pack(
        "{s:s,s:s?,s:s,s:b,s:b,s:b,s:b,s:b}", "name", type->name, "help", type->help, "role",
        role_name(type->role), "stateful", (type->traits & FLOW_STATEFUL) != 0, "single",
        (type->traits & FLOW_SINGLE) != 0, "light", (type->traits & FLOW_LIGHT) != 0, "saves",
        type->save != NULL, "commits", type->commit != NULL);
    json_t *tables =
        json_pack("{s:o,s:o,s:o,s:o?}", "inputs", ports_json(flow_type_inputs(type)), "outputs",
                  ports_json(flow_type_outputs(type)), "parameters", flow_params_list(type->params),
                  "with", flow_params_schema(type->params));
    if (json == NULL || tables == NULL || json_object_update(json, tables) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(tables);
    return json;
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

/* ---- pages ---- */

/* "a producer, always one worker" and so on: what a graph's author has to know of a type. */
static void facts_markdown(const struct flow_stage_type *type, struct flow_str *out)
{
    flow_str_addf(out, "**%s**",
                  type->role == FLOW_EITHER ? "worker or consumer" : role_name(type->role));
    if ((type->traits & FLOW_SINGLE) != 0)
        flow_str_add(out, "; always one worker");
    else if ((type->traits & FLOW_STATEFUL) != 0)
        flow_str_add(out, "; several workers only where its input is shared by key");
    if ((type->traits & FLOW_LIGHT) != 0 && type->role != FLOW_PRODUCER)
        flow_str_add(out, "; light: it runs in the thread of the stage before it");
    if (type->save != NULL)
        flow_str_add(out, "; takes part in checkpoints");
    flow_str_add(out, "\n");
}

static void ports_markdown(const char *title, const struct flow_port *ports, struct flow_str *out)
{
    if (ports->name == NULL)
        return;
    flow_str_addf(out, "\n| %s | type | |\n|---|---|---|\n", title);
    for (; ports->name != NULL; ports++) {
        flow_str_addf(out, "| `%s` | `%s` | ", ports->name,
                      ports->type != NULL ? ports->type : "bytes");
        flow_markdown_text(ports->help != NULL ? ports->help : "", out);
        flow_str_add(out, " |\n");
    }
}

static void type_markdown(const struct flow_stage_type *type, struct flow_str *out)
{
    flow_str_addf(out, "`%s` ", type->name);
    flow_markdown_text(type->help != NULL ? type->help : "", out);
    flow_str_add(out, ".\n\n");
    facts_markdown(type, out);
    ports_markdown("input", flow_type_inputs(type), out);
    ports_markdown("output", flow_type_outputs(type), out);
    if (type->params != NULL && type->params[0].name != NULL)
        flow_str_add(out, "\n");
    flow_params_markdown(type->params, out);
}

/* ---- run.h ---- */

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

char *flow_stages_list(struct flow_session *session, enum flow_format format,
                       struct flow_error *err)
{
    if (format != FLOW_FORMAT_TEXT && format != FLOW_FORMAT_JSON) {
        (void)flow_fail(err, FLOW_EINVAL, "stage types are listed as text or JSON, not as %s",
                        flow_format_name(format));
        return NULL;
    }
    if (format == FLOW_FORMAT_JSON)
        return flow_printed_json(list_json(session), err);
    struct flow_str out = {0};
    list_text(session, &out);
    return flow_printed_text(&out, err);
}

char *flow_stage_describe(struct flow_session *session, const char *use, enum flow_format format,
                          struct flow_error *err)
{
    if (format == FLOW_FORMAT_DOT || format == FLOW_FORMAT_MERMAID) {
        (void)flow_fail(err, FLOW_EINVAL,
                        "a stage type is shown as text, JSON or Markdown, not as %s",
                        flow_format_name(format));
        return NULL;
    }
    const struct flow_stage_type *type = flow_catalog_find(session->catalog, use, ".", err);
    if (type == NULL)
        return NULL;
    if (format == FLOW_FORMAT_JSON)
        return flow_printed_json(type_json(type), err);
    struct flow_str out = {0};
    if (format == FLOW_FORMAT_MARKDOWN)
        type_markdown(type, &out);
    else
        type_text(type, &out);
    return flow_printed_text(&out, err);
}
