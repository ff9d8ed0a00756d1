/* SPDX-License-Identifier: MIT */
#include "graph/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/scan.h"
#include "graph/syntax.h"
#include "graph/text.h"

/* A member while its object is searched for keys that stand twice. */
struct member {
    const char *key;
    size_t index;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    const int order = strcmp(x->key, y->key);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static void report_double(struct flow_diag *diag, const struct flow_node *first,
                          const struct flow_node *again)
{
    const size_t line = flow_text_line(diag, first->key_offset);
    char hint[64];
    (void)snprintf(hint, sizeof(hint), "it stands first on line %zu", line);
    flow_diag_add(diag, FLOW_AT_KEY(again), hint, "duplicate key '%s'", flow_cut(again->key).text);
}

/* Report the keys that stand twice and keep the last of each.  `members` is sorted by key. */
static void drop_doubles(struct flow_diag *diag, struct flow_node *object,
                         const struct member *members)
{
    size_t first = 0;
    for (size_t i = 1; i < object->count; i++) {
        if (strcmp(members[i].key, members[first].key) != 0) {
            first = i;
            continue;
        }
        report_double(diag, &object->items[members[first].index], &object->items[members[i].index]);
        object->items[members[i - 1].index].size = 0; /* values have at least one byte */
    }

    size_t kept = 0;
    for (size_t i = 0; i < object->count; i++) {
        if (object->items[i].size == 0)
            flow_node_clear(&object->items[i]);
        else
            object->items[kept++] = object->items[i];
    }
    object->count = kept;
}

static bool check_doubles(struct flow_diag *diag, struct flow_node *object)
{
    if (object->count < 2)
        return true;
    struct member *members = flow_calloc(object->count, sizeof(*members));
    if (members == NULL) {
        diag->failed = true;
        return false;
    }
    for (size_t i = 0; i < object->count; i++)
        members[i] = (struct member){.key = object->items[i].key, .index = i};
    qsort(members, object->count, sizeof(*members), compare_members);
    drop_doubles(diag, object, members);
    free(members);
    return true;
}

static json_t *make_string(const char *literal, size_t size)
{
    if (memchr(literal, '\\', size) == NULL)
        return json_stringn_nocheck(literal + 1, size - 2);
    size_t decoded;
    char *text = flow_scan_decode(literal, size, &decoded);
    json_t *json = text != NULL ? json_stringn_nocheck(text, decoded) : NULL;
    free(text);
    return json;
}

static json_t *make_number(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] == '.' || text[i] == 'e' || text[i] == 'E')
            return json_real(flow_scan_real(text, NULL));
    return json_integer(strtoll(text, NULL, 10));
}

/* An empty list or object, or the value that the text says.  NULL: memory is short. */
static json_t *make_value(const char *text, size_t size)
{
    switch (text[0]) {
    case '{':
        return json_object();
    case '[':
        return json_array();
    case '"':
        return make_string(text, size);
    case 't':
    case 'f':
        return json_boolean(text[0] == 't');
    case 'n':
        return json_null();
    default:
        return make_number(text, size);
    }
}

/* Put a value into the object or list it stands in; a value that is NULL is refused. */
static bool hand_over(json_t *parent, const struct flow_node *item)
{
    if (item->key != NULL)
        return json_object_set_new_nocheck(parent, item->key, item->json) == 0;
    return json_array_append_new(parent, item->json) == 0;
}

/*
 * Make the values of a node and all in it.  jansson's own parser is not used: it would be a second
 * pass over the same text, and when memory is short it cuts tokens off and reads past their end.
 */
static bool make_values(struct flow_diag *diag, const char *plain, struct flow_node *node)
{
    node->json = make_value(plain + node->offset, node->size);
    if (node->json == NULL) {
        diag->failed = true;
        return false;
    }
    if (json_is_object(node->json) && !check_doubles(diag, node))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        struct flow_node *item = &node->items[i];
        /* What was made is handed over in any case, so that the root holds all of it. */
        const bool made = make_values(diag, plain, item);
        if (!hand_over(node->json, item)) {
            diag->failed = true;
            return false;
        }
        if (!made)
            return false;
    }
    return true;
}

json_t *flow_node_read(struct flow_diag *diag, const char *plain, struct flow_node *root)
{
    if (!flow_syntax_read(diag, plain, root))
        return NULL;
    if (make_values(diag, plain, root))
        return root->json;
    json_decref(root->json);
    return NULL;
}

void flow_node_clear(struct flow_node *node)
{
    for (size_t i = 0; i < node->count; i++)
        flow_node_clear(&node->items[i]);
    free(node->items);
    free(node->key);
    *node = (struct flow_node){0};
}

struct flow_node *flow_node_get(const struct flow_node *object, const char *key)
{
    if (object == NULL || !json_is_object(object->json))
        return NULL;
    for (size_t i = 0; i < object->count; i++)
        if (strcmp(object->items[i].key, key) == 0)
            return &object->items[i];
    return NULL;
}

size_t flow_node_span(const struct flow_node *node)
{
    return json_is_object(node->json) || json_is_array(node->json) ? 1 : node->size;
}

struct flow_shown flow_show(const struct flow_node *node)
{
    struct flow_shown shown;
    const json_t *json = node->json;
    if (node->secret)
        (void)snprintf(shown.text, sizeof(shown.text), "the value of a secret parameter");
    else if (json_is_object(json))
        (void)snprintf(shown.text, sizeof(shown.text), "an object");
    else if (json_is_array(json))
        (void)snprintf(shown.text, sizeof(shown.text), "a list");
    else if (json_is_string(json)) {
        (void)snprintf(shown.text, sizeof(shown.text), "\"%s\"",
                       flow_cut(json_string_value(json)).text);
    } else if (json_is_integer(json)) {
        (void)snprintf(shown.text, sizeof(shown.text), "%" JSON_INTEGER_FORMAT,
                       json_integer_value(json));
    } else if (json_is_real(json)) {
        (void)snprintf(shown.text, sizeof(shown.text), "%.15g", json_real_value(json));
    } else {
        (void)snprintf(shown.text, sizeof(shown.text), "%s",
                       json_is_true(json)    ? "true"
                       : json_is_false(json) ? "false"
                                             : "null");
    }
    return shown;
}
