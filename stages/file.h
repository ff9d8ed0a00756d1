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

/* Write all of `data`, waiting where a descriptor that does not block has no room. */
static inline enum flow_status flow_file_write(struct flow_stage *stage, int fd, const char *name,
                                               const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t done = write(fd, data, size);
        if (done >= 0) {
            data += done;
            size -= (size_t)done;
        } else if (errno == EAGAIN) {
            const enum flow_status rc = flow_wait(stage, fd, POLLOUT, -1);
            if (rc != FLOW_OK && rc != FLOW_EAGAIN)
                return rc;
        } else if (errno != EINTR) {
            return flow_file_fail(stage, "write", name);
        }
    }
    return FLOW_OK;
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
