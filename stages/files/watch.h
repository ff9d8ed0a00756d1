/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_FILES_WATCH_H
#define FLOW_STAGES_FILES_WATCH_H

/*
 * What changes in folders, by inotify, and what is needed to lose nothing when events are lost: by
 * the kernel, whose queue is full, or by a run that was not there.
 *
 * Whenever no event is waiting, the time is noted: all that changed before has been seen.  Who has
 * missed events looks through the folders for files whose status changed (ctime: written, renamed,
 * linked) since then, and for folders that were not known.  So that such a look does not emit twice
 * what was emitted since that time, a fingerprint of each of these is kept: path, inode, size and
 * ctime.  File times move in ticks of a few milliseconds; a file that changed in the running tick
 * gets no fingerprint, since it may change once more without showing it.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <time.h>

#include "shared/file.h"
#include "shared/saved.h"

#define WATCH_EVENTS ((size_t)64 << 10) /* bytes that are read at once */

struct watch_mark {
    uint64_t print; /* fingerprint */
    int64_t ctime_ns;
};

struct watch_folder {
    char *path; /* with a slash at its end; NULL: not watched any more */
    uint64_t inode;
};

struct watch {
    int fd;
    bool open;
    struct watch_folder *folders; /* by watch descriptor */
    size_t folder_count;
    uint64_t *known; /* inodes of the folders at the time `since`, sorted */
    size_t known_count;
    int64_t since; /* all that changed before it was seen */
    struct watch_mark *marks;
    size_t mark_count, mark_capacity;
    char *events;
    size_t at, end; /* of the events that are read and not handled */
};

static inline int64_t watch_ns(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* The clock of file times. */
static inline int64_t watch_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return watch_ns(&now);
}

static inline enum flow_status watch_open(struct watch *w, struct flow_stage *stage)
{
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    w->open = w->fd >= 0;
    if (!w->open)
        return flow_file_fail(stage, "watch", "the folders");
    w->events = malloc(WATCH_EVENTS);
    w->since = watch_now();
    return w->events != NULL ? FLOW_OK : flow_file_fail(stage, "watch", "the folders");
}

static inline enum flow_status watch_fail(struct flow_stage *stage, const char *path)
{
    if (errno != ENOSPC)
        return flow_file_fail(stage, "watch", path);
    return flow_stage_fail(stage, FLOW_EIO,
                           "cannot watch '%s': more folders than fs.inotify.max_user_watches "
                           "allows; raise it with sysctl",
                           path);
}

/* Room for the folder of a watch descriptor. */
static inline bool watch_reserve(struct watch *w, size_t wd)
{
    if (wd < w->folder_count)
        return true;
    const size_t count = wd < 8 ? 16 : wd * 2;
    struct watch_folder *folders = realloc(w->folders, count * sizeof(*folders));
    if (folders == NULL)
        return false;
    memset(folders + w->folder_count, 0, (count - w->folder_count) * sizeof(*folders));
    w->folders = folders;
    w->folder_count = count;
    return true;
}

/* Watch a folder; `path` ends with a slash.  One that has gone meanwhile is left out. */
static inline enum flow_status watch_add(struct watch *w, struct flow_stage *stage,
                                         const char *path)
{
    struct stat st;
    const uint32_t events =
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_ONLYDIR | IN_EXCL_UNLINK;
    const int wd = inotify_add_watch(w->fd, path, events);
    if (wd < 0)
        return errno == ENOENT || errno == ENOTDIR ? FLOW_OK : watch_fail(stage, path);
    char *copy = strdup(path);
    if (copy == NULL || !watch_reserve(w, (size_t)wd)) {
        free(copy);
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory to watch '%s'", path);
    }
    free(w->folders[wd].path);
    w->folders[wd].path = copy;
    w->folders[wd].inode = stat(path, &st) == 0 ? st.st_ino : 0;
    return FLOW_OK;
}

/* A folder has been moved away: its watches would report names that are wrong. */
static inline void watch_remove(struct watch *w, const char *path)
{
    const size_t size = strlen(path);
    for (size_t i = 0; i < w->folder_count; i++) {
        const char *folder = w->folders[i].path;
        if (folder != NULL && strncmp(folder, path, size) == 0 && folder[size] == '/')
            (void)inotify_rm_watch(w->fd, (int)i); /* an event tells when it is gone */
    }
}

/* The next event, read if need be; FLOW_EAGAIN: there is none, and the time has been noted. */
static inline enum flow_status watch_next(struct watch *w, struct flow_stage *stage,
                                          const struct inotify_event **event)
{
    if (w->at == w->end) {
        const int64_t now = watch_now();
        const ssize_t got = read(w->fd, w->events, WATCH_EVENTS);
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return flow_file_fail(stage, "watch", "the folders");
        w->at = 0;
        w->end = got > 0 ? (size_t)got : 0;
        if (got < 0 && errno == EAGAIN)
            w->since = now;
    }
    if (w->at == w->end)
        return FLOW_EAGAIN;
    *event = (const struct inotify_event *)(const void *)(w->events + w->at);
    w->at += sizeof(**event) + (*event)->len;
    return FLOW_OK;
}

