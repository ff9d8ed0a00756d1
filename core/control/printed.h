/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_PRINTED_H
#define FLOW_CONTROL_PRINTED_H

/* The texts that run.h hands out: the last step, and what to say when there is no memory for it. */

#include <jansson.h>

#include "base/str.h"
#include "flowrun/run.h"

/* "text", "JSON", ... */
const char *flow_format_name(enum flow_format format);

/* Say that memory is short; always NULL. */
char *flow_printed_nothing(struct flow_error *err);

/* The text of `out`, which is empty afterwards. */
char *flow_printed_text(struct flow_str *out, struct flow_error *err);

/* `json` (taken; NULL: no memory) as indented text with a newline after it. */
char *flow_printed_json(json_t *json, struct flow_error *err);

#endif /* FLOW_CONTROL_PRINTED_H */
