/* SPDX-License-Identifier: MIT */
#include "control/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "control/origin.h"

#ifndef FLOW_PLUGIN_FOLDER /* where the build installs plugins */
#define FLOW_PLUGIN_FOLDER "/usr/local/lib/flowrun/stages"
#endif

static const struct flow_stage_type *find_type(void *context, const char *use, const char *folder,
                                               struct flow_error *err)
{
    return flow_catalog_find(context, use, folder, err);
}

static const char *const *type_names(void *context)
{
    return flow_catalog_names(context);
}

static char *load_text(void *context, const char *path, size_t *size, struct flow_error *err)
{
    (void)context;
    return flow_text_load(path, size, err);
}

/* ---- plugin folders ---- */

struct folder_list {
    char **items; /* NULL ends it */
    size_t count;
    size_t capacity;
};

static bool add_folder(struct folder_list *list, const char *path, size_t size)
{
    if (size == 0)
        return true;
    if (!flow_grow(&list->items, &list->capacity, list->count + 2, sizeof(*list->items)))
        return false;
    list->items[list->count] = flow_strndup(path, size);
    list->items[list->count + 1] = NULL;
    return list->items[list->count++] != NULL;
}

/* Add the parts of "a:b:c"; NULL: nothing. */
static bool add_path_list(struct folder_list *list, const char *paths)
{
    while (paths != NULL) {
        const char *colon = strchr(paths, ':');
        if (!add_folder(list, paths, colon != NULL ? (size_t)(colon - paths) : strlen(paths)))
            return false;
        paths = colon != NULL ? colon + 1 : NULL;
    }
    return true;
}

/* All folders to search, in order.  NULL: no memory. */
static char **collect_folders(const char *const *first)
{
    struct folder_list list = {0};
    bool whole = true;
    for (size_t i = 0; whole && first != NULL && first[i] != NULL; i++)
        whole = add_folder(&list, first[i], strlen(first[i]));
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here sets it */
    const char *paths = getenv("FLOWRUN_PLUGIN_PATH");
    whole = whole && add_path_list(&list, paths) &&
            add_folder(&list, FLOW_PLUGIN_FOLDER, strlen(FLOW_PLUGIN_FOLDER));
    if (whole)
        return list.items;
    flow_texts_free(list.items);
    return NULL;
}

/* ---- sessions ---- */

struct flow_session *flow_session_new_exact(const struct flow_plugin *const *builtin,
                                            const char *const *plugin_folders,
                                            struct flow_error *err)
{
    struct flow_session *session = flow_alloc(sizeof(*session));
    char **folders = flow_texts_copy(plugin_folders);
    if (session == NULL || (folders == NULL && plugin_folders != NULL)) {
        flow_texts_free(folders);
        free(session);
        (void)flow_fail(err, FLOW_ENOMEM, "no memory for a session");
        return NULL;
    }

    session->plugin_folders = folders;
    session->catalog = flow_catalog_new(builtin, plugin_folders, err);
    if (session->catalog == NULL) {
        flow_session_free(session);
        return NULL;
    }
    session->types = (struct flow_types){
        .context = session->catalog, .find = find_type, .names = type_names, .load = load_text};
    return session;
}

struct flow_session *flow_session_new(const struct flow_session_options *options,
                                      struct flow_error *err)
{
    const struct flow_session_options none = {0};
    const struct flow_session_options *given = options != NULL ? options : &none;
    char **folders = collect_folders(given->plugin_folders);
    if (folders == NULL) {
        (void)flow_fail(err, FLOW_ENOMEM, "no memory for a session");
        return NULL;
    }

    struct flow_session *session =
        flow_session_new_exact(given->builtin, (const char *const *)folders, err);
    flow_texts_free(folders);
    if (session == NULL || given->worker_program == NULL)
        return session;
    session->worker_program = flow_strdup(given->worker_program);
    if (session->worker_program != NULL)
        return session;
    flow_session_free(session);
    (void)flow_fail(err, FLOW_ENOMEM, "no memory for a session");
    return NULL;
}

void flow_session_free(struct flow_session *session)
{
    if (session == NULL)
        return;
    flow_catalog_free(session->catalog);
    flow_texts_free(session->plugin_folders);
    free(session->worker_program);
    free(session);
}

/* ---- graphs ---- */

/* The findings of a refused graph, as they are to be printed. */
static void explain_refusal(struct flow_diag *diag, char **messages, struct flow_error *err)
{
    struct flow_str out = {0};
    flow_diag_print(diag, &out);
    char *text = diag->count > 0 ? flow_str_take(&out) : NULL;
    flow_str_clear(&out);
    if (text == NULL) {
        (void)flow_fail(err, FLOW_ENOMEM, "no memory to check '%s'", diag->path);
        return;
    }

    (void)flow_fail(err, FLOW_EINVAL, "the graph '%s' is refused: %s", diag->path,
                    diag->items[0].message);
    if (messages != NULL)
        *messages = text;
    else
        free(text);
}

struct flow_graph *flow_graph_load(struct flow_session *session, const char *path,
                                   const struct flow_load_options *options, char **messages,
                                   struct flow_error *err)
{
    struct flow_graph_origin *origin = flow_origin_new(path, options, err);
    if (origin == NULL)
        return NULL;

    struct flow_diag diag = {.path = origin->path, .text = origin->text, .text_size = origin->size};
    struct flow_graph *graph = flow_origin_read_graph(origin, &session->types, &diag);
    if (graph != NULL) {
        graph->origin = origin;
    } else {
        explain_refusal(&diag, messages, err);
        flow_origin_free(origin);
    }
    flow_diag_clear(&diag);
    return graph;
}

void flow_graph_unload(struct flow_graph *graph)
{
    if (graph == NULL)
        return;
    flow_origin_free(graph->origin);
    flow_graph_free(graph);
}
