/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_FILES_WALK_H
#define FLOW_STAGES_FILES_WALK_H

/*
 * A walk through a folder and, if asked, the folders below it, in the order of the bytes of the
 * paths: what `find | LC_ALL=C sort` prints.  A folder "a" stands where its name belongs, what is
 * in it where "a/" does, which is behind "a.txt".
 *
 * Since the order depends on nothing but the names, a walk can be gone on with behind any path.
 * Memory: the names of the folders on the way from the first one to where the walk is.
 */

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>

#include "shared/file.h"

struct walk_entry {
    size_t name;        /* where it begins in the level's names */
    unsigned char type; /* DT_... */
    bool enter;         /* this is "name/": what lies in it */
};

struct walk_level {
    char *names;
    size_t names_size, names_capacity;
    struct walk_entry *entries;
    size_t count, capacity;
    size_t next;
    size_t prefix; /* bytes of the path before the names */
    bool all;      /* the folder is new to who watches */
};

struct walk {
    const struct flow_list *exclude; /* patterns of names */
    bool tree;
    bool skip_unreadable;
    const char *after; /* only what comes behind this path; NULL: all */
    struct walk_level *levels;
    size_t depth, capacity;
    char *path; /* of what was found last */
    size_t path_capacity;
};

struct walk_found {
    const char *path; /* borrowed until the next call */
    unsigned char type;
    bool enter; /* a folder that may be entered, by walk_enter */
};

static inline bool walk_matches(const struct flow_list *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (fnmatch(patterns->items[i], name, 0) == 0)
            return true;
    }
    return false;
}

static inline bool walk_set_path(struct walk *w, size_t prefix, const char *name)
{
    const size_t size = strlen(name) + 1;
    if (prefix + size > w->path_capacity) {
        const size_t capacity = (prefix + size) * 2;
        char *path = realloc(w->path, capacity);
        if (path == NULL)
            return false;
        w->path = path;
        w->path_capacity = capacity;
    }
    memcpy(w->path + prefix, name, size);
    return true;
}

static inline bool walk_add(struct walk_level *level, const char *name, unsigned char type,
                            bool enter)
{
    const size_t size = strlen(name) + 2; /* with a slash and a zero */
    if (level->names_capacity - level->names_size < size) {
        const size_t capacity = (level->names_capacity + size) * 2;
        char *names = realloc(level->names, capacity);
        if (names == NULL)
            return false;
        level->names = names;
        level->names_capacity = capacity;
    }
    if (level->count == level->capacity) {
        const size_t capacity = level->capacity == 0 ? 64 : level->capacity * 2;
        struct walk_entry *entries = realloc(level->entries, capacity * sizeof(*entries));
        if (entries == NULL)
            return false;
        level->entries = entries;
        level->capacity = capacity;
    }
    level->entries[level->count++] =
        (struct walk_entry){.name = level->names_size, .type = type, .enter = enter};
    char *end = stpcpy(level->names + level->names_size, name);
    if (enter)
        *end++ = '/';
    *end++ = '\0';
    level->names_size = (size_t)(end - level->names);
    return true;
}

static inline int walk_compare(const void *a, const void *b, void *names)
{
    const struct walk_entry *left = a;
    const struct walk_entry *right = b;
    return strcmp((char *)names + left->name, (char *)names + right->name);
}

/* Does the whole of what w->path stands for come before the place to go on from? */
static inline bool walk_is_over(const struct walk *w, bool enter)
{
    if (w->after == NULL || strcmp(w->path, w->after) > 0)
        return false;
    return !enter || strncmp(w->path, w->after, strlen(w->path)) != 0;
}

/* What the name is, without following a link. */
static inline unsigned char walk_type(DIR *dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    return (unsigned char)IFTODT(st.st_mode);
}

/* One name of a folder; false: no memory. */
static inline bool walk_take(struct walk *w, struct walk_level *level, DIR *dir,
                             const struct dirent *entry)
{
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || walk_matches(w->exclude, name))
        return true;
    const unsigned char type = walk_type(dir, entry);
    if (!walk_set_path(w, level->prefix, name))
        return false;
    if (!walk_is_over(w, false) && !walk_add(level, name, type, false))
        return false;
    if (!w->tree || type != DT_DIR)
        return true;
    const size_t end = level->prefix + strlen(name);
    return walk_set_path(w, end, "/") &&
           (walk_is_over(w, true) || walk_add(level, name, type, true));
}

