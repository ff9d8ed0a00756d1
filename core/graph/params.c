/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "base/utf8.h"
#include "graph/field.h"
#include "graph/text.h"

static const char *const type_names[] = {"string", "int",      "float", "bool",
                                         "size",   "duration", NULL};
static const enum flow_type types[] = {FLOW_STR,  FLOW_I64,  FLOW_F64,
                                       FLOW_BOOL, FLOW_SIZE, FLOW_DURATION};

static const char *accepted(enum flow_type type)
{
    switch (type) {
    case FLOW_I64:
        return "an integer";
    case FLOW_F64:
        return "a number";
    case FLOW_BOOL:
        return "true or false";
    case FLOW_SIZE:
        return "a size, as in 4096 or \"64KiB\"";
    case FLOW_DURATION:
        return "a duration, as in \"250ms\"";
    default:
        return "a string";
    }
}

static bool parse_int(const char *text, json_t **value)
{
    char *end;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return false;
    *value = json_integer(number);
    return true;
}

static bool parse_float(const char *text, json_t **value)
{
    char *end;
    const double number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number))
        return false;
    *value = json_real(number);
    return true;
}

/* The value that a text stands for, as on the command line (NULL: memory is short).  False: it does
 * not fit the type. */
static bool parse_text(enum flow_type type, const char *text, json_t **value)
{
    uint64_t size;
    int64_t ns;
    switch (type) {
    case FLOW_I64:
        return parse_int(text, value);
    case FLOW_F64:
        return parse_float(text, value);
    case FLOW_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return false;
        *value = json_boolean(text[0] == 't');
        return true;
    default:
        if ((type == FLOW_SIZE && !flow_parse_size(text, &size)) ||
            (type == FLOW_DURATION && !flow_parse_duration(text, &ns)))
            return false;
        *value = json_string(text);
        return true;
    }
}

static bool fits(const struct flow_node *node, enum flow_type type)
{
    const json_t *json = node->json;
    switch (type) {
    case FLOW_I64:
        return json_is_integer(json);
    case FLOW_F64:
        return json_is_number(json);
    case FLOW_BOOL:
        return json_is_boolean(json);
    case FLOW_SIZE:
        return json_is_integer(json) && json_integer_value(json) >= 0;
    default:
        return type == FLOW_STR && json_is_string(json);
    }
}

static void set_value(struct flow_reader *r, struct flow_graph_param *param, json_t *value,
                      const char *text, size_t text_size)
{
    char *copy = flow_strndup(text, text_size);
    if (copy == NULL || value == NULL) {
        free(copy);
        json_decref(value);
        (void)flow_reader_no_memory(r);
        return;
    }
    json_decref(param->value);
    free(param->text);
    param->value = value;
    param->text = copy;
}

/*
 * Strings of types that are not strings in JSON are read as on the command line, where they may be:
 * sizes, durations, and what came from the environment.  `what` begins a finding.
 */
static void read_node(struct flow_reader *r, struct flow_graph_param *param,
                      const struct flow_node *node, struct flow_diag *diag, const char *what)
{
    if (node->broken)
        return;
    const char *string = json_string_value(node->json);
    if (fits(node, param->type)) {
        const char *text = string != NULL ? string : diag->text + node->offset;
        set_value(r, param, json_incref(node->json), text,
                  string != NULL ? strlen(string) : node->size);
        return;
    }
    const bool text_form =
        node->replaced || param->type == FLOW_SIZE || param->type == FLOW_DURATION;
    json_t *value = NULL;
    if (string != NULL && text_form && parse_text(param->type, string, &value))
        set_value(r, param, value, string, strlen(string));
    else {
        flow_diag_add(diag, FLOW_AT(node), NULL, "%s parameter '%s' must be %s, not %s", what,
                      param->node->key, accepted(param->type), flow_show(node).text);
    }
}

