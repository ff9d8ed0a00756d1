/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_FILE_H
#define FLOW_STAGES_FILE_H

/*
 * What several built-in stages do with files: fail with the system's reason, write all of a text.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <flowrun/stage.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fail with errno's words: "cannot read 'a.txt': Permission denied".  `what` is a verb. */
static inline enum flow_status flow_file_fail(struct flow_stage *stage, const char *what,
                                              const char *name)
{
    const int cause = errno;
    char text[128];
    return flow_stage_fail(stage, cause == ENOMEM ? FLOW_ENOMEM : FLOW_EIO, "cannot %s '%s': %s",
                           what, name, strerror_r(cause, text, sizeof(text)));
}

/* A file that is not there, may not be read, or is a folder, before anything is read of it. */
static inline enum flow_status flow_file_check(struct flow_stage *stage, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return flow_file_fail(stage, "read", path);
    if (S_ISDIR(st.st_mode))
        return flow_stage_fail(stage, FLOW_EIO, "cannot read '%s': it is a folder", path);
    return access(path, R_OK) == 0 ? FLOW_OK : flow_file_fail(stage, "read", path);
}

#define FLOW_FILE_RETRY_NS ((int64_t)1000 * 1000 * 1000) /* between two looks at a full disk */

/* Where something is written. */
struct flow_file_place {
    int fd;
    const char *name; /* for messages */
    bool patient;     /* on a disk that is full, wait for room */
    bool waits;       /* it has said so, and goes on waiting */
};

/* A device that is full stays so; of a file, others may make room. */
static inline bool flow_file_may_wait(const struct flow_file_place *place)
{
    struct stat st;
    const int cause = errno;
    const bool is_file = place->patient && (cause == ENOSPC || cause == EDQUOT) &&
                         fstat(place->fd, &st) == 0 && S_ISREG(st.st_mode);
    errno = cause;
    return is_file;
}

/* A write has failed with errno: wait until it may be tried again, or fail. */
static inline enum flow_status flow_file_wait(struct flow_stage *stage,
                                              struct flow_file_place *place)
{
    char text[128];
    enum flow_status rc = FLOW_OK;
    if (errno == EAGAIN) {
        rc = flow_wait(stage, place->fd, POLLOUT, -1);
    } else if (flow_file_may_wait(place)) {
        if (!place->waits)
            flow_log(stage, "cannot write '%s': %s; waiting until there is room", place->name,
                     strerror_r(errno, text, sizeof(text)));
        place->waits = true;
        rc = flow_wait(stage, -1, 0, FLOW_FILE_RETRY_NS);
    } else if (errno != EINTR) {
        return flow_file_fail(stage, "write", place->name);
    }
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

/* Write all of `data`, waiting where a descriptor that does not block has no room. */
static inline enum flow_status flow_file_write_to(struct flow_stage *stage,
                                                  struct flow_file_place *place, const char *data,
                                                  size_t size)
{
    while (size > 0) {
        const ssize_t done = write(place->fd, data, size);
        if (done < 0) {
            const enum flow_status rc = flow_file_wait(stage, place);
            if (rc != FLOW_OK)
                return rc;
            continue;
        }
        if (place->waits && done > 0) {
            flow_log(stage, "there is room again for '%s'", place->name);
            place->waits = false;
        }
        data += done;
        size -= (size_t)done;
    }
    return FLOW_OK;
}

static inline enum flow_status flow_file_write(struct flow_stage *stage, int fd, const char *name,
                                               const char *data, size_t size)
{
    struct flow_file_place place = {.fd = fd, .name = name};
    return flow_file_write_to(stage, &place, data, size);
}

/* Make the names in the folder of a file last.  False: errno says why not. */
static inline bool flow_file_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    const int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    const bool done = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    const int cause = errno;
    if (fd >= 0)
        (void)close(fd);
    free(folder);
    errno = cause;
    return done;
}

#endif /* FLOW_STAGES_FILE_H */