static inline void walk_drop(struct walk *w)
{
    struct walk_level *level = &w->levels[--w->depth];
    free(level->names);
    free(level->entries);
}

static inline enum flow_status walk_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for the names in a folder");
}

static inline enum flow_status walk_read(struct walk *w, struct flow_stage *stage, DIR *dir,
                                         struct walk_level *level)
{
    bool room = true;
    errno = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    for (const struct dirent *e; room && (e = readdir(dir)) != NULL;) {
        room = walk_take(w, level, dir, e);
        errno = 0;
    }
    if (!room)
        return walk_memory(stage);
    w->path[level->prefix] = '\0';
    if (errno != 0)
        return flow_file_fail(stage, "list", w->path);
    if (level->count > 0)
        qsort_r(level->entries, level->count, sizeof(*level->entries), walk_compare, level->names);
    return FLOW_OK;
}

/* A folder that cannot be listed: one that has gone meanwhile is none. */
static inline enum flow_status walk_unreadable(const struct walk *w, struct flow_stage *stage,
                                               const char *path)
{
    if (w->depth > 0 && (errno == ENOENT || errno == ENOTDIR))
        return FLOW_OK;
    if (!w->skip_unreadable)
        return flow_file_fail(stage, "list", path);
    char text[128];
    flow_log(stage, "cannot list '%s': %s; left out", path, strerror_r(errno, text, sizeof(text)));
    return FLOW_OK;
}

/* Go into a folder: w->path, which ends with a slash. */
static inline enum flow_status walk_enter(struct walk *w, struct flow_stage *stage, bool all)
{
    if (w->depth == w->capacity) {
        const size_t capacity = w->capacity == 0 ? 8 : w->capacity * 2;
        struct walk_level *levels = realloc(w->levels, capacity * sizeof(*levels));
        if (levels == NULL)
            return walk_memory(stage);
        w->levels = levels;
        w->capacity = capacity;
    }
    DIR *dir = opendir(w->path);
    if (dir == NULL)
        return walk_unreadable(w, stage, w->path);
    struct walk_level *level = &w->levels[w->depth++];
    *level = (struct walk_level){.prefix = strlen(w->path), .all = all};
    const enum flow_status rc = walk_read(w, stage, dir, level);
    (void)closedir(dir);
    return rc;
}

/* Let w->path be the folder to begin with. */
static inline enum flow_status walk_set_root(struct walk *w, struct flow_stage *stage,
                                             const char *root)
{
    size_t size = strlen(root);
    while (size > 0 && root[size - 1] == '/')
        size--;
    if (!walk_set_path(w, 0, root) || !walk_set_path(w, size, "/"))
        return walk_memory(stage);
    return FLOW_OK;
}

/* The next name, or FLOW_ECLOSED. */
static inline enum flow_status walk_next(struct walk *w, struct flow_stage *stage,
                                         struct walk_found *found)
{
    while (w->depth > 0 && w->levels[w->depth - 1].next == w->levels[w->depth - 1].count)
        walk_drop(w);
    if (w->depth == 0)
        return FLOW_ECLOSED;
    struct walk_level *level = &w->levels[w->depth - 1];
    const struct walk_entry *entry = &level->entries[level->next++];
    if (!walk_set_path(w, level->prefix, level->names + entry->name))
        return walk_memory(stage);
    *found = (struct walk_found){.path = w->path, .type = entry->type, .enter = entry->enter};
    return FLOW_OK;
}

/* The folder in hand is new to who watches. */
static inline bool walk_wants_all(const struct walk *w)
{
    return w->depth > 0 && w->levels[w->depth - 1].all;
}

static inline void walk_clear(struct walk *w)
{
    while (w->depth > 0)
        walk_drop(w);
    free(w->levels);
    free(w->path);
}

#endif /* FLOW_STAGES_FILES_WALK_H */
