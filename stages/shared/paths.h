/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_PATHS_H
#define FLOW_STAGES_PATHS_H

/*
 * Lists of file names, and patterns that become such lists: *.txt, [a-c]?.log, {a,b}.txt.  What
 * exists under the very name of a pattern is that file.  The matches of a pattern are sorted by
 * their bytes.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <flowrun/stage.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/saved.h"

struct flow_paths {
    char **items; /* each an allocation of its own */
    size_t count, capacity;
};

static inline void flow_paths_clear(struct flow_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->items[i]);
    free(paths->items);
    *paths = (struct flow_paths){0};
}

static inline enum flow_status flow_paths_add(struct flow_paths *paths, struct flow_stage *stage,
                                              const char *path, size_t size)
{
    if (paths->count == paths->capacity) {
        const size_t capacity = paths->capacity == 0 ? 16 : paths->capacity * 2;
        char **items = realloc(paths->items, capacity * sizeof(*items));
        if (items == NULL)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu file names", capacity);
        paths->items = items;
        paths->capacity = capacity;
    }
    paths->items[paths->count] = strndup(path, size);
    if (paths->items[paths->count] == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
    paths->count++;
    return FLOW_OK;
}

static inline enum flow_status flow_paths_add_matches(struct flow_paths *paths,
                                                      struct flow_stage *stage, const char *pattern)
{
    glob_t found = {0};
    enum flow_status rc = FLOW_OK;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): with these flags it asks for nothing of the user's */
    const int failed = glob(pattern, GLOB_NOMAGIC, NULL, &found);
    if (failed == GLOB_NOMATCH)
        rc = flow_stage_fail(stage, FLOW_EIO, "nothing matches '%s'", pattern);
    else if (failed != 0)
        rc = flow_stage_fail(stage, failed == GLOB_NOSPACE ? FLOW_ENOMEM : FLOW_EIO,
                             "cannot look for '%s'", pattern);
    for (size_t i = 0; rc == FLOW_OK && i < found.gl_pathc; i++)
        rc = flow_paths_add(paths, stage, found.gl_pathv[i], strlen(found.gl_pathv[i]));
    globfree(&found);
    return rc;
}

static inline enum flow_status flow_paths_add_pattern(struct flow_paths *paths,
                                                      struct flow_stage *stage,
                                                      const char *pattern);

/* a{b,c}d is abd and acd; `open` points at the brace.  They do not nest. */
static inline enum flow_status flow_paths_add_choices(struct flow_paths *paths,
                                                      struct flow_stage *stage, const char *pattern,
                                                      const char *open)
{
    const char *choice = open + 1;
    for (;;) {
        const size_t size = strcspn(choice, ",}");
        const char *rest = strchr(choice, '}') + 1;
        char *one = NULL;
        if (asprintf(&one, "%.*s%.*s%s", (int)(open - pattern), pattern, (int)size, choice, rest) <
            0)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
        const enum flow_status rc = flow_paths_add_pattern(paths, stage, one);
        free(one);
        if (rc != FLOW_OK || choice[size] == '}')
            return rc;
        choice += size + 1;
    }
}

/* Add what a pattern stands for; a pattern that matches nothing fails, a plain name need not be. */
static inline enum flow_status flow_paths_add_pattern(struct flow_paths *paths,
                                                      struct flow_stage *stage, const char *pattern)
{
    if (access(pattern, F_OK) == 0) /* also a name that looks like a pattern */
        return flow_paths_add(paths, stage, pattern, strlen(pattern));
    const char *open = strchr(pattern, '{');
    if (open != NULL && strchr(open, '}') != NULL)
        return flow_paths_add_choices(paths, stage, pattern, open);
    return flow_paths_add_matches(paths, stage, pattern);
}

static inline enum flow_status flow_paths_save(const struct flow_paths *paths,
                                               struct flow_saver *to)
{
    enum flow_status rc = flow_save_number(to, paths->count);
    for (size_t i = 0; rc == FLOW_OK && i < paths->count; i++)
        rc = flow_save_text(to, paths->items[i], strlen(paths->items[i]));
    return rc;
}

/* As they were found then, whatever a pattern would find now. */
static inline enum flow_status flow_paths_load(struct flow_paths *paths, struct flow_stage *stage,
                                               struct flow_loader *from)
{
    uint64_t count;
    enum flow_status rc = flow_load_number(from, &count);
    flow_paths_clear(paths);
    for (; rc == FLOW_OK && count > 0; count--) {
        const char *text;
        size_t size;
        rc = flow_load_text(from, &text, &size);
        if (rc == FLOW_OK)
            rc = flow_paths_add(paths, stage, text, size);
    }
    return rc;
}

#endif /* FLOW_STAGES_PATHS_H */
