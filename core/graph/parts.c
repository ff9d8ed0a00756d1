/* SPDX-License-Identifier: MIT */
/*
 * Graphs as stages of graphs: "use": "./part.json".
 *
 * The stages of the part take the place of the stage that uses it, under the names OUTER/INNER, and
 * the result is checked as one graph.  Each text has nodes, plugins, defaults, parameters and
 * findings of its own (struct flow_source); what names something is looked up in the text that it
 * stands in. "ports" say where the two meet:
 *
 *     "ports": { "in": { "in": "words" }, "out": { "out": "count", "bad": "words.errors" } }
 *
 *     read --from--> [ in -> words -> count -> out ] <--from-- print
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/text.h"

bool flow_reader_uses_part(const struct flow_node *stage)
{
    const struct flow_node *use = flow_node_get(stage, "use");
    const char *text = use != NULL ? json_string_value(use->json) : NULL;
    const size_t size = text != NULL ? strlen(text) : 0;
    return size > 5 && strcmp(text + size - 5, ".json") == 0;
}

struct flow_source *flow_reader_find_part(const struct flow_reader *r, const char *name)
{
    for (size_t i = 1; i < r->source_count; i++)
        if (r->sources[i]->outer == r->source && strcmp(r->sources[i]->stage->key, name) == 0)
            return r->sources[i];
    return NULL;
}

/* ---- loading ---- */

/* The file as seen from where the program runs; NULL: no memory. */
static char *path_of(const struct flow_source *outer, const char *use)
{
    struct flow_str path = {0};
    while (strncmp(use, "./", 2) == 0)
        use += 2;
    if (*use != '/' && strcmp(outer->folder, ".") != 0)
        flow_str_addf(&path, "%s%s", outer->folder, strcmp(outer->folder, "/") == 0 ? "" : "/");
    flow_str_add(&path, use);
    return flow_str_take(&path);
}

/* A graph that uses itself, perhaps by way of others, has no end. */
static bool check_nesting(struct flow_reader *r, const struct flow_node *use, const char *path)
{
    size_t depth = 0;
    for (const struct flow_source *at = r->source; at != NULL; at = at->outer) {
        depth++;
        if (strcmp(at->path, path) != 0)
            continue;
        flow_diag_add(r->diag, FLOW_AT(use), NULL, "the graph '%s' uses itself%s", path,
                      at != r->source ? ", by way of others" : "");
        return false;
    }
    if (depth < FLOW_GRAPH_MAX_PARTS)
        return true;
    flow_diag_add(r->diag, FLOW_AT(use), NULL,
                  "graphs use each other as stages at most %d deep; this is one more",
                  FLOW_GRAPH_MAX_PARTS);
    return false;
}

/* The text and findings of a file that was read before, or of one that is read now. */
static bool get_text(struct flow_reader *r, const struct flow_node *use, struct flow_source *part)
{
    for (size_t i = 0; i < r->source_count; i++) {
        if (r->sources[i] != part && r->sources[i]->diag != NULL &&
            strcmp(r->sources[i]->path, part->path) == 0) {
            part->diag = r->sources[i]->diag;
            return true;
        }
    }
    struct flow_error err = {0};
    size_t size = 0;
    if (r->types->load == NULL)
        (void)flow_fail(&err, FLOW_ENOENT, "graphs cannot be used as stages here");
    else
        part->text = r->types->load(r->types->context, part->path, &size, &err);
    if (part->text == NULL) {
        if (err.status == FLOW_ENOMEM)
            return flow_reader_no_memory(r);
        flow_diag_add(r->diag, FLOW_AT(use), NULL, "%s", err.text);
        return false;
    }
    part->diag = flow_alloc(sizeof(*part->diag));
    if (part->diag == NULL) {
        free(part->text);
        part->text = NULL;
        return flow_reader_no_memory(r);
    }
    part->diag->path = part->path;
    part->diag->text = part->text;
    part->diag->text_size = size;
    return true;
}

static struct flow_source *new_part(struct flow_reader *r, const struct flow_node *stage,
                                    const char *path)
{
    struct flow_source *outer = r->source;
    struct flow_source *part = flow_reader_add_source(r, path);
    struct flow_str name = {0};
    if (outer->name != NULL)
        flow_str_addf(&name, "%s/", outer->name);
    flow_str_add(&name, stage->key);
    if (part != NULL)
        part->name = flow_str_take(&name);
    flow_str_clear(&name);
    if (part == NULL || part->name == NULL) {
        (void)flow_reader_no_memory(r);
        return NULL;
    }
    part->outer = outer;
    part->stage = stage;
    return part;
}

