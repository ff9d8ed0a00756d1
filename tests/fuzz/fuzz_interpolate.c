/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer writes a text with references, the line after it is the value of the parameter "a": as
 * a parameter of a stage it becomes a text without references, or a finding; it can never change
 * the shape of the graph.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "support/fake_types.h"

/* As it would stand in JSON; bytes that are no text become '?'. */
static void add_quoted(struct flow_str *out, const char *text, size_t size)
{
    char *clean = fuzz_text((const uint8_t *)text, size);
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)clean[i] >= 0x80 || clean[i] == '\0')
            clean[i] = '?';
    json_t *json = json_string(clean);
    char *quoted = json_dumps(json, JSON_ENCODE_ANY);
    flow_str_add(out, quoted);
    free(quoted);
    json_decref(json);
    free(clean);
}

static void check_graph(const struct flow_graph *graph)
{
    MUST_HOLD(graph->stage_count == 3 && graph->edge_count == 2);
    MUST_HOLD(strcmp(graph->stages[1].name, "grep") == 0);
    MUST_HOLD(json_is_string(json_object_get(graph->stages[1].with, "pattern")));
}

static void try_text(const char *text, size_t size, const char *value, size_t value_size,
                     const uint8_t *data)
{
    struct flow_str out = {0};
    flow_str_add(&out, "{\"flowrun\": 1, \"params\": {"
                       "\"a\": {\"type\": \"string\", \"default\": ");
    add_quoted(&out, value, value_size);
    flow_str_add(&out, "}, \"n\": {\"type\": \"int\", \"default\": 3},"
                       " \"none\": {\"type\": \"string\"} }, \"stages\": {"
                       "\"gen\": {\"use\": \"gen.sequence\", \"with\": {\"count\": "
                       "\"${param:n}\"}},"
                       "\"grep\": {\"use\": \"text.grep\", \"from\": \"gen\", \"with\": "
                       "{\"pattern\": ");
    add_quoted(&out, text, size);
    flow_str_add(&out, "}}, \"out\": {\"use\": \"null\", \"from\": \"grep\"}}}");

    static const char *const params[] = {"none=given", NULL};
    const struct flow_graph_options options = {.params = size % 2 == 0 ? params : NULL};
    struct flow_diag diag = {0};
    fuzz_short_memory(data, size + value_size);
    struct flow_graph *graph = flow_graph_read(out.text, out.size, &options, &fake_catalog, &diag);
    flow_mem_fail_at(-1);
    MUST_HOLD(graph != NULL || diag.count > 0 || diag.failed);
    if (graph != NULL)
        check_graph(graph);
    struct flow_str said = {0};
    flow_diag_print(&diag, &said);
    flow_str_clear(&said);
    flow_diag_clear(&diag);
    flow_graph_free(graph);
    flow_str_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
    const size_t first = end != NULL ? (size_t)(end - text) : size;
    try_text(text, first, end != NULL ? end + 1 : "", end != NULL ? size - first - 1 : 0, data);
    return 0;
}
