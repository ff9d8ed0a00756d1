/* SPDX-License-Identifier: MIT */
#include "graph/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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

/* Bytes that the characters of a string literal stand for. */
static size_t decoded_size(const char *raw, size_t size)
{
    size_t decoded = 0;
    for (size_t at = 1; at + 1 < size; decoded++) {
        if (raw[at] != '\\') {
            at++;
        } else if (raw[at + 1] != 'u') {
            at += 2;
        } else {
            const char digits[5] = {raw[at + 2], raw[at + 3], raw[at + 4], raw[at + 5], '\0'};
            const long value = strtol(digits, NULL, 16);
            const bool high = value >= 0xd800 && value < 0xdc00;
            decoded += high ? 3 : value >= 0x800 ? 2 : value >= 0x80 ? 1 : 0;
            at += high ? 12 : 6;
        }
    }
    return decoded;
}

/*
 * Is the value what the text says?  When memory is short jansson loses the end of a long string or
 * number without a word.
 */
static bool is_whole(const char *plain, const struct flow_node *node)
{
    const char *raw = plain + node->offset;
    if (json_is_string(node->json))
        return json_string_length(node->json) == decoded_size(raw, node->size);
    if (json_is_integer(node->json)) {
        return json_integer_value(node->json) == strtoll(raw, NULL, 10) &&
               memchr(raw, '.', node->size) == NULL && memchr(raw, 'e', node->size) == NULL &&
               memchr(raw, 'E', node->size) == NULL;
    }
    return node->json != NULL;
}

/* Give every node its value; the two trees have the same shape once doubles are dropped. */
static bool attach(struct flow_diag *diag, const char *plain, struct flow_node *node, json_t *json)
{
    node->json = json;
    if (!is_whole(plain, node)) {
        diag->failed = true;
        return false;
    }
    if (json_is_object(json) && !check_doubles(diag, node))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        struct flow_node *item = &node->items[i];
        json_t *value =
            item->key != NULL ? json_object_get(json, item->key) : json_array_get(json, i);
        if (!attach(diag, plain, item, value))
            return false;
    }
    return true;
}

/* The text was found good before: what is left is memory, and whatever jansson knows better. */
static void report_jansson(struct flow_diag *diag, const json_error_t *error)
{
    if (json_error_code(error) == json_error_out_of_memory || error->text[0] == '\0')
        diag->failed = true;
    else
        flow_diag_add(diag, (size_t)error->position, 1, NULL, "cannot read this value: %s",
                      flow_cut(error->text).text);
}

json_t *flow_node_read(struct flow_diag *diag, const char *plain, struct flow_node *root)
{
    if (!flow_syntax_read(diag, plain, root))
        return NULL;
    json_error_t error;
    json_t *json = json_loadb(plain, diag->text_size, JSON_DECODE_ANY, &error);
    if (json == NULL) {
        report_jansson(diag, &error);
        return NULL;
    }
    if (!attach(diag, plain, root, json)) {
        json_decref(json);
        return NULL;
    }
    return json;
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
