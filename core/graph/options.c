/* SPDX-License-Identifier: MIT */
/* What the command line changes in stages.  Its faults have no place in the file. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "graph/field.h"
#include "graph/text.h"

#define NOWHERE FLOW_DIAG_NOWHERE, 1

/* The stage that the `size` bytes at `name` name, or a finding. */
static size_t find_stage(struct flow_reader *r, const char *option, const char *name, size_t size)
{
    char *copy = flow_strndup(name, size);
    if (copy == NULL) {
        (void)flow_reader_no_memory(r);
        return FLOW_NO_STAGE;
    }
    const size_t stage = flow_reader_find(r, copy);
    if (stage == FLOW_NO_STAGE) {
        struct flow_str hint = {0};
        flow_hint_closest(&hint, copy, r->names);
        flow_diag_add(r->diag, NOWHERE, hint.text, "%s %s: no stage is named '%s'", option,
                      flow_cut(name).text, flow_cut(copy).text);
        flow_str_clear(&hint);
    }
    free(copy);
    return stage;
}

/* The JSON value that the text is; NULL: it is none, or `diag` says that memory is short. */
static json_t *parse_json(const char *text, struct flow_diag *diag)
{
    char *plain = flow_text_plain(diag);
    if (plain == NULL)
        return NULL;
    struct flow_node root = {0};
    json_t *value = NULL;
    if (strcmp(plain, text) == 0) /* comments are for files */
        value = flow_node_read(diag, plain, &root);
    flow_node_clear(&root);
    free(plain);
    if (diag->count == 0)
        return value;
    json_decref(value);
    return NULL;
}

/* JSON if it parses, else the text itself; NULL: memory is short. */
static json_t *parse_value(const char *text)
{
    struct flow_diag diag = {.text = text, .text_size = strlen(text)};
    json_t *value = parse_json(text, &diag);
    if (value == NULL && !diag.failed)
        value = json_string(text);
    flow_diag_clear(&diag);
    return value;
}

static void put_set(struct flow_reader *r, size_t stage, const char *key, const char *text)
{
    struct flow_stage_nodes *nodes = &r->stages[stage];
    if (nodes->set == NULL)
        nodes->set = json_object();
    if (nodes->set == NULL || json_object_set_new(nodes->set, key, parse_value(text)) != 0)
        (void)flow_reader_no_memory(r);
}

static void read_set(struct flow_reader *r, const char *option)
{
    const char *equals = strchr(option, '=');
    const char *dot = strchr(option, '.');
    if (equals == NULL || dot == NULL || dot == option || dot + 1 >= equals ||
        !flow_utf8_valid(option, strlen(option))) {
        flow_diag_add(r->diag, NOWHERE, "as in --set read.path=book.txt",
                      "--set %s: expected STAGE.KEY=VALUE", flow_cut(option).text);
        return;
    }
    const size_t stage = find_stage(r, "--set", option, (size_t)(dot - option));
    if (stage == FLOW_NO_STAGE)
        return;
    char *key = flow_strndup(dot + 1, (size_t)(equals - dot - 1));
    if (key == NULL)
        (void)flow_reader_no_memory(r);
    else
        put_set(r, stage, key, equals + 1);
    free(key);
}

static bool parse_workers(const char *text, unsigned *workers)
{
    if (strcmp(text, "auto") == 0) {
        *workers = FLOW_WORKERS_AUTO;
        return true;
    }
    char *end;
    const unsigned long long count = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || count < 1 ||
        count > FLOW_GRAPH_MAX_WORKERS)
        return false;
    *workers = (unsigned)count;
    return true;
}

static void read_workers(struct flow_reader *r, const char *option)
{
    const char *equals = strchr(option, '=');
    if (equals == NULL || equals == option) {
        flow_diag_add(r->diag, NOWHERE, "as in --workers words=4",
                      "--workers %s: expected STAGE=N or STAGE=auto", flow_cut(option).text);
        return;
    }
    const size_t stage = find_stage(r, "--workers", option, (size_t)(equals - option));
    if (stage == FLOW_NO_STAGE)
        return;
    r->stages[stage].workers_option = option;
    if (!parse_workers(equals + 1, &r->graph->stages[stage].workers)) {
        flow_diag_add(r->diag, NOWHERE, NULL,
                      "--workers %s: the workers must be an integer from 1 to %d or auto",
                      flow_cut(option).text, FLOW_GRAPH_MAX_WORKERS);
    }
}

void flow_reader_options(struct flow_reader *r)
{
    for (const char *const *at = r->options->sets; at != NULL && *at != NULL; at++)
        read_set(r, *at);
    for (const char *const *at = r->options->workers; at != NULL && *at != NULL; at++)
        read_workers(r, *at);
}
