/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_STAGES_FOLDER_H
#define FLOW_TESTS_STAGES_FOLDER_H

/* A folder of a test's own, with short ways to make, read and count files in it. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct folder {
    char path[64];
};

static inline struct folder folder_new(void)
{
    struct folder folder = {"/tmp/flowrun-stages-XXXXXX"};
    if (mkdtemp(folder.path) == NULL)
        abort();
    return folder;
}

/* The path of a file in the folder; to be freed. */
static inline char *folder_path(const struct folder *folder, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder->path, name) < 0)
        abort();
    return path;
}

static inline void folder_put(const struct folder *folder, const char *name, const char *data,
                              size_t size)
{
    char *path = folder_path(folder, name);
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
    free(path);
}

/* What a file holds, at most 64 KiB, with a zero after it; "(none)" if there is no such file. */
static inline const char *folder_get(const struct folder *folder, const char *name)
{
    static char text[65536];
    char *path = folder_path(folder, name);
    FILE *file = fopen(path, "re");
    free(path);
    if (file == NULL)
        return "(none)";
    const size_t size = fread(text, 1, sizeof(text) - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

/* How many files are in it; with `remove_all`, they and the folder are gone afterwards. */
static inline size_t folder_look(const struct folder *folder, int remove_all)
{
    size_t count = 0;
    DIR *dir = opendir(folder->path);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        char *path = folder_path(folder, entry->d_name);
        if (remove_all)
            (void)remove(path);
        free(path);
    }
    if (dir != NULL)
        (void)closedir(dir);
    if (remove_all)
        (void)rmdir(folder->path);
    return count;
}

/* {"KEY": "FOLDER/NAME"REST}, to be freed. */
static inline char *folder_with(const struct folder *folder, const char *key, const char *name,
                                const char *rest)
{
    char *with = NULL;
    if (asprintf(&with, "{\"%s\": \"%s/%s\"%s}", key, folder->path, name, rest) < 0)
        abort();
    return with;
}

#endif /* FLOW_TESTS_STAGES_FOLDER_H */