/* The parameters of the part, with what "with" gives; they are done with once they are put in. */
static void fill_in(struct flow_reader *r, const struct flow_node *use)
{
    struct flow_graph_param *params = r->params;
    const size_t param_count = r->param_count;
    const struct flow_reader before = *r;
    static const struct flow_graph_options none = {0};
    r->params = NULL;
    r->param_count = 0;
    r->options = &none;
    r->given = flow_node_get(r->source->stage, "with");
    r->given_at = use;
    r->given_diag = r->source->outer->diag;
    flow_reader_params(r);
    if (r->given != NULL && json_is_object(r->given->json))
        flow_reader_given(r, r->given, r->given_diag);
    flow_reader_interpolate(r);
    for (size_t i = 0; i < r->param_count; i++) {
        json_decref(r->params[i].value);
        free(r->params[i].text);
    }
    free(r->params);
    r->params = params;
    r->param_count = param_count;
    r->options = before.options;
    r->given = before.given;
    r->given_at = before.given_at;
    r->given_diag = before.given_diag;
}

/* What a stage that is a graph may have. */
static void check_stage(struct flow_reader *r, const struct flow_node *stage)
{
    static const char *const keys[] = {"use", "with", "from", "inputs", "description", NULL};
    static const char *const types[] = {"workers", "order",   "errors",  "isolate", "fuse",
                                        "cpus",    "restart", "timeout", "spool",   NULL};
    static const struct flow_words words = {keys, NULL};
    const char *text;
    bool theirs = false;
    for (size_t i = 0; i < stage->count; i++) {
        for (const char *const *type = types; *type != NULL; type++) {
            if (strcmp(stage->items[i].key, *type) != 0)
                continue;
            theirs = true;
            flow_diag_add(r->diag, FLOW_AT_KEY(&stage->items[i]), "give it to the stages in there",
                          "'%s' says nothing about a stage that is a graph", *type);
        }
    }
    if (!theirs)
        (void)flow_field_check_keys(r, stage, &words, FLOW_OWN_KEYS);
    (void)flow_field_is_object(r, flow_node_get(stage, "with"));
    (void)flow_field_string(r, flow_node_get(stage, "description"), &text);
}

struct flow_source *flow_reader_load_part(struct flow_reader *r, const struct flow_node *stage)
{
    const struct flow_node *use = flow_node_get(stage, "use");
    struct flow_source *here = r->source;
    check_stage(r, stage);
    char *path = path_of(here, json_string_value(use->json));
    if (path == NULL)
        (void)flow_reader_no_memory(r);
    struct flow_source *part = path != NULL ? new_part(r, stage, path) : NULL;
    free(path);
    if (part == NULL || !check_nesting(r, use, part->path) || !get_text(r, use, part))
        return NULL;

    (void)flow_reader_enter(r, part);
    const bool good = flow_reader_nodes(r);
    if (good) {
        fill_in(r, use);
        flow_reader_part_head(r);
    }
    (void)flow_reader_enter(r, here);
    return good ? part : NULL;
}

/* ---- findings ---- */

/* Findings in a file are one in each that uses it, down to the graph's own, which prints them all.
 */
void flow_reader_end_parts(struct flow_reader *r)
{
    struct flow_diag *own = r->sources[0]->diag;
    struct flow_str more = {0};
    for (size_t i = r->source_count; i-- > 1;) {
        const struct flow_source *part = r->sources[i];
        if (part->diag == NULL)
            continue;
        own->failed = own->failed || part->diag->failed;
        if (part->diag->count > 0 || part->diag->failed)
            flow_diag_add(part->outer->diag, FLOW_AT(flow_node_get(part->stage, "use")), NULL,
                          "the graph '%s' has faults: see below", part->path);
    }
    for (size_t i = 1; i < r->source_count; i++)
        if (r->sources[i]->text != NULL && r->sources[i]->diag->count > 0)
            flow_diag_print(r->sources[i]->diag, &more);
    own->failed = own->failed || more.failed;
    free(own->more);
    own->more = more.size > 0 ? flow_str_take(&more) : NULL;
    flow_str_clear(&more);
}
