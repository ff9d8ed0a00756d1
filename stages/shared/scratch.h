/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SCRATCH_H
#define FLOW_STAGES_SCRATCH_H

/*
 * A folder of a stage's own, which another run may not use at the same time.  The files in it have
 * numbers as names.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <dirent.h>
#include <stdio.h>
#include <sys/file.h>

#include "shared/bytes.h"
#include "shared/file.h"

struct flow_scratch {
    char *path; /* NULL: there is none */
    int fd;     /* locked */
    bool open;
};

/* Make each folder on the way to `path`; false: errno says why not. */
static inline bool flow_scratch_make_way(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made)
            return false;
    }
    return true;
}

/* The name of a stage in a part has a slash in it, which is to make no folder of its own: put a
 * dot, which no name has, for each from `start` on.  NULL is given back as it is. */
static inline char *flow_scratch_flatten(char *path, size_t start)
{
    for (char *at = path != NULL ? path + start : NULL; at != NULL && *at != '\0'; at++)
        if (*at == '/')
            *at = '.';
    return path;
}

/* `path`, an allocation, is the folder's from here on. */
static inline enum flow_status flow_scratch_open(struct flow_scratch *s, struct flow_stage *stage,
                                                 char *path)
{
    s->path = path;
    if (path == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a folder name");
    if (!flow_scratch_make_way(path) || (mkdir(path, 0777) != 0 && errno != EEXIST))
        return flow_file_fail(stage, "make the folder", path);
    s->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->fd < 0)
        return flow_file_fail(stage, "use the folder", path);
    s->open = flock(s->fd, LOCK_EX | LOCK_NB) == 0;
    if (s->open)
        return FLOW_OK;
    (void)close(s->fd);
    return flow_stage_fail(stage, FLOW_EIO, "another run writes to '%s'", path);
}

/* Remove the files that `keeps` does not want; NULL: all. */
static inline void flow_scratch_sweep(const struct flow_scratch *s,
                                      bool (*keeps)(const void *self, uint64_t id),
                                      const void *self)
{
    DIR *dir = s->open ? opendir(s->path) : NULL;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    for (const struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        uint64_t id;
        size_t used;
        const size_t size = strlen(e->d_name);
        if (flow_bytes_number(e->d_name, size, &id, &used) && used == size &&
            (keeps == NULL || !keeps(self, id)))
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

/* A file in it; -1: errno says why not. */
static inline int flow_scratch_file(const struct flow_scratch *s, uint64_t id, int flags)
{
    char name[FLOW_BYTES_DIGITS + 1];
    name[flow_bytes_put_number(id, name)] = '\0';
    return openat(s->fd, name, flags | O_CLOEXEC, 0666);
}

static inline void flow_scratch_remove(const struct flow_scratch *s, uint64_t id)
{
    char name[FLOW_BYTES_DIGITS + 1];
    name[flow_bytes_put_number(id, name)] = '\0';
    (void)unlinkat(s->fd, name, 0);
}

/* The folder goes too, if it is empty. */
static inline void flow_scratch_close(struct flow_scratch *s)
{
    if (s->open) {
        (void)rmdir(s->path);
        (void)close(s->fd);
    }
    free(s->path);
    *s = (struct flow_scratch){0};
}

#endif /* FLOW_STAGES_SCRATCH_H */
