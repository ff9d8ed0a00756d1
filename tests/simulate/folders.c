/* SPDX-License-Identifier: MIT */

/* The calls to the system about names in folders, and FILEs. */

#include <errno.h>
#include <fcntl.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "simulate/disk.h"

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_unlinkat(int folder, const char *path, int flags);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_access(const char *path, int how);
int __wrap_stat(const char *path, struct stat *st);
char *__wrap_realpath(const char *path, char *resolved);
DIR *__wrap_fdopendir(int fd);
struct dirent *__wrap_readdir(DIR *folder);
int __wrap_closedir(DIR *folder);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_fileno(FILE *file);
int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __real_unlinkat(int folder, const char *path, int flags);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_access(const char *path, int how);
int __real_stat(const char *path, struct stat *st);
char *__real_realpath(const char *path, char *resolved);
DIR *__real_fdopendir(int fd);
struct dirent *__real_readdir(DIR *folder);
int __real_closedir(DIR *folder);
FILE *__real_fopen(const char *path, const char *mode);
int __real_fileno(FILE *file);

/* ---- folders ---- */

static int rename_path(struct sim_world *world, const char *from, const char *to)
{
    struct sim_name *name = sim_name_find(world->disk, from);
    sim_yield(world);
    if (name == NULL || name->inode == NULL)
        return sim_fail(ENOENT);
    sim_say(world, "rename %s to %s", from, to);
    struct sim_name *target = sim_name_at(world->disk, to);
    sim_inode_point(&target->inode, name->inode);
    target->former = name;
    sim_inode_point(&name->inode, NULL);
    return 0;
}

int __wrap_rename(const char *from, const char *to)
{
    return sim_path_is_ours(from) ? rename_path(sim_world, from, to) : __real_rename(from, to);
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    if (sim_open_of(from_folder) == NULL)
        return __real_renameat(from_folder, from, to_folder, to);
    char *old = sim_path_join(from_folder, from);
    char *new = sim_path_join(to_folder, to);
    const int rc = rename_path(sim_world, old, new);
    const int cause = errno;
    sim_own_free(old);
    sim_own_free(new);
    errno = cause;
    return rc;
}

static int unlink_path(struct sim_world *world, const char *path)
{
    struct sim_name *name = sim_name_find(world->disk, path);
    sim_yield(world);
    if (name == NULL || name->inode == NULL)
        return sim_fail(ENOENT);
    sim_inode_point(&name->inode, NULL);
    return 0;
}

int __wrap_unlink(const char *path)
{
    return sim_path_is_ours(path) ? unlink_path(sim_world, path) : __real_unlink(path);
}

int __wrap_unlinkat(int folder, const char *path, int flags)
{
    if (sim_open_of(folder) == NULL)
        return __real_unlinkat(folder, path, flags);
    char *whole = sim_path_join(folder, path);
    const int rc = unlink_path(sim_world, whole);
    sim_own_free(whole);
    return rc;
}

/* ---- what is there ---- */

static const struct sim_inode *inode_at(const char *path)
{
    const struct sim_name *name = sim_name_find(sim_world->disk, path);
    return name != NULL ? name->inode : NULL;
}

int __wrap_access(const char *path, int how)
{
    if (!sim_path_is_ours(path))
        return __real_access(path, how);
    return inode_at(path) != NULL ? 0 : sim_fail(ENOENT);
}

int __wrap_stat(const char *path, struct stat *st)
{
    if (!sim_path_is_ours(path))
        return __real_stat(path, st);
    const struct sim_inode *inode = inode_at(path);
    if (inode == NULL)
        return sim_fail(ENOENT);
    *st = sim_inode_stat(inode);
    return 0;
}

char *__wrap_realpath(const char *path, char *resolved)
{
    if (!sim_path_is_ours(path))
        return __real_realpath(path, resolved);
    char *copy = malloc(strlen(path) + 1);
    return strcpy(copy, path);
}

