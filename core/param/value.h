/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PARAM_VALUE_H
#define FLOW_PARAM_VALUE_H

/*
 * One parameter: from JSON into a field, and the words for what its row accepts.  Private to
 * param/.
 */

#include <jansson.h>

#include "base/str.h"
#include "flowrun/error.h"
#include "flowrun/param.h"

/* Whole numbers up to here are exact in a double, which is what a row's range is written in. */
#define FLOW_PARAM_EXACT ((int64_t)1 << 53)

/* A place for any field, to try a value out. */
union flow_value {
    int64_t i64;
    double f64;
    bool boolean;
    char *text;
    uint64_t bytes;
    int choice;
    struct flow_list list;
};

/*
 * Convert `given` and store it in `field`, which is zeroed.  FLOW_ETYPE, FLOW_ERANGE or
 * FLOW_ENOMEM, and the field stays as it was; `err` then has the name, the value met and what is
 * accepted.
 */
FLOW_NODISCARD enum flow_status flow_value_set(const struct flow_param *row, json_t *given,
                                               void *field, struct flow_error *err);

/* Free what the field owns and zero it. */
void flow_value_clear(const struct flow_param *row, void *field);

/*
 * The default as it would stand in JSON, a new reference; NULL where the row has none (no default,
 * or required).  FLOW_EINVAL: it is not JSON; FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_value_default(const struct flow_param *row, json_t **value,
                                                   struct flow_error *err);

/* "an integer from 1 to 4096": what the row accepts. */
void flow_value_expect(const struct flow_param *row, struct flow_str *out);

/* A limit of the row's range, as it could be written in JSON. */
void flow_value_limit(const struct flow_param *row, double limit, struct flow_str *out);

/* Does the row's range leave something out below, above? */
bool flow_value_has_min(const struct flow_param *row);
bool flow_value_has_max(const struct flow_param *row);

/* The next word of `choices`, its size in `size`; NULL at the end.  Start with *at = row->choices.
 */
const char *flow_value_choice(const char **at, size_t *size);

#endif /* FLOW_PARAM_VALUE_H */
