/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_NODE_H
#define FLOW_GRAPH_NODE_H

/*
 * The tree of a JSON text with the place of every key and value.  Each node also points at
 * jansson's value for it, so that what is found wrong with a value can be shown where it stands.
 *
 * Of a key that stands twice in an object the tree has the last; the earlier ones are findings.
 *
 * Threads: one owner.  Memory: a node owns its children and its key; `json` is borrowed from the
 * root value, which the caller of flow_node_read owns.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"

/* Keys and values in one file; far above what the largest graph needs. */
#define FLOW_NODE_MAX ((size_t)1000000)

struct flow_node {
    char *key;                   /* NULL: the root or an element of a list */
    size_t key_offset, key_size; /* in the text, with its quotes */
    size_t offset, size;         /* of the value in the text */
    json_t *json;
    struct flow_node *items; /* members or elements, in the order of the text */
    size_t count;
    size_t capacity;
    bool replaced; /* a ${...} in it was replaced */
    bool secret;   /* ... by a secret parameter: messages must not show it */
    bool broken;   /* ... could not be replaced, here or further in, which is a finding already */
};

/*
 * Parse diag->text, which flow_text_plain has made into `plain` (of the same size).  Returns the
 * root value as a new reference and fills `root`; NULL where a finding says what is wrong, or where
 * diag->failed is set.  `root` needs flow_node_clear in either case.
 */
json_t *flow_node_read(struct flow_diag *diag, const char *plain, struct flow_node *root);
void flow_node_clear(struct flow_node *node);

/* The member `key` of an object; NULL: none, or not an object. */
struct flow_node *flow_node_get(const struct flow_node *object, const char *key);

/* For flow_diag_add: the place of a node's key, and of its value (of an object: its bracket). */
#define FLOW_AT_KEY(node) (node)->key_offset, (node)->key_size
#define FLOW_AT(node) (node)->offset, flow_node_span(node)
size_t flow_node_span(const struct flow_node *node);

/* The value as a message can show it: JSON text, cut; or "an object", "a list", "a secret". */
struct flow_shown {
    char text[80];
};
struct flow_shown flow_show(const struct flow_node *node);

#endif /* FLOW_GRAPH_NODE_H */