/* Forget what no look for lost events would find. */
static inline void watch_purge(struct watch *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->mark_count; i++) {
        if (w->marks[i].ctime_ns >= w->since)
            w->marks[kept++] = w->marks[i];
    }
    w->mark_count = kept;
}

static inline struct watch_mark watch_mark_of(const char *path, const struct stat *st)
{
    const uint64_t numbers[] = {st->st_ino, (uint64_t)st->st_size,
                                (uint64_t)watch_ns(&st->st_ctim)};
    uint64_t hash = FLOW_FNV_BASIS;
    for (; *path != '\0'; path++)
        hash = (hash ^ (unsigned char)*path) * FLOW_FNV_PRIME;
    for (int i = 0; i < 3; i++)
        hash = (hash ^ numbers[i] ^ numbers[i] >> 32) * FLOW_FNV_PRIME;
    return (struct watch_mark){hash, watch_ns(&st->st_ctim)};
}

/* Was it emitted as it is now? */
static inline bool watch_is_marked(const struct watch *w, const struct watch_mark *mark)
{
    for (size_t i = w->mark_count; i-- > 0;) {
        if (w->marks[i].print == mark->print && w->marks[i].ctime_ns == mark->ctime_ns)
            return true;
    }
    return false;
}

/* It is emitted now.  False: no memory. */
static inline bool watch_mark(struct watch *w, const struct watch_mark *mark)
{
    if (mark->ctime_ns < w->since || mark->ctime_ns >= watch_now())
        return true;
    if (w->mark_count == w->mark_capacity) {
        const size_t capacity = w->mark_capacity == 0 ? 64 : w->mark_capacity * 2;
        struct watch_mark *marks = realloc(w->marks, capacity * sizeof(*marks));
        if (marks == NULL)
            return false;
        w->marks = marks;
        w->mark_capacity = capacity;
    }
    w->marks[w->mark_count++] = *mark;
    return true;
}

static inline int watch_compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The folders that are watched now are known; with `more`, besides those that are.  False: no
 * memory. */
static inline bool watch_note_known(struct watch *w, bool more)
{
    size_t count = more ? w->known_count : 0;
    uint64_t *known = malloc((count + w->folder_count + 1) * sizeof(*known));
    if (known == NULL)
        return false;
    if (count > 0)
        memcpy(known, w->known, count * sizeof(*known));
    for (size_t i = 0; i < w->folder_count; i++) {
        if (w->folders[i].path != NULL)
            known[count++] = w->folders[i].inode;
    }
    qsort(known, count, sizeof(*known), watch_compare);
    free(w->known);
    w->known = known;
    w->known_count = count;
    return true;
}

static inline bool watch_is_known(const struct watch *w, const char *path)
{
    struct stat st;
    const uint64_t inode = stat(path, &st) == 0 ? st.st_ino : 0;
    return w->known != NULL &&
           bsearch(&inode, w->known, w->known_count, sizeof(*w->known), watch_compare) != NULL;
}

static inline enum flow_status watch_save(const struct watch *w, struct flow_saver *to)
{
    enum flow_status rc = flow_save_number(to, (uint64_t)w->since);
    if (rc == FLOW_OK)
        rc = flow_save_text(to, w->known, w->known_count * sizeof(*w->known));
    if (rc == FLOW_OK)
        rc = flow_save_text(to, w->marks, w->mark_count * sizeof(*w->marks));
    return rc;
}

static inline enum flow_status watch_load_array(struct flow_loader *from, void *array, size_t item,
                                                size_t *count)
{
    const char *text;
    size_t size;
    const enum flow_status rc = flow_load_text(from, &text, &size);
    if (rc != FLOW_OK)
        return rc;
    if (size % item != 0)
        return FLOW_EPROTO;
    void *copy = malloc(size + 1);
    if (copy == NULL)
        return FLOW_ENOMEM;
    memcpy(copy, text, size);
    memcpy(array, &copy, sizeof(copy));
    *count = size / item;
    return FLOW_OK;
}

static inline enum flow_status watch_load(struct watch *w, struct flow_loader *from)
{
    uint64_t since;
    enum flow_status rc = flow_load_number(from, &since);
    if (rc == FLOW_OK)
        rc = watch_load_array(from, &w->known, sizeof(*w->known), &w->known_count);
    if (rc == FLOW_OK)
        rc = watch_load_array(from, &w->marks, sizeof(*w->marks), &w->mark_count);
    w->mark_capacity = w->mark_count;
    w->since = rc == FLOW_OK ? (int64_t)since : w->since;
    return rc;
}

static inline void watch_clear(struct watch *w)
{
    if (w->open)
        (void)close(w->fd);
    for (size_t i = 0; i < w->folder_count; i++)
        free(w->folders[i].path);
    free(w->folders);
    free(w->known);
    free(w->marks);
    free(w->events);
}

#endif /* FLOW_STAGES_FILES_WATCH_H */