static void report_option(struct flow_reader *r, const struct flow_graph_param *param,
                          const char *text)
{
    if (param->secret) {
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, NULL,
                      "--param %s must be %s, which the secret value given is not",
                      param->node->key, accepted(param->type));
    } else {
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, NULL, "--param %s must be %s, not '%s'",
                      param->node->key, accepted(param->type), flow_cut(text).text);
    }
}

static void read_option(struct flow_reader *r, struct flow_graph_param *param, const char *text)
{
    const char *name = param->node->key;
    if (!flow_utf8_valid(text, strlen(text))) {
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, NULL,
                      "--param %s: the value is not UTF-8 text", name);
        return;
    }
    json_t *value = NULL;
    if (parse_text(param->type, text, &value))
        set_value(r, param, value, text, strlen(text));
    else
        report_option(r, param, text);
}

/* The last --param of that name; NULL: none. */
static const char *find_option(const struct flow_reader *r, const char *name)
{
    const char *found = NULL;
    const size_t size = strlen(name);
    for (const char *const *at = r->options->params; at != NULL && *at != NULL; at++)
        if (strncmp(*at, name, size) == 0 && (*at)[size] == '=')
            found = *at + size + 1;
    return found;
}

static void report_no_value(struct flow_reader *r, const struct flow_graph_param *param)
{
    struct flow_str hint = {0};
    if (r->given_at != NULL) {
        flow_str_addf(&hint, "add \"with\": { \"%s\": VALUE }", param->node->key);
        flow_diag_add(r->given_diag, FLOW_AT(r->given_at), hint.text,
                      "the parameter '%s' of this graph has no default: it must be given",
                      param->node->key);
    } else {
        flow_str_addf(&hint, "run it with --param %s=VALUE, or give it a \"default\"",
                      param->node->key);
        flow_diag_add(
            r->diag, FLOW_AT_KEY(param->node), hint.text,
            "parameter '%s' has no value: it has no default and --param does not give one",
            param->node->key);
    }
    flow_str_clear(&hint);
}

/* What stands in a test, or in "with" of a stage. */
static void read_given(struct flow_reader *r, struct flow_graph_param *param,
                       const struct flow_node *node, struct flow_diag *diag)
{
    param->secret = param->secret || node->secret;
    read_node(r, param, node, diag, "here");
}

static void read_value(struct flow_reader *r, struct flow_graph_param *param,
                       struct flow_node *node)
{
    struct flow_node *default_node = flow_node_get(node, "default");
    const struct flow_node *given = flow_node_get(r->given, param->node->key);
    const char *option = find_option(r, param->node->key);
    if (default_node != NULL) {
        flow_reader_replace_env(r, node, default_node);
        if ((option == NULL && given == NULL) || !default_node->broken)
            read_node(r, param, default_node, r->diag, "the default of");
    }
    if (given != NULL) {
        read_given(r, param, given, r->given_diag);
        return;
    }
    if (option != NULL) {
        read_option(r, param, option);
        return;
    }
    const bool is_part = flow_node_get(&r->source->root, "ports") != NULL && r->given_at == NULL;
    if (default_node == NULL && !is_part) /* a part has them from others, and is not run */
        report_no_value(r, param);
}

static void read_param(struct flow_reader *r, struct flow_node *node)
{
    static const char *const keys[] = {"type", "default", "help", "secret", NULL};
    static const struct flow_words words = {keys, NULL};
    static const struct flow_words type_words = {type_names, NULL};

    struct flow_graph_param *param = &r->params[r->param_count++];
    *param = (struct flow_graph_param){.node = node, .type = FLOW_STR};
    if (!flow_reader_name(r, node, "parameter") || !flow_field_is_object(r, node))
        return;
    (void)flow_field_check_keys(r, node, &words, FLOW_NO_OWN_KEYS);

    const char *help;
    (void)flow_field_string(r, flow_node_get(node, "help"), &help);
    (void)flow_field_bool(r, flow_node_get(node, "secret"), &param->secret);

    const struct flow_node *type = flow_node_get(node, "type");
    int index = 0;
    if (type == NULL) {
        flow_diag_add(r->diag, FLOW_AT_KEY(node),
                      "\"type\" is string, int, float, bool, size or duration",
                      "parameter '%s' has no type", node->key);
    }
    if (!flow_field_word(r, type, &type_words, &index))
        return;
    param->type = types[index];
    read_value(r, param, node);
}

