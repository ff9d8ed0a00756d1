/* SPDX-License-Identifier: MIT */
#include "stage/names.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stage/type.h"

#define PLUGIN_ENDING ".so"

/* A list under construction; one place is kept free for the NULL at its end. */
struct list {
    char **items;
    size_t count;
    size_t capacity;
};

static bool add(struct list *list, const char *name, size_t size)
{
    char *copy = flow_strndup(name, size);
    if (copy == NULL ||
        !flow_grow(&list->items, &list->capacity, list->count + 2, sizeof(*list->items))) {
        free(copy);
        return false;
    }
    list->items[list->count++] = copy;
    list->items[list->count] = NULL;
    return true;
}

static bool add_builtin(struct list *list, const struct flow_plugin *plugin)
{
    for (size_t i = 0; plugin->types[i] != NULL; i++)
        if (!add(list, plugin->types[i]->name, strlen(plugin->types[i]->name)))
            return false;
    return true;
}

/* "text.grep.so" stands for text.grep; any other file is none of ours. */
static bool add_file(struct list *list, const char *file)
{
    const size_t size = strlen(file);
    const size_t ending = strlen(PLUGIN_ENDING);
    if (size <= ending || strcmp(file + size - ending, PLUGIN_ENDING) != 0)
        return true;
    if (!add(list, file, size - ending))
        return false;
    if (!flow_type_name_valid(list->items[list->count - 1])) {
        free(list->items[--list->count]);
        list->items[list->count] = NULL;
    }
    return true;
}

static bool add_folder(struct list *list, const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return true;
    bool ok = true;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this stream */
    for (const struct dirent *entry; ok && (entry = readdir(folder)) != NULL;)
        if (entry->d_type != DT_DIR)
            ok = add_file(list, entry->d_name);
    (void)closedir(folder);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop_doubles(struct list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && strcmp(list->items[kept - 1], list->items[i]) == 0)
            free(list->items[i]);
        else
            list->items[kept++] = list->items[i];
    }
    list->items[kept] = NULL;
    list->count = kept;
}

char **flow_names_list(const struct flow_plugin *const *builtin, const char *const *folders)
{
    struct list list = {.items = flow_calloc(1, sizeof(*list.items)), .capacity = 1};
    if (list.items == NULL)
        return NULL;
    for (; builtin != NULL && *builtin != NULL; builtin++)
        if (!add_builtin(&list, *builtin))
            goto fail;
    for (; folders != NULL && *folders != NULL; folders++)
        if (!add_folder(&list, *folders))
            goto fail;
    qsort(list.items, list.count, sizeof(*list.items), by_name);
    drop_doubles(&list);
    return list.items;

fail:
    flow_names_free(list.items);
    return NULL;
}

void flow_names_free(char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        free(names[i]);
    free(names);
}
