/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_JSON_FIELD_H
#define FLOW_STAGES_JSON_FIELD_H

/*
 * The fields of records that are JSON, as parameters name them: "field": "/user/id".
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include "shared/json_scan.h"

enum flow_json_found { FLOW_JSON_FOUND, FLOW_JSON_ABSENT, FLOW_JSON_BROKEN };

/*
 * Add the pointer that a user has written, "" for the whole record, and say which slot is its.
 * NULL, or what is wrong with it: "it ...".
 */
static inline const char *flow_json_field_add(struct flow_json_paths *paths, const char *pointer,
                                              size_t size, size_t *slot)
{
    const char *end = pointer + size;
    if (size > 0 && pointer[0] != '/')
        return "it does not begin with a '/'";
    for (const char *at = pointer; at < end; at++) {
        if (*at == '~' && (at + 1 == end || (at[1] != '0' && at[1] != '1')))
            return "a '~' stands before neither 0 nor 1";
    }
    return flow_json_paths_add(paths, pointer, size, slot);
}

/* The same for what holds no pointers yet, and shall hold this one alone; NULL: none. */
static inline const char *flow_json_field_init(struct flow_json_paths *paths, const char *pointer)
{
    size_t slot;
    flow_json_paths_init(paths);
    return pointer != NULL ? flow_json_field_add(paths, pointer, strlen(pointer), &slot) : NULL;
}

/* What the only pointer of `paths` leads to in a record, all of which is checked. */
static inline enum flow_json_found flow_json_find(const struct flow_json_paths *paths,
                                                  const void *data, size_t size,
                                                  struct flow_json_value *value)
{
    struct flow_json_scan scan;
    if (!flow_json_scan(&scan, paths, data, size, value))
        return FLOW_JSON_BROKEN;
    return value->at != NULL ? FLOW_JSON_FOUND : FLOW_JSON_ABSENT;
}

/* Is the record JSON?  Then `value` is it, without the blanks around it. */
static inline bool flow_json_whole(const void *data, size_t size, struct flow_json_value *value)
{
    const struct flow_json_paths whole = {.root = {.index = FLOW_JSON_NO_INDEX}, .count = 1};
    return flow_json_find(&whole, data, size, value) == FLOW_JSON_FOUND;
}

static inline bool flow_json_is_text(const struct flow_json_value *value)
{
    return *value->at == '"';
}

static inline bool flow_json_is_number(const struct flow_json_value *value)
{
    return *value->at == '-' || (*value->at >= '0' && *value->at <= '9');
}

/* The value as it stands in the record. */
static inline const char *flow_json_raw(const struct flow_json_value *value, size_t *size)
{
    *size = (size_t)(value->end - value->at);
    return (const char *)value->at;
}

/* A text without quotes and escapes, all else as it stands, with its blanks; the size, which is at
 * most that of the value. */
static inline size_t flow_json_put_raw(const struct flow_json_value *value, char *out)
{
    if (flow_json_is_text(value))
        return flow_json_put_string(value, out);
    size_t size;
    const char *raw = flow_json_raw(value, &size);
    memcpy(out, raw, size);
    return size;
}

#endif /* FLOW_STAGES_JSON_FIELD_H */
