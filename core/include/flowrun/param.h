/* SPDX-License-Identifier: MIT */
#ifndef FLOWRUN_PARAM_H
#define FLOWRUN_PARAM_H

/*
 * Declared parameters: one table maps the keys of a stage's "with" object onto the fields of the
 * stage's own struct.
 *
 * The table is the only place a parameter is written down.  Defaults, range checks, error messages,
 * `flowrun describe` and the JSON Schema all come from it, so a stage cannot accept a key that it
 * does not document.
 *
 * Threads: tables are constant.  Memory: the engine allocates, fills and frees the fields; a stage
 * only reads them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowrun/status.h"

enum flow_type {
    FLOW_I64,      /* int64_t */
    FLOW_F64,      /* double */
    FLOW_BOOL,     /* bool */
    FLOW_STR,      /* char *; NULL only where the default is NULL and the key is absent */
    FLOW_SIZE,     /* uint64_t, bytes; in JSON 4096 or "64KiB" */
    FLOW_DURATION, /* int64_t, nanoseconds; in JSON "250ms"; a bare number is refused */
    FLOW_ENUM,     /* int: the index in `choices` */
    FLOW_LIST,     /* struct flow_list: strings; in JSON a string (a list of one) or an array */
    FLOW_JSON,     /* char *: the value as compact JSON text; NULL as for FLOW_STR */
};

/* A list of strings, owned by the engine. */
struct flow_list {
    char **items;
    size_t count;
};

/* A default that says: the key must be given. */
#define FLOW_REQUIRED ((const char *)1)

/* One row.  Write rows with the macros below: a field of another type does not compile. */
struct flow_param {
    const char *name; /* JSON key, lower_snake_case, the field's name; NULL ends the table */
    enum flow_type type;
    size_t offset;       /* of the field, in bytes */
    double min, max;     /* numbers, sizes [bytes], durations [ns]: inclusive range, within 2^53 */
    const char *def;     /* default as it would stand in JSON or, for strings, the bare string;
                            NULL: absent (strings, lists and JSON only); FLOW_REQUIRED */
    const char *choices; /* FLOW_ENUM: the accepted words, separated by '|': "a|b|c" */
    const char *help;    /* one line; a quantity ends with its unit: "cut-off [Hz]" */
};

/* `def` is a string in every row: "64", "0.5", "true", "64KiB", "250ms", "count", NULL. */
#define FLOW_PARAM_I64(obj, field, def, lo, hi, help)                                              \
    FLOW_ROW_(#field, FLOW_I64, FLOW_FIELD_(obj, field, int64_t), lo, hi, def, NULL, help)
#define FLOW_PARAM_F64(obj, field, def, lo, hi, help)                                              \
    FLOW_ROW_(#field, FLOW_F64, FLOW_FIELD_(obj, field, double), lo, hi, def, NULL, help)
#define FLOW_PARAM_BOOL(obj, field, def, help)                                                     \
    FLOW_ROW_(#field, FLOW_BOOL, FLOW_FIELD_(obj, field, bool), 0, 0, def, NULL, help)
#define FLOW_PARAM_STR(obj, field, def, help)                                                      \
    FLOW_ROW_(#field, FLOW_STR, FLOW_FIELD_(obj, field, char *), 0, 0, def, NULL, help)
#define FLOW_PARAM_SIZE(obj, field, def, lo, hi, help)                                             \
    FLOW_ROW_(#field, FLOW_SIZE, FLOW_FIELD_(obj, field, uint64_t), lo, hi, def, NULL, help)
#define FLOW_PARAM_DURATION(obj, field, def, lo_ns, hi_ns, help)                                   \
    FLOW_ROW_(#field, FLOW_DURATION, FLOW_FIELD_(obj, field, int64_t), lo_ns, hi_ns, def, NULL,    \
              help)
#define FLOW_PARAM_ENUM(obj, field, def, choices, help)                                            \
    FLOW_ROW_(#field, FLOW_ENUM, FLOW_FIELD_(obj, field, int), 0, 0, def, choices, help)
#define FLOW_PARAM_LIST(obj, field, def, help)                                                     \
    FLOW_ROW_(#field, FLOW_LIST, FLOW_FIELD_(obj, field, struct flow_list), 0, 0, def, NULL, help)
#define FLOW_PARAM_JSON(obj, field, def, help)                                                     \
    FLOW_ROW_(#field, FLOW_JSON, FLOW_FIELD_(obj, field, char *), 0, 0, def, NULL, help)
#define FLOW_PARAM_END FLOW_ROW_(NULL, FLOW_I64, 0, 0, 0, NULL, NULL, NULL)

/* Private.  FLOW_FIELD_ is an offset, or a compile error when the field is not a `type`. */
#define FLOW_ROW_(...)                                                                             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#ifdef __cplusplus
/* The same of C++, where a field's type is not a matter of the preprocessor. */
template <typename Field, typename Wanted> struct flow_field_;
template <typename Same> struct flow_field_<Same, Same> {
    static constexpr size_t at(size_t offset)
    {
        return offset;
    }
};
#define FLOW_FIELD_(obj, field, type)                                                              \
    flow_field_<decltype(((obj *)0)->field), type>::at(offsetof(obj, field))
#else
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type name cannot be put in parentheses */
#define FLOW_FIELD_(obj, field, type) _Generic(((obj *)0)->field, type : offsetof(obj, field))
#endif

#endif /* FLOWRUN_PARAM_H */
