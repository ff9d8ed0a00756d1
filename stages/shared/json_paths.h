/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_JSON_PATHS_H
#define FLOW_STAGES_JSON_PATHS_H

/*
 * A set of JSON pointers (RFC 6901) as a tree: what a scanner that walks through a document has to
 * look out for at each place.  Each pointer has a slot, a number from 0 on; equal pointers have the
 * same.
 *
 *     /user/name, /user/id, /tags/0         root ── user ── name (slot 0)
 *                                            │        └── id   (slot 1)
 *                                            └── tags ── 0    (slot 2)
 *
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_JSON_DEPTH 64 /* objects and lists that may lie in each other */
#define FLOW_JSON_NO_INDEX UINT32_MAX

struct flow_json_node {
    uint64_t head; /* the first 8 bytes of the name, or fewer and zeros */
    size_t size;   /* of the name, bytes */
    char *name;
    uint32_t index; /* the name as an index into a list */
    int32_t slot;   /* -1: no pointer ends here */
    struct flow_json_node *child, *next;
};

struct flow_json_paths {
    struct flow_json_node root;
    size_t count; /* slots */
};

/* No pointers yet. */
static inline void flow_json_paths_init(struct flow_json_paths *paths)
{
    *paths = (struct flow_json_paths){.root = {.slot = -1, .index = FLOW_JSON_NO_INDEX}};
}

/* The first 8 bytes of a name, of which memory may be read up to `limit`. */
static inline uint64_t flow_json_head(const void *name, size_t size, const void *limit)
{
    const char *at = name;
    uint64_t head = 0;
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && (const char *)limit - at >= 8) {
        memcpy(&head, at, 8);
        return size < 8 ? head & ((UINT64_C(1) << 8 * size) - 1) : head;
    }
    memcpy(&head, at, size < 8 ? size : 8);
    return head;
}

static inline uint32_t flow_json_index_(const char *name, size_t size)
{
    uint64_t index = 0;
    if (size == 0 || size > 9 || (size > 1 && name[0] == '0'))
        return FLOW_JSON_NO_INDEX;
    for (size_t i = 0; i < size; i++) {
        if (name[i] < '0' || name[i] > '9')
            return FLOW_JSON_NO_INDEX;
        index = index * 10 + (uint64_t)(name[i] - '0');
    }
    return (uint32_t)index;
}

/* The child of that name (taken), an old one or a new one; NULL: no memory. */
static inline struct flow_json_node *flow_json_child_(struct flow_json_node *node, char *name,
                                                      size_t size)
{
    struct flow_json_node **at = &node->child;
    for (; *at != NULL; at = &(*at)->next) {
        if ((*at)->size == size && memcmp((*at)->name, name, size) == 0) {
            free(name);
            return *at;
        }
    }
    struct flow_json_node *child = calloc(1, sizeof(*child));
    if (child == NULL) {
        free(name);
        return NULL;
    }
    *child = (struct flow_json_node){
        .head = flow_json_head(name, size, name + size),
        .size = size,
        .name = name,
        .index = flow_json_index_(name, size),
        .slot = -1,
    };
    *at = child;
    return child;
}

/* The slot of a node where a pointer ends, its old one or a new one. */
static inline size_t flow_json_slot_(struct flow_json_paths *paths, struct flow_json_node *node)
{
    if (node->slot < 0)
        node->slot = (int32_t)paths->count++;
    return (size_t)node->slot;
}

/* The name between two slashes, ~1 and ~0 undone, to be freed; NULL and a reason if it cannot be.
 */
static inline char *flow_json_token_(const char *at, const char *end, size_t *size,
                                     const char **reason)
{
    char *name = malloc((size_t)(end - at) + 1);
    *reason = "no memory";
    size_t used = 0;
    for (; name != NULL && at < end; at++) {
        name[used] = *at;
        if (*at == '~') {
            if (at + 1 == end || (at[1] != '0' && at[1] != '1')) {
                *reason = "'~' is written as ~0, and '/' in a name as ~1";
                free(name);
                return NULL;
            }
            name[used] = *++at == '0' ? '~' : '/';
        }
        used++;
    }
    *size = used;
    return name;
}

/*
 * Add the pointer and say which slot is its.  NULL, or why it cannot be: a text for people.
 */
static inline const char *flow_json_paths_add(struct flow_json_paths *paths, const char *pointer,
                                              size_t size, size_t *slot)
{
    const char *at = pointer;
    const char *end = pointer + size;
    struct flow_json_node *node = &paths->root;
    for (int depth = 0; at < end; depth++) {
        if (*at != '/')
            return "a JSON pointer begins with '/'";
        if (depth == FLOW_JSON_DEPTH)
            return "a JSON pointer has at most 64 parts";
        const char *stop = memchr(at + 1, '/', (size_t)(end - at - 1));
        stop = stop != NULL ? stop : end;
        size_t used;
        const char *reason;
        char *name = flow_json_token_(at + 1, stop, &used, &reason);
        if (name == NULL)
            return reason;
        node = flow_json_child_(node, name, used);
        if (node == NULL)
            return "no memory";
        at = stop;
    }
    *slot = flow_json_slot_(paths, node);
    return NULL;
}

/* Add the member of that name, as it is, of the whole document.  False: no memory. */
static inline bool flow_json_paths_add_member(struct flow_json_paths *paths, const char *name,
                                              size_t size, size_t *slot)
{
    char *copy = malloc(size + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, name, size);
    struct flow_json_node *node = flow_json_child_(&paths->root, copy, size);
    if (node == NULL)
        return false;
    *slot = flow_json_slot_(paths, node);
    return true;
}

/* Free what it holds; one that is all zeros holds nothing. */
static inline void flow_json_paths_clear(struct flow_json_paths *paths)
{
    struct flow_json_node *root = &paths->root;
    while (root->child != NULL) { /* its children come up in its place, so that nothing recurses */
        struct flow_json_node *node = root->child;
        struct flow_json_node **last = &node->child;
        while (*last != NULL)
            last = &(*last)->next;
        *last = node->next;
        root->child = node->child;
        free(node->name);
        free(node);
    }
    *paths = (struct flow_json_paths){0};
}

#endif /* FLOW_STAGES_JSON_PATHS_H */