DIR *__wrap_fdopendir(int fd)
{
    if (sim_open_of(fd) == NULL)
        return __real_fdopendir(fd);
    struct sim_listing *listing = sim_own_alloc(sizeof(*listing));
    listing->fd = fd;
    listing->at = sim_world->disk->names;
    listing->next = sim_world->disk->listings;
    sim_world->disk->listings = listing;
    return (DIR *)(void *)listing;
}

static struct sim_listing **listing_of(const DIR *folder)
{
    if (sim_world == NULL)
        return NULL;
    struct sim_listing **at = &sim_world->disk->listings;
    while (*at != NULL && (const void *)*at != (const void *)folder)
        at = &(*at)->next;
    return *at != NULL ? at : NULL;
}

struct dirent *__wrap_readdir(DIR *folder)
{
    struct sim_listing **found = listing_of(folder);
    if (found == NULL)
        return __real_readdir(folder);
    struct sim_listing *listing = *found;
    const struct sim_open *open = sim_open_of(listing->fd);
    for (; listing->at != NULL; listing->at = listing->at->next) {
        if (listing->at->inode == NULL || !sim_path_lies_in(listing->at->path, open->path))
            continue;
        snprintf(listing->entry.d_name, sizeof(listing->entry.d_name), "%s",
                 listing->at->path + strlen(open->path) + 1);
        listing->at = listing->at->next;
        return &listing->entry;
    }
    return NULL;
}

int __wrap_closedir(DIR *folder)
{
    struct sim_listing **found = listing_of(folder);
    if (found == NULL)
        return __real_closedir(folder);
    struct sim_listing *listing = *found;
    *found = listing->next;
    sim_fd_release(sim_world, listing->fd);
    sim_own_free(listing);
    return 0;
}

/* ---- FILEs ---- */

static ssize_t read_stream(void *cookie, char *bytes, size_t size)
{
    const struct sim_stream *stream = cookie;
    return sim_open_read(sim_open_of(stream->fd), bytes, size);
}

static ssize_t write_stream(void *cookie, const char *bytes, size_t size)
{
    const struct sim_stream *stream = cookie;
    size_t written = 0;
    while (written < size) { /* stdio takes less for an error */
        const ssize_t done =
            sim_open_write(sim_world, sim_open_of(stream->fd), bytes + written, size - written);
        if (done < 0)
            return 0;
        written += (size_t)done;
    }
    return (ssize_t)written;
}

static int seek_stream(void *cookie, off64_t *offset, int whence)
{
    const struct sim_stream *stream = cookie;
    struct sim_open *open = sim_open_of(stream->fd);
    const off64_t from = whence == SEEK_SET   ? 0
                         : whence == SEEK_CUR ? (off64_t)open->at
                                              : (off64_t)open->inode->size;
    open->at = (size_t)(from + *offset);
    *offset = (off64_t)open->at;
    return 0;
}

static int close_stream(void *cookie)
{
    struct sim_stream *stream = cookie;
    struct sim_stream **at = &sim_world->disk->streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    sim_fd_release(sim_world, stream->fd);
    sim_own_free(stream);
    return 0;
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    static const cookie_io_functions_t calls = {read_stream, write_stream, seek_stream,
                                                close_stream};
    if (!sim_path_is_ours(path))
        return __real_fopen(path, mode);
    const int flags = mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT | O_APPEND : 0;
    const int fd = sim_open_path(sim_world, path, flags);
    if (fd < 0)
        return NULL;
    struct sim_stream *stream = sim_own_alloc(sizeof(*stream));
    stream->fd = fd;
    stream->process = sim_process_now();
    stream->next = sim_world->disk->streams;
    sim_world->disk->streams = stream;
    stream->file = fopencookie(stream, mode, calls);
    return stream->file;
}

int __wrap_fileno(FILE *file)
{
    for (const struct sim_stream *s = sim_world->disk->streams; s != NULL; s = s->next) {
        if (s->file == file)
            return s->fd;
    }
    return __real_fileno(file);
}

/* What a process had not written yet is lost with it. */
void sim_disk_drop(struct sim_world *world, const struct sim_process *process)
{
    for (struct sim_stream *stream = world->disk->streams, *next; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->process != process)
            continue;
        __fpurge(stream->file);
        (void)fclose(stream->file);
    }
}
