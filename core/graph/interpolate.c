/* SPDX-License-Identifier: MIT */
/*
 * ${param:NAME}, ${env:NAME} and ${env:NAME:-DEFAULT} inside strings, after parsing: what is put in
 * can never change the shape of the graph.  $${ stands for a plain ${.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "graph/field.h"
#include "graph/text.h"

/* One string while its references are replaced. */
struct replacing {
    struct flow_reader *r;
    struct flow_node *node;
    bool env_only;
    struct flow_str out;
    json_t *whole; /* the string is one ${param:...}: its value, borrowed */
};

/* A finding about the reference `text`, shown where it stands unless an escape hides it. */
static void report(struct replacing *s, const char *text, size_t size, const char *hint,
                   const char *message)
{
    struct flow_diag *diag = s->r->diag;
    s->node->broken = true;
    const char *value = diag->text + s->node->offset;
    const char *found = memmem(value, s->node->size, text, size);
    const size_t offset = s->node->offset + (found != NULL ? (size_t)(found - value) : 0);
    flow_diag_add(diag, offset, found != NULL ? size : s->node->size, hint, "%s: %s",
                  flow_cut_bytes(text, size).text, message);
}

static const struct flow_graph_param *find_param(const struct flow_reader *r, const char *name)
{
    for (size_t i = 0; i < r->param_count; i++)
        if (strcmp(r->params[i].node->key, name) == 0)
            return &r->params[i];
    return NULL;
}

static void report_undeclared(struct replacing *s, const char *text, size_t size, const char *name)
{
    const struct flow_reader *r = s->r;
    const char **names = flow_calloc(r->param_count + 1, sizeof(*names));
    if (names == NULL) {
        (void)flow_reader_no_memory(s->r);
        return;
    }
    for (size_t i = 0; i < r->param_count; i++)
        names[i] = r->params[i].node->key;
    struct flow_str hint = {0};
    flow_hint_closest(&hint, name, names);
    if (hint.text == NULL && r->param_count > 0) {
        flow_str_add(&hint, "declared: ");
        flow_hint_list(&hint, names);
    } else if (hint.text == NULL) {
        flow_str_addf(&hint, "declare it: \"params\": { \"%s\": { \"type\": \"string\" } }",
                      flow_cut(name).text);
    }
    report(s, text, size, hint.text, "no such parameter is declared in \"params\"");
    flow_str_clear(&hint);
    free(names);
}

/* `text` is the whole reference, `name` what follows "param:". */
static void put_param(struct replacing *s, const char *text, size_t size, const char *name)
{
    if (s->env_only) {
        report(s, text, size, "only ${env:NAME} may stand in a default",
               "a parameter cannot refer to another");
        return;
    }
    const struct flow_graph_param *param = find_param(s->r, name);
    if (param == NULL) {
        report_undeclared(s, text, size, name);
        return;
    }
    if (param->value == NULL) {
        s->node->broken = true;
        return;
    }
    flow_str_add(&s->out, param->text);
    s->node->secret = s->node->secret || param->secret;
    if (strlen(json_string_value(s->node->json)) == size)
        s->whole = param->value;
}

static bool is_env_name(const char *name)
{
    if (*name == '\0' || isdigit((unsigned char)*name))
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

/* What the test says that the graph is read for, or the environment; NULL: it is not set. */
static const char *find_env(const struct flow_reader *r, const char *name)
{
    const struct flow_node *node = flow_node_get(flow_node_get(r->test, "env"), name);
    if (node != NULL && json_is_string(node->json))
        return json_string_value(node->json);
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): nothing here sets it */
}

/* `name` is what follows "env:", and is written to. */
static void put_env(struct replacing *s, const char *text, size_t size, char *name)
{
    char *fallback = strstr(name, ":-");
    if (fallback != NULL) {
        *fallback = '\0';
        fallback += 2;
    }
    if (!is_env_name(name)) {
        report(s, text, size, "write ${env:NAME} or ${env:NAME:-DEFAULT}",
               "this is no name of an environment variable");
        return;
    }
    const char *value = find_env(s->r, name);
    if (fallback != NULL && (value == NULL || *value == '\0'))
        value = fallback;
    if (value == NULL) {
        report(s, text, size, "set it, or give a default: ${env:NAME:-DEFAULT}",
               "this environment variable is not set");
    } else if (!flow_utf8_valid(value, strlen(value))) {
        report(s, text, size, NULL, "the value of this environment variable is not UTF-8 text");
    } else {
        flow_str_add(&s->out, value);
    }
}

