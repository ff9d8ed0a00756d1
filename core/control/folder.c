/* SPDX-License-Identifier: MIT */
#include "control/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "control/system.h"

#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define TRIES 100 /* a sweeper can hit between mkdir and flock, but not again and again */

/* Remove the files of a folder; folders in it are not ours and stay. */
static void empty(int fd)
{
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL) {
        if (copy >= 0)
            close(copy);
        return;
    }

    rewinddir(dir);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this stream */
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(fd, entry->d_name, 0);
    }
    closedir(dir);
}

/* Is `fd` a folder of ours, as we make them? */
static bool is_own(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           (info.st_mode & 0077) == 0;
}

static void sweep_one(int base_fd, const char *name)
{
    const int fd = openat(base_fd, name, OPEN_FLAGS);
    if (fd < 0)
        return;
    if (is_own(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        empty(fd);
        (void)unlinkat(base_fd, name, AT_REMOVEDIR);
    }
    close(fd);
}

/* Sweep away the folders of runs that are no more.  What cannot be swept is left for the next. */
static void sweep(const char *base, const char *prefix)
{
    DIR *dir = opendir(base);
    if (dir == NULL)
        return;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this stream */
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            sweep_one(dirfd(dir), entry->d_name);
    }
    closedir(dir);
}

/* Has the open folder still its name? */
static bool is_named(int fd, const char *path)
{
    struct stat open_info, named_info;
    return fstat(fd, &open_info) == 0 && lstat(path, &named_info) == 0 &&
           open_info.st_dev == named_info.st_dev && open_info.st_ino == named_info.st_ino;
}

/* Lock the new folder and return its descriptor; or -1, with `*cause` 0 if a sweeper was faster. */
static int lock_new(const char *path, int *cause)
{
    const int fd = open(path, OPEN_FLAGS);
    if (fd < 0) {
        *cause = errno == ENOENT ? 0 : errno;
        return -1;
    }
    if (flock(fd, LOCK_EX) == 0) {
        *cause = 0;
        if (is_named(fd, path))
            return fd;
    } else {
        *cause = errno;
    }
    close(fd);
    return -1;
}

/* Make and lock a folder named as `pattern`, a template for mkdtemp. */
static enum flow_status make(const char *pattern, struct flow_folder *folder,
                             struct flow_error *err)
{
    int cause = 0;
    for (int i = 0; i < TRIES && cause == 0; i++) {
        char *path = flow_strdup(pattern);
        if (path == NULL)
            return flow_fail(err, FLOW_ENOMEM, "no memory for the name of the run's folder");

        int fd = -1;
        if (mkdtemp(path) != NULL)
            fd = lock_new(path, &cause);
        else
            cause = errno;
        if (fd >= 0) {
            *folder = (struct flow_folder){.path = path, .fd = fd};
            return FLOW_OK;
        }
        free(path);
    }
    if (cause == 0)
        cause = EAGAIN; /* it is swept away again and again */
    return flow_system_fail(err, cause,
                            "cannot make the run's folder %s (set TMPDIR to a folder that can be "
                            "written)",
                            pattern);
}

enum flow_status flow_folder_new_at(const char *base, struct flow_folder *folder,
                                    struct flow_error *err)
{
    struct flow_str prefix = {0}, pattern = {0};
    flow_str_addf(&prefix, "flowrun-%lu-", (unsigned long)geteuid());
    flow_str_addf(&pattern, "%s/%sXXXXXX", base, prefix.failed ? "" : prefix.text);

    const size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    enum flow_status rc;
    if (prefix.failed || pattern.failed) {
        rc = flow_fail(err, FLOW_ENOMEM, "no memory for the name of the run's folder");
    } else if (pattern.size + 1 + FLOW_FOLDER_NAME_MAX > limit) {
        rc = flow_fail(
            err, FLOW_EIO,
            "the run's sockets cannot lie in '%s': a socket's path has at most %zu bytes, "
            "and %zu would be needed; set TMPDIR to a shorter path",
            base, limit, pattern.size + 1 + FLOW_FOLDER_NAME_MAX);
    } else {
        sweep(base, prefix.text);
        rc = make(pattern.text, folder, err);
    }
    flow_str_clear(&prefix);
    flow_str_clear(&pattern);
    return rc;
}

enum flow_status flow_folder_new(struct flow_folder *folder, struct flow_error *err)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here sets it */
    const char *places[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};
    struct flow_error why = {0};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (places[i] == NULL || places[i][0] != '/')
            continue;
        const enum flow_status rc = flow_folder_new_at(places[i], folder, &why);
        if (rc != FLOW_EIO)
            return rc == FLOW_OK ? rc : flow_fail(err, rc, "%s", why.text);
    }
    return flow_fail(err, FLOW_EIO, "%s", why.text);
}

void flow_folder_remove(struct flow_folder *folder)
{
    if (folder->path == NULL)
        return;
    empty(folder->fd);
    (void)rmdir(folder->path);
    close(folder->fd);
    free(folder->path);
    *folder = (struct flow_folder)FLOW_FOLDER_NONE;
}

void flow_folder_wipe(const char *path)
{
    const int fd = open(path, OPEN_FLAGS);
    if (fd < 0)
        return;
    if (is_own(fd)) {
        empty(fd);
        (void)rmdir(path);
    }
    close(fd);
}
