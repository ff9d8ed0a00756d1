/* SPDX-License-Identifier: MIT */
#include "folders.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const relative[] = {"stages", FLOWRUN_LIBDIR "/flowrun/stages"};

#define FOLDERS (sizeof(relative) / sizeof(relative[0]))

/* The folder above the one that this program's file lies in, in `path`. */
static bool find_prefix(char *path, size_t size)
{
    const ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
    return true;
}

char **folders_new(void)
{
    char prefix[PATH_MAX];
    char **folders = calloc(FOLDERS + 1, sizeof(*folders));
    if (folders == NULL || !find_prefix(prefix, sizeof(prefix)))
        goto fail;
    for (size_t i = 0; i < FOLDERS; i++) {
        if (asprintf(&folders[i], "%s/%s", prefix, relative[i]) < 0) {
            folders[i] = NULL;
            goto fail;
        }
    }
    return folders;

fail:
    folders_free(folders);
    return NULL;
}

void folders_free(char **folders)
{
    for (size_t i = 0; folders != NULL && folders[i] != NULL; i++)
        free(folders[i]);
    free(folders);
}
