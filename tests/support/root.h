/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_ROOT_H
#define FLOW_TESTS_ROOT_H

/* A folder that stands for "/", with a few files in it, for what looks around in /proc and /sys. */

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/check.h"

struct root {
    char path[64];
};

static inline struct root root_new(void)
{
    struct root root = {"/tmp/flowrun-root-XXXXXX"};
    assert_non_null(mkdtemp(root.path));
    return root;
}

static inline int root_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void root_free(struct root *root)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the test has one thread */
    assert_int_equal(nftw(root->path, root_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Write a file, making the folders on its way. */
static inline void root_add(const struct root *root, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s%s", root->path, name);
    for (char *slash = path + strlen(root->path) + 1; (slash = strchr(slash, '/')) != NULL;) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash++ = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#endif /* FLOW_TESTS_ROOT_H */
