/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_FOLLOW_H
#define FLOW_STAGES_FOLLOW_H

/*
 * Follow a file by its name, as tail -F does: wait until it grows, is cut, or is replaced by
 * another one.  Two things are watched by inotify: the file that is open, wherever it is moved, and
 * the folder in which its name may come to mean another.  A look once a second makes up for file
 * systems that report nothing.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <dirent.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <time.h>

#include "shared/file.h"

#define FLOW_FOLLOW_LOOK_NS ((int64_t)1000 * 1000 * 1000)

struct flow_follow {
    int fd; /* inotify's */
    bool open;
    int file_watch; /* of the file that is open; -1: none */
    int64_t since;  /* when it was seen that the name means another file; 0: it does not */
};

static inline int64_t flow_follow_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Watch the folder of `path`. */
static inline enum flow_status flow_follow_start(struct flow_follow *f, struct flow_stage *stage,
                                                 const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    f->open = f->fd >= 0;
    f->file_watch = -1;
    const uint32_t events = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
    enum flow_status rc = FLOW_OK;
    if (folder == NULL || !f->open || inotify_add_watch(f->fd, folder, events) < 0)
        rc = flow_file_fail(stage, "watch", folder != NULL ? folder : path);
    free(folder);
    return rc;
}

/* Watch the file that has been opened, instead of the one before. */
static inline void flow_follow_file(struct flow_follow *f, int fd)
{
    char name[48];
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    if (f->file_watch >= 0)
        (void)inotify_rm_watch(f->fd, f->file_watch);
    f->file_watch = inotify_add_watch(f->fd, name, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF);
    f->since = 0;
}

/* Does `path` mean another file than the one that is open, for `patience` already? */
static inline bool flow_follow_moved(struct flow_follow *f, int fd, const char *path,
                                     int64_t patience)
{
    struct stat mine;
    struct stat named;
    const bool other = fstat(fd, &mine) == 0 && stat(path, &named) == 0 &&
                       (mine.st_ino != named.st_ino || mine.st_dev != named.st_dev);
    if (!other)
        f->since = 0;
    else if (f->since == 0)
        f->since = flow_follow_now();
    return other && flow_follow_now() - f->since >= patience;
}

/* Wait until something may have changed; what flow_wait says. */
static inline enum flow_status flow_follow_wait(struct flow_follow *f, struct flow_stage *stage,
                                                int64_t patience)
{
    int64_t timeout = FLOW_FOLLOW_LOOK_NS;
    if (f->since != 0) {
        const int64_t left = f->since + patience - flow_follow_now();
        timeout = left < 0 ? 0 : left < timeout ? left : timeout;
    }
    const enum flow_status rc = flow_wait(stage, f->fd, POLLIN, timeout);
    char events[4096];
    while (rc == FLOW_OK && read(f->fd, events, sizeof(events)) > 0)
        ;
    return rc;
}

/*
 * Open the file with these numbers in the folder of `path`: what it was called before it was
 * renamed.  -1: it is not there.
 */
static inline int flow_follow_find(const char *path, uint64_t dev, uint64_t ino)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    int found = -1;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    for (const struct dirent *e; dir != NULL && found < 0 && (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (e->d_ino != ino || fstatat(dirfd(dir), e->d_name, &st, 0) != 0 || st.st_dev != dev ||
            st.st_ino != ino)
            continue;
        found = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (dir != NULL)
        (void)closedir(dir);
    free(folder);
    return found;
}

static inline void flow_follow_stop(struct flow_follow *f)
{
    if (f->open)
        (void)close(f->fd);
    f->open = false;
}

#endif /* FLOW_STAGES_FOLLOW_H */
