/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STATE_DISK_H
#define FLOW_STATE_DISK_H

/*
 * What the state folder asks of the file system, as a table: the real one, or a test's, which fails
 * or dies at the n-th call.  All set errno and return -1 where they fail; `write` may write less
 * than it was given.
 *
 * Threads: any.
 */

#include <sys/types.h>

struct flow_disk {
    int (*create)(int folder, const char *name); /* empty, for writing */
    ssize_t (*write)(int fd, const void *data, size_t size);
    int (*sync)(int fd); /* of a file or a folder */
    int (*close)(int fd);
    int (*rename)(int folder, const char *from, const char *to);
    int (*remove)(int folder, const char *name);
};

extern const struct flow_disk flow_disk_real;

#endif /* FLOW_STATE_DISK_H */
