/* SPDX-License-Identifier: MIT */
#include "stage/catalog.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "stage/names.h"
#include "stage/plugin.h"
#include "stage/type.h"

#define PLUGIN_ENDING ".so"

/* A file that has been opened and checked. */
struct known_file {
    char *path;
    struct flow_opened opened;
};

struct flow_catalog {
    const struct flow_plugin *const *builtin; /* borrowed; NULL ends the list */
    char **folders;                           /* NULL ends the list */
    struct known_file *opened;
    size_t opened_count;
    size_t opened_capacity;
    char **names; /* NULL until asked for */
};

static enum flow_status no_memory(struct flow_error *err)
{
    return flow_fail(err, FLOW_ENOMEM, "out of memory for the stage types");
}

static const struct flow_stage_type *find_builtin(const struct flow_catalog *catalog,
                                                  const char *name)
{
    const struct flow_stage_type *type = NULL;
    for (size_t i = 0; catalog->builtin != NULL && catalog->builtin[i] != NULL && type == NULL; i++)
        type = flow_plugin_find(catalog->builtin[i], name);
    return type;
}

static enum flow_status check_builtin(const struct flow_catalog *catalog, struct flow_error *err)
{
    if (catalog->builtin == NULL)
        return FLOW_OK;
    for (const struct flow_plugin *const *at = catalog->builtin; *at != NULL; at++) {
        const enum flow_status rc = flow_plugin_check(*at, "built in", err);
        if (rc != FLOW_OK)
            return rc;
    }
    for (const struct flow_plugin *const *at = catalog->builtin; *at != NULL; at++) {
        for (const struct flow_stage_type *const *type = (*at)->types; *type != NULL; type++) {
            if (find_builtin(catalog, (*type)->name) != *type)
                return flow_fail(err, FLOW_EINVAL, "two built-in stage types are named '%s'",
                                 (*type)->name);
        }
    }
    return FLOW_OK;
}

static bool copy_folders(struct flow_catalog *catalog, const char *const *folders)
{
    size_t count = 0;
    while (folders != NULL && folders[count] != NULL)
        count++;
    catalog->folders = flow_calloc(count + 1, sizeof(*catalog->folders));
    if (catalog->folders == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        catalog->folders[i] = flow_strdup(folders[i]);
        if (catalog->folders[i] == NULL)
            return false;
    }
    return true;
}

struct flow_catalog *flow_catalog_new(const struct flow_plugin *const *builtin,
                                      const char *const *folders, struct flow_error *err)
{
    struct flow_catalog *catalog = flow_alloc(sizeof(*catalog));
    if (catalog == NULL) {
        (void)no_memory(err);
        return NULL;
    }
    catalog->builtin = builtin;
    if (!copy_folders(catalog, folders)) {
        (void)no_memory(err);
        goto fail;
    }
    if (check_builtin(catalog, err) != FLOW_OK)
        goto fail;
    return catalog;

fail:
    flow_catalog_free(catalog);
    return NULL;
}

void flow_catalog_free(struct flow_catalog *catalog)
{
    if (catalog == NULL)
        return;
    for (size_t i = 0; i < catalog->opened_count; i++) {
        flow_plugin_close(&catalog->opened[i].opened);
        free(catalog->opened[i].path);
    }
    free(catalog->opened);
    flow_names_free(catalog->folders);
    flow_names_free(catalog->names);
    free(catalog);
}

/* "'a.one', 'b.two'": the types of a plugin, for a message; the caller's own, NULL without memory.
 */
static char *list_types(const struct flow_plugin *plugin)
{
    struct flow_str list = {0};
    for (size_t i = 0; plugin->types[i] != NULL; i++)
        flow_str_addf(&list, "%s'%s'", i > 0 ? ", " : "", plugin->types[i]->name);
    return flow_str_take(&list);
}

/* The type `name` of a plugin, or without a name its only one. */
static const struct flow_stage_type *choose_type(const struct flow_plugin *plugin, const char *path,
                                                 const char *name, struct flow_error *err)
{
    if (name == NULL && plugin->types[1] == NULL)
        return plugin->types[0];
    const struct flow_stage_type *type = name != NULL ? flow_plugin_find(plugin, name) : NULL;
    if (type != NULL)
        return type;

    char *known = list_types(plugin);
    if (known == NULL)
        (void)no_memory(err);
    else if (name != NULL) {
        (void)flow_fail(err, FLOW_ENOENT, "plugin '%s' has no stage type '%s'; it has %s", path,
                        name, known);
    } else {
        (void)flow_fail(err, FLOW_EINVAL,
                        "plugin '%s' has several stage types; add ':' and one of %s", path, known);
    }
    free(known);
    return NULL;
}

