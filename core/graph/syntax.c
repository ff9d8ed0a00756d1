/* SPDX-License-Identifier: MIT */
#include "graph/syntax.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/scan.h"
#include "graph/text.h"

static bool read_value(struct flow_scan *s, struct flow_node *node);

static bool out_of_memory(struct flow_scan *s)
{
    s->diag->failed = true;
    return false;
}

static struct flow_node *add_item(struct flow_scan *s, struct flow_node *node)
{
    if (++s->nodes > FLOW_NODE_MAX) {
        flow_diag_add(s->diag, s->at, 1, NULL, "the file has more than %zu values", FLOW_NODE_MAX);
        return NULL;
    }
    if (!flow_grow(&node->items, &node->capacity, node->count + 1, sizeof(*node->items))) {
        (void)out_of_memory(s);
        return NULL;
    }
    struct flow_node *item = &node->items[node->count++];
    *item = (struct flow_node){0};
    return item;
}

static bool read_key(struct flow_scan *s, struct flow_node *item)
{
    flow_scan_space(s);
    const char c = s->text[s->at];
    if (c != '"') {
        const bool word = isalpha((unsigned char)c) || c == '_' || c == '\'';
        return flow_scan_fault(s, s->at, word ? "keys stand in double quotes" : NULL,
                               "expected a key");
    }
    item->key_offset = s->at;
    if (!flow_scan_string(s))
        return false;
    item->key_size = s->at - item->key_offset;
    size_t size;
    item->key = flow_scan_decode(s->text + item->key_offset, item->key_size, &size);
    if (item->key == NULL)
        return out_of_memory(s);
    flow_scan_space(s);
    if (s->text[s->at] != ':')
        return flow_scan_fault(s, s->at, NULL, "expected ':' and a value after the key");
    s->at++;
    return true;
}

/* What follows an item is neither ',' nor the closing bracket. */
static bool fault_after_item(struct flow_scan *s, const struct flow_node *node, char close)
{
    const char open = s->text[node->offset];
    const char c = s->text[s->at];
    if (s->at >= s->size) {
        flow_diag_add(s->diag, node->offset, 1, "a closing bracket is missing, here or further in",
                      "this '%c' is never closed: the file ends before its '%c'", open, close);
        return false;
    }
    if (c == ']' || c == '}') {
        flow_diag_add(s->diag, s->at, 1, NULL, "expected '%c' for the '%c' of line %zu, not '%c'",
                      close, open, flow_text_line(s->diag, node->offset), c);
        return false;
    }
    return flow_scan_fault(s, s->at, c == '"' ? "a comma is missing before it" : NULL,
                           close == '}' ? "expected ',' or '}' after the value"
                                        : "expected ',' or ']' after the value");
}

static bool read_items(struct flow_scan *s, struct flow_node *node, char close)
{
    s->at++;
    for (;;) {
        flow_scan_space(s);
        if (s->text[s->at] == close && node->count == 0)
            break;
        if (s->at >= s->size)
            return fault_after_item(s, node, close);
        struct flow_node *item = add_item(s, node);
        if (item == NULL || (close == '}' && !read_key(s, item)) || !read_value(s, item))
            return false;
        flow_scan_space(s);
        if (s->text[s->at] == close)
            break;
        if (s->text[s->at] != ',')
            return fault_after_item(s, node, close);
        s->at++;
    }
    s->at++;
    return true;
}

/* The depth of this recursion was bounded by flow_text_plain. */
static bool read_value(struct flow_scan *s, struct flow_node *node)
{
    flow_scan_space(s);
    node->offset = s->at;
    const char c = s->text[s->at];
    bool good;
    if (c == '{')
        good = read_items(s, node, '}');
    else if (c == '[')
        good = read_items(s, node, ']');
    else if (c == '"')
        good = flow_scan_string(s);
    else if (c == '-' || c == '+' || c == '.' || isdigit((unsigned char)c))
        good = flow_scan_number(s);
    else
        good = flow_scan_word(s);
    node->size = s->at - node->offset;
    return good;
}

static bool fault_after_root(struct flow_scan *s, const struct flow_node *root)
{
    const char c = s->text[s->at];
    if (c != '}' && c != ']')
        return flow_scan_fault(s, s->at, "a file holds one graph", "expected the end of the file");
    flow_diag_add(s->diag, s->at, 1, NULL, "'%c' closes nothing: the graph ends on line %zu", c,
                  flow_text_line(s->diag, root->offset + root->size - 1));
    return false;
}

bool flow_syntax_read(struct flow_diag *diag, const char *plain, struct flow_node *root)
{
    struct flow_scan s = {.diag = diag, .text = plain, .size = diag->text_size};
    flow_scan_space(&s);
    if (s.at >= s.size) {
        flow_diag_add(diag, FLOW_DIAG_NOWHERE, 1,
                      "a graph begins with { \"flowrun\": 1, \"stages\": {",
                      diag->text_size == 0 ? "the file is empty"
                                           : "the file holds nothing but space and comments");
        return false;
    }
    if (!read_value(&s, root))
        return false;
    flow_scan_space(&s);
    return s.at >= s.size || fault_after_root(&s, root);
}
