/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PARAM_PARAM_H
#define FLOW_PARAM_PARAM_H

/*
 * Parameter tables to and from JSON: filling a stage's struct, describing the table to people and
 * as JSON Schema, and checking the table itself (a plugin may get it wrong).
 *
 * Threads: tables are constant; distinct objects may be filled on distinct threads.
 */

#include <jansson.h>

#include "base/str.h"
#include "flowrun/error.h"
#include "flowrun/param.h"

/* A finding about one key, with the reader's position left to the caller. */
struct flow_param_report {
    void *context;
    /* `key` NULL: about the object as a whole (a missing key).  `hint` may be NULL. */
    void (*report)(void *context, const char *key, const char *message, const char *hint);
};

/*
 * Check `json` (an object, or NULL for {}) against `table` (NULL: no parameters) and report every
 * finding, each once.  Returns whether there was none; false without a report: no memory.
 */
bool flow_params_check(const struct flow_param *table, json_t *json,
                       const struct flow_param_report *report);

/*
 * Fill `obj`, zeroed by the caller, from `json` (borrowed; NULL for {}).  On success every field of
 * the table is set and its memory belongs to `obj` until flow_params_clear; on failure nothing is
 * left allocated.  FLOW_ENOENT (unknown or missing key), FLOW_ETYPE, FLOW_ERANGE, FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_params_read(const struct flow_param *table, json_t *json,
                                                 void *obj, struct flow_error *err);

/* Free what flow_params_read allocated and null it.  Safe on a zeroed object, and safe twice. */
void flow_params_clear(const struct flow_param *table, void *obj);

/*
 * Is the table sound: names, unique; offsets inside `state_size`; defaults that parse and lie in
 * range; enums with choices?  FLOW_EINVAL names the row.
 */
FLOW_NODISCARD enum flow_status flow_params_validate(const struct flow_param *table,
                                                     size_t state_size, struct flow_error *err);

/* For people: a row per parameter with type, default, range and help. */
void flow_params_describe(const struct flow_param *table, struct flow_str *out);

/* For a page: a table of Markdown, a row per parameter; nothing where there are none. */
void flow_params_markdown(const struct flow_param *table, struct flow_str *out);

/* A text of ours as it must stand in Markdown, also in a cell of a table, to be read as it is. */
void flow_markdown_text(const char *text, struct flow_str *out);

/*
 * For programs: a list with an object per parameter: name, type, unit, required, default, min, max
 * (bytes and nanoseconds for sizes and durations), choices, help; null for what it does not have.
 * A new reference, or NULL when memory is short.
 */
json_t *flow_params_list(const struct flow_param *table);

/* For programs: a JSON Schema object for "with"; a new reference, or NULL when memory is short. */
json_t *flow_params_schema(const struct flow_param *table);

#endif /* FLOW_PARAM_PARAM_H */