/* Keep what was opened until the end. */
static bool keep(struct flow_catalog *catalog, const char *path, const struct flow_opened *opened)
{
    if (!flow_grow(&catalog->opened, &catalog->opened_capacity, catalog->opened_count + 1,
                   sizeof(*catalog->opened)))
        return false;
    char *copy = flow_strdup(path);
    if (copy == NULL)
        return false;
    catalog->opened[catalog->opened_count++] = (struct known_file){copy, *opened};
    return true;
}

/* A graph may name a file a thousand times: it is opened and checked once. */
static const struct flow_plugin *find_opened(const struct flow_catalog *catalog, const char *path)
{
    for (size_t i = 0; i < catalog->opened_count; i++) {
        if (strcmp(catalog->opened[i].path, path) == 0)
            return catalog->opened[i].opened.plugin;
    }
    return NULL;
}

/* A type out of the file at `path`: the file stays loaded only if that succeeds. */
static const struct flow_stage_type *find_in_file(struct flow_catalog *catalog, const char *path,
                                                  const char *name, struct flow_error *err)
{
    const struct flow_plugin *known = find_opened(catalog, path);
    if (known != NULL)
        return choose_type(known, path, name, err);
    struct flow_opened opened = {0};
    if (flow_plugin_open(path, &opened, err) != FLOW_OK)
        return NULL;
    const struct flow_stage_type *type = choose_type(opened.plugin, path, name, err);
    if (type == NULL)
        goto fail;
    if (!keep(catalog, path, &opened)) {
        (void)no_memory(err);
        goto fail;
    }
    return type;

fail:
    flow_plugin_close(&opened);
    return NULL;
}

/* "./plugin.so:type", the path relative to `folder`. */
static const struct flow_stage_type *find_by_path(struct flow_catalog *catalog, const char *use,
                                                  const char *folder, struct flow_error *err)
{
    const char *colon = strchr(strrchr(use, '/'), ':');
    const size_t size = colon != NULL ? (size_t)(colon - use) : strlen(use);
    struct flow_str joined = {0};
    const size_t here = strncmp(use, "./", 2) == 0 ? 2 : 0;
    if (*use != '/')
        flow_str_addf(&joined, "%s/", folder != NULL ? folder : ".");
    flow_str_add_bytes(&joined, use + here, size - here);
    char *path = flow_str_take(&joined);
    if (path == NULL) {
        (void)no_memory(err);
        return NULL;
    }

    const struct flow_stage_type *type =
        find_in_file(catalog, path, colon != NULL ? colon + 1 : NULL, err);
    free(path);
    return type;
}

static enum flow_status unknown_type(struct flow_catalog *catalog, const char *use,
                                     struct flow_error *err)
{
    const char *close = flow_str_closest(use, flow_catalog_names(catalog));
    if (catalog->names == NULL)
        return no_memory(err);
    if (close != NULL)
        return flow_fail(err, FLOW_ENOENT, "unknown stage type '%s'; did you mean '%s'?", use,
                         close);

    struct flow_str folders = {0};
    for (size_t i = 0; catalog->folders[i] != NULL; i++)
        flow_str_addf(&folders, "%s%s", i > 0 ? ", " : "", catalog->folders[i]);
    char *list = flow_str_take(&folders);
    if (list == NULL)
        return no_memory(err);
    (void)flow_fail(err, FLOW_ENOENT, "unknown stage type '%s'; it is not built in%s%s", use,
                    *list != '\0' ? " nor a plugin in " : "", list);
    free(list);
    return FLOW_ENOENT;
}

/* "text.grep": built in, or text.grep.so in the first folder that has it. */
static const struct flow_stage_type *find_by_name(struct flow_catalog *catalog, const char *use,
                                                  struct flow_error *err)
{
    const struct flow_stage_type *type = find_builtin(catalog, use);
    if (type != NULL)
        return type;

    for (size_t i = 0; flow_type_name_valid(use) && catalog->folders[i] != NULL; i++) {
        struct flow_str joined = {0};
        flow_str_addf(&joined, "%s/%s" PLUGIN_ENDING, catalog->folders[i], use);
        char *path = flow_str_take(&joined);
        if (path == NULL) {
            (void)no_memory(err);
            return NULL;
        }
        const bool there = access(path, F_OK) == 0;
        if (there)
            type = find_in_file(catalog, path, use, err);
        free(path);
        if (there)
            return type;
    }
    (void)unknown_type(catalog, use, err);
    return NULL;
}

const struct flow_stage_type *flow_catalog_find(struct flow_catalog *catalog, const char *use,
                                                const char *folder, struct flow_error *err)
{
    if (strchr(use, '/') != NULL)
        return find_by_path(catalog, use, folder, err);
    return find_by_name(catalog, use, err);
}

const char *const *flow_catalog_names(struct flow_catalog *catalog)
{
    static const char *const none[] = {NULL};
    if (catalog->names == NULL)
        catalog->names = flow_names_list(catalog->builtin, (const char *const *)catalog->folders);
    return catalog->names != NULL ? (const char *const *)catalog->names : none;
}
