/* SPDX-License-Identifier: MIT */
#include "control/printed.h"

#include <stdlib.h>

const char *flow_format_name(enum flow_format format)
{
    static const char *const names[] = {
        [FLOW_FORMAT_TEXT] = "text",         [FLOW_FORMAT_JSON] = "JSON",
        [FLOW_FORMAT_DOT] = "DOT",           [FLOW_FORMAT_MERMAID] = "Mermaid",
        [FLOW_FORMAT_MARKDOWN] = "Markdown",
    };
    return names[format];
}

char *flow_printed_nothing(struct flow_error *err)
{
    (void)flow_fail(err, FLOW_ENOMEM, "no memory for the text");
    return NULL;
}

char *flow_printed_text(struct flow_str *out, struct flow_error *err)
{
    char *text = flow_str_take(out);
    flow_str_clear(out);
    return text != NULL ? text : flow_printed_nothing(err);
}

char *flow_printed_json(json_t *json, struct flow_error *err)
{
    char *dump = json != NULL ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (dump == NULL)
        return flow_printed_nothing(err);
    struct flow_str out = {0};
    flow_str_addf(&out, "%s\n", dump);
    free(dump);
    return flow_printed_text(&out, err);
}