/* One reference, "${" to "}". */
static void put_reference(struct replacing *s, const char *text, size_t size)
{
    char *inner = flow_strndup(text + 2, size - 3);
    if (inner == NULL) {
        (void)flow_reader_no_memory(s->r);
        return;
    }
    if (strncmp(inner, "param:", 6) == 0)
        put_param(s, text, size, inner + 6);
    else if (strncmp(inner, "env:", 4) == 0)
        put_env(s, text, size, inner + 4);
    else {
        report(s, text, size,
               "known: ${param:NAME}, ${env:NAME}, ${env:NAME:-DEFAULT}; a plain ${ is written $${",
               "this is no reference");
    }
    free(inner);
}

/* At "${"; where the text goes on, NULL: not at all. */
static const char *replace_one(struct replacing *s, const char *text)
{
    const char *end = strchr(text, '}');
    if (end == NULL) {
        report(s, text, strlen(text), "a plain ${ is written $${",
               "the reference is not closed by '}'");
        return NULL;
    }
    const size_t size = (size_t)(end - text) + 1;
    put_reference(s, text, size);
    if (s->out.size + s->r->replaced_size > FLOW_GRAPH_MAX_BYTES) {
        report(s, text, size, NULL, "with all references replaced the graph is too large");
        return NULL;
    }
    return end + 1;
}

static void replace_all(struct replacing *s, const char *text)
{
    while (text != NULL && *text != '\0') {
        if (strncmp(text, "$${", 3) == 0) {
            flow_str_add(&s->out, "${");
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            text = replace_one(s, text);
        } else {
            const char *next = strchr(text + 1, '$');
            const size_t size = next != NULL ? (size_t)(next - text) : strlen(text);
            flow_str_add_bytes(&s->out, text, size);
            text += size;
        }
    }
}

/* Put `value` (taken) in the place of the node's, in the node and in the value that holds it. */
static bool put_value(json_t *parent, struct flow_node *node, size_t index, json_t *value)
{
    const int rc = node->key != NULL ? json_object_set_new(parent, node->key, value)
                                     : json_array_set_new(parent, index, value);
    if (rc != 0)
        return false;
    node->json = value;
    node->replaced = true;
    return true;
}

static void replace_string(struct flow_reader *r, json_t *parent, struct flow_node *node,
                           size_t index, bool env_only)
{
    const char *text = json_string_value(node->json);
    if (strstr(text, "${") == NULL)
        return;
    struct replacing s = {.r = r, .node = node, .env_only = env_only};
    flow_str_add(&s.out, "");
    replace_all(&s, text);
    if (s.out.failed) {
        (void)flow_reader_no_memory(r);
    } else if (!node->broken) {
        json_t *value = s.whole != NULL ? json_copy(s.whole) : json_stringn(s.out.text, s.out.size);
        if (value == NULL || !put_value(parent, node, index, value))
            (void)flow_reader_no_memory(r);
    }
    r->replaced_size += s.out.size;
    flow_str_clear(&s.out);
}

static void replace_in(struct flow_reader *r, struct flow_node *node, enum flow_own_keys own)
{
    for (size_t i = 0; i < node->count; i++) {
        struct flow_node *item = &node->items[i];
        if (own == FLOW_OWN_KEYS && strncmp(item->key, "x-", 2) == 0)
            continue;
        if (json_is_string(item->json))
            replace_string(r, node->json, item, i, false);
        else
            replace_in(r, item, FLOW_NO_OWN_KEYS);
        node->broken = node->broken || item->broken;
        node->secret = node->secret || item->secret;
    }
}

void flow_reader_replace_env(struct flow_reader *r, struct flow_node *parent,
                             struct flow_node *node)
{
    if (json_is_string(node->json))
        replace_string(r, parent->json, node, 0, true);
}

static void replace_in_stages(struct flow_reader *r, struct flow_node *stages)
{
    for (size_t i = 0; i < stages->count; i++) {
        struct flow_node *stage = &stages->items[i];
        replace_in(r, stage, json_is_object(stage->json) ? FLOW_OWN_KEYS : FLOW_NO_OWN_KEYS);
    }
}

/* Everything but the declarations and the user's own keys. */
void flow_reader_interpolate(struct flow_reader *r)
{
    for (size_t i = 0; i < r->source->root.count; i++) {
        struct flow_node *node = &r->source->root.items[i];
        if (strcmp(node->key, "params") == 0 || strncmp(node->key, "x-", 2) == 0)
            continue;
        if (json_is_string(node->json))
            replace_string(r, r->source->root.json, node, i, false);
        else if (strcmp(node->key, "stages") == 0 && json_is_object(node->json))
            replace_in_stages(r, node);
        else
            replace_in(r, node, FLOW_NO_OWN_KEYS);
    }
}
