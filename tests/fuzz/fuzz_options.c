/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer writes a command line, an option a line, for a graph that is right: "p NAME=VALUE", "s
 * STAGE.KEY=VALUE", "w STAGE=N", "m MODE", "f FUSE", "i PIN", "t STALL", "c CPUS".
 * It is refused, or there is a plan, or there can be none, with a reason.
 */
#include <stdbool.h>
#include <stdio.h>

#include "fuzz.h"
#include "plan/plan.h"
#include "support/fake_types.h"

#define MOST 8

struct line {
    const char *params[MOST + 1], *sets[MOST + 1], *workers[MOST + 1];
    size_t param_count, set_count, worker_count;
    struct flow_graph_options options;
    unsigned cpus;
};

static const char text[] =
    "{\"flowrun\": 1, \"params\": {\"n\": {\"type\": \"int\", \"default\": 2},"
    " \"p\": {\"type\": \"string\", \"default\": \"x\"}, \"b\": {\"type\": \"bool\", \"default\": "
    "false}, \"f\": {\"type\": \"number\", \"default\": 1.5} },"
    " \"run\": {\"memory\": \"1GiB\"}, \"stages\": {"
    "\"gen\": {\"use\": \"gen.sequence\", \"with\": {\"count\": \"${param:n}\"}},"
    "\"words\": {\"use\": \"text.words\", \"from\": \"gen\", \"workers\": 3, \"with\": {\"lower\": "
    "\"${param:b}\"}},"
    "\"grep\": {\"use\": \"text.grep\", \"from\": \"words\", \"workers\": 2, \"order\": \"input\","
    " \"with\": {\"pattern\": \"${param:p}\"}},"
    "\"count\": {\"use\": \"count.keys\", \"workers\": 2,"
    " \"from\": {\"stage\": \"grep\", \"share\": \"key\"}},"
    "\"out\": {\"use\": \"null\", \"from\": [\"count\", \"words\"]}}}";

static void append(const char **list, size_t *count, const char *value)
{
    if (*count < MOST)
        list[(*count)++] = value;
}

static void take(struct line *line, char *option)
{
    if (option[0] == '\0' || option[1] != ' ')
        return;
    const char *value = option + 2;
    switch (option[0]) {
    case 'p':
        append(line->params, &line->param_count, value);
        break;
    case 's':
        append(line->sets, &line->set_count, value);
        break;
    case 'w':
        append(line->workers, &line->worker_count, value);
        break;
    case 'm':
        line->options.mode = value;
        break;
    case 'f':
        line->options.fuse = value;
        break;
    case 'i':
        line->options.pin = value;
        break;
    case 't':
        line->options.stall = value;
        break;
    default:
        line->cpus = (unsigned)strtoul(value, NULL, 10);
    }
}

static void try_plan(const struct flow_graph *graph, unsigned cpus)
{
    static struct flow_cpu cpu_list[] = {
        {.number = 0, .core = 0}, {.number = 1, .core = 0}, {.number = 3, .core = 1, .cache = 1}};
    const struct flow_topology topology = {.cpus = cpu_list, .count = 3};
    const struct flow_plan_options options = {.cpus = cpus, .topology = &topology};
    struct flow_error err = {0};
    struct flow_plan *plan = flow_plan_new(graph, &options, &err);
    MUST_HOLD((plan != NULL) == (err.text[0] == '\0'));
    if (plan == NULL)
        return;
    struct flow_str said = {0};
    flow_plan_explain(plan, &said);
    flow_str_clear(&said);
    json_decref(flow_plan_json(plan));
    (void)flow_plan_digest(plan);
    flow_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_text(data, size);
    struct line line = {.cpus = 2};
    for (char *at = copy, *end; at < copy + size; at = end + 1) {
        end = at + strcspn(at, "\n");
        *end = '\0';
        take(&line, at);
    }
    line.options.params = line.params;
    line.options.sets = line.sets;
    line.options.workers = line.workers;

    struct flow_diag diag = {0};
    fuzz_short_memory(data, size);
    struct flow_graph *graph =
        flow_graph_read(text, sizeof(text) - 1, &line.options, &fake_catalog, &diag);
    if (graph != NULL)
        try_plan(graph, line.cpus);
    flow_mem_fail_at(-1);
    MUST_HOLD(graph != NULL || diag.count > 0 || diag.failed);
    struct flow_str said = {0};
    flow_diag_print(&diag, &said);
    flow_str_clear(&said);
    flow_diag_clear(&diag);
    flow_graph_free(graph);
    free(copy);
    return 0;
}
