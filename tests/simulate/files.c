/* SPDX-License-Identifier: MIT */

/* The calls to the system that take an open file. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "simulate/disk.h"

int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_mkdir(const char *path, mode_t mode);
off_t __wrap_lseek(int fd, off_t offset, int whence);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fsync(int fd);
int __wrap_ftruncate(int fd, off_t size);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at);
int __wrap_flock(int fd, int how);

int __real_open(const char *path, int flags, ...);
int __real_openat(int folder, const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);
off_t __real_lseek(int fd, off_t offset, int whence);
int __real_fchmod(int fd, mode_t mode);
int __real_fstat(int fd, struct stat *st);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
ssize_t __real_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t at);
int __real_flock(int fd, int how);

int __wrap_open(const char *path, int flags, ...)
{
    if (sim_path_is_ours(path))
        return sim_open_path(sim_world, path, flags);
    if (sim_process_now() != NULL)
        return sim_fail(ENOENT); /* nothing of the real world is seen from here */
    va_list args;
    va_start(args, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return __real_open(path, flags, mode);
}

int __wrap_openat(int folder, const char *path, int flags, ...)
{
    if (sim_open_of(folder) == NULL) {
        va_list args;
        va_start(args, flags);
        const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
        va_end(args);
        return __real_openat(folder, path, flags, mode);
    }
    char *whole = sim_path_join(folder, path);
    const int fd = sim_open_path(sim_world, whole, flags);
    const int cause = errno;
    sim_own_free(whole);
    errno = cause;
    return fd;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    if (!sim_path_is_ours(path))
        return __real_mkdir(path, mode);
    struct sim_name *name = sim_name_at(sim_world->disk, path);
    if (name->inode != NULL)
        return sim_fail(EEXIST);
    struct sim_inode *inode = sim_own_alloc(sizeof(*inode));
    inode->folder = true;
    sim_inode_point(&name->inode, inode);
    if (sim_process_now() == NULL)
        sim_inode_point(&name->safe, inode);
    return 0;
}

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at)
{
    struct sim_open *open = sim_open_of(fd);
    if (open == NULL)
        return __real_pread(fd, bytes, size, at);
    struct sim_open there = *open;
    there.at = (size_t)at;
    return sim_open_read(&there, bytes, size);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    struct sim_open *open = sim_open_of(fd);
    if (open == NULL)
        return __real_pwrite(fd, bytes, size, at);
    if (sim_disk_is_full(sim_world))
        return sim_fail(ENOSPC);
    if ((size_t)at + size > open->inode->size)
        sim_inode_resize(open->inode, (size_t)at + size);
    memcpy(open->inode->bytes + at, bytes, size);
    return (ssize_t)size;
}

int __wrap_ftruncate(int fd, off_t size)
{
    struct sim_open *open = sim_open_of(fd);
    if (open == NULL)
        return __real_ftruncate(fd, size);
    sim_yield(sim_world);
    sim_say(sim_world, "ftruncate %s from %zu to %zu bytes", open->path, open->inode->size,
            (size_t)size);
    sim_inode_resize(open->inode, (size_t)size);
    return 0;
}

off_t __wrap_lseek(int fd, off_t offset, int whence)
{
    struct sim_open *open = sim_open_of(fd);
    if (open == NULL)
        return __real_lseek(fd, offset, whence);
    const off_t from = whence == SEEK_SET   ? 0
                       : whence == SEEK_CUR ? (off_t)open->at
                                            : (off_t)open->inode->size;
    open->at = (size_t)(from + offset);
    return (off_t)open->at;
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return sim_open_of(fd) != NULL ? 0 : __real_fchmod(fd, mode);
}

struct stat sim_inode_stat(const struct sim_inode *inode)
{
    return (struct stat){.st_mode = inode->folder ? S_IFDIR | 0777 : S_IFREG | 0666,
                         .st_size = (off_t)inode->size,
                         .st_nlink = 1};
}

int __wrap_fstat(int fd, struct stat *st)
{
    const struct sim_open *open = sim_open_of(fd);
    if (open == NULL)
        return __real_fstat(fd, st);
    *st = sim_inode_stat(open->inode);
    return 0;
}

/* ---- what lasts ---- */

int __wrap_fsync(int fd)
{
    struct sim_open *open = sim_open_of(fd);
    if (open == NULL)
        return __real_fsync(fd);
    sim_yield(sim_world);
    sim_say(sim_world, "fsync %s (%zu bytes)", open->path, open->inode->size);
    if (!open->inode->folder) {
        sim_inode_make_safe(open->inode);
        return 0;
    }
    for (struct sim_name *name = sim_world->disk->names; name != NULL; name = name->next) {
        if (sim_path_lies_in(name->path, open->path))
            sim_inode_point(&name->safe, name->inode);
    }
    return 0;
}

int __wrap_flock(int fd, int how)
{
    struct sim_open *open = sim_open_of(fd);
    if (open == NULL)
        return __real_flock(fd, how);
    sim_yield(sim_world);
    struct sim_inode *inode = open->inode;
    sim_open_unlock(open);
    const bool shared = (how & LOCK_SH) != 0;
    if (inode->writers > 0 || (!shared && inode->readers > 0))
        return sim_fail(EWOULDBLOCK);
    open->lock = shared ? LOCK_SH : LOCK_EX;
    inode->readers += shared;
    inode->writers += !shared;
    return 0;
}