/* "did you mean", or all that are declared. */
static bool hint_declared(struct flow_reader *r, const char *name, struct flow_str *hint)
{
    const char **names = flow_calloc(r->param_count + 1, sizeof(*names));
    if (names == NULL)
        return flow_reader_no_memory(r);
    for (size_t i = 0; i < r->param_count; i++)
        names[i] = r->params[i].node->key;
    flow_hint_closest(hint, name, names);
    if (hint->text == NULL && r->param_count > 0) {
        flow_str_add(hint, "declared: ");
        flow_hint_list(hint, names);
    }
    free(names);
    return true;
}

static void report_undeclared(struct flow_reader *r, const char *name)
{
    struct flow_str hint = {0};
    if (hint_declared(r, name, &hint))
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, hint.text,
                      "--param %s: the graph declares no parameter of that name",
                      flow_cut(name).text);
    flow_str_clear(&hint);
}

static void check_option(struct flow_reader *r, const char *option)
{
    const char *equals = strchr(option, '=');
    if (equals == NULL || equals == option) {
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, NULL, "--param %s: expected NAME=VALUE",
                      flow_cut(option).text);
        return;
    }
    char *name = flow_strndup(option, (size_t)(equals - option));
    if (name == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    bool declared = false;
    for (size_t i = 0; i < r->param_count; i++)
        declared = declared || strcmp(r->params[i].node->key, name) == 0;
    if (!declared)
        report_undeclared(r, name);
    free(name);
}

static struct flow_graph_param *find_param(const struct flow_reader *r, const char *name)
{
    for (size_t i = 0; i < r->param_count; i++)
        if (strcmp(r->params[i].node->key, name) == 0)
            return &r->params[i];
    return NULL;
}

void flow_reader_given(struct flow_reader *r, const struct flow_node *params,
                       struct flow_diag *diag)
{
    for (size_t i = 0; i < params->count; i++) {
        const struct flow_node *node = &params->items[i];
        const struct flow_graph_param *param = find_param(r, node->key);
        struct flow_str hint = {0};
        if (param != NULL) {
            struct flow_graph_param tried = {.node = param->node, .type = param->type};
            read_given(r, &tried, node, diag);
            json_decref(tried.value);
            free(tried.text);
        } else if (hint_declared(r, node->key, &hint)) {
            flow_diag_add(diag, FLOW_AT_KEY(node), hint.text,
                          "the graph declares no parameter '%s'", flow_cut(node->key).text);
        }
        flow_str_clear(&hint);
    }
}

void flow_reader_params(struct flow_reader *r)
{
    struct flow_node *block = flow_node_get(&r->source->root, "params");
    if (block != NULL && block->count > FLOW_PARAMS_MAX) {
        flow_diag_add(r->diag, FLOW_AT_KEY(block), NULL,
                      "the graph declares %zu parameters, where at most %zu are allowed",
                      block->count, FLOW_PARAMS_MAX);
        return;
    }
    if (flow_field_is_object(r, block) && block != NULL && block->count > 0) {
        r->params = flow_calloc(block->count, sizeof(*r->params));
        if (r->params == NULL) {
            (void)flow_reader_no_memory(r);
            return;
        }
        for (size_t i = 0; i < block->count; i++)
            read_param(r, &block->items[i]);
    }
    for (const char *const *at = r->options->params; at != NULL && *at != NULL; at++)
        check_option(r, *at);
}
