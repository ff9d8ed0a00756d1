/* SPDX-License-Identifier: MIT */
#include "state/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int create(int folder, const char *name)
{
    return openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
}

static int rename_in(int folder, const char *from, const char *to)
{
    return renameat(folder, from, folder, to);
}

static int remove_in(int folder, const char *name)
{
    return unlinkat(folder, name, 0);
}

const struct flow_disk flow_disk_real = {
    .create = create,
    .write = write,
    .sync = fsync,
    .close = close,
    .rename = rename_in,
    .remove = remove_in,
};
