/* SPDX-License-Identifier: MIT */

/*
 * Files in memory, with what a file system promises about a crash: bytes are safe once their file
 * was synced, a name once its folder was.  A process that dies loses neither; when the power goes,
 * what was not synced is there, or not, or half of it.
 */

#include "simulate/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "simulate/table.h"

struct inode {
    size_t refs; /* names, and opens */
    bool folder;
    unsigned char *bytes;
    size_t size, room;
    unsigned char *safe; /* as last synced; NULL with safe_size 0 */
    size_t safe_size;
    int readers, writers; /* locks */
};

struct name {
    struct name *next;
    char *path;
    struct inode *inode; /* NULL: it has no such file */
    struct inode *safe;  /* what the name stands for after a loss of power */
};

struct sim_open {
    struct inode *inode;
    char *path;
    size_t at;
    bool append;
    int lock; /* LOCK_SH, LOCK_EX, or 0 */
};

/* What a DIR * points to. */
struct listing {
    struct listing *next;
    int fd;
    struct name *at;
    struct dirent entry;
};

/* An open FILE. */
struct stream {
    struct stream *next;
    FILE *file;
    const struct sim_process *process;
    int fd;
};

struct sim_disk {
    struct name *names;
    struct listing *listings;
    struct stream *streams;
};

int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fsync(int fd);
int __wrap_ftruncate(int fd, off_t size);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at);
int __wrap_flock(int fd, int how);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_unlinkat(int folder, const char *path, int flags);
DIR *__wrap_fdopendir(int fd);
struct dirent *__wrap_readdir(DIR *folder);
int __wrap_closedir(DIR *folder);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_fileno(FILE *file);

int __real_open(const char *path, int flags, ...);
int __real_openat(int folder, const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);
int __real_fstat(int fd, struct stat *st);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
ssize_t __real_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t at);
int __real_flock(int fd, int how);
int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __real_unlinkat(int folder, const char *path, int flags);
DIR *__real_fdopendir(int fd);
struct dirent *__real_readdir(DIR *folder);
int __real_closedir(DIR *folder);
FILE *__real_fopen(const char *path, const char *mode);
int __real_fileno(FILE *file);

static int fail(int cause)
{
    errno = cause;
    return -1;
}

static char *copy_text(const char *text)
{
    char *copy = sim_own_alloc(strlen(text) + 1);
    return strcpy(copy, text);
}

/* ---- names and inodes ---- */

static void let_go(struct inode *inode)
{
    if (inode == NULL || --inode->refs > 0)
        return;
    sim_own_free(inode->bytes);
    sim_own_free(inode->safe);
    sim_own_free(inode);
}

static struct name *find(const struct sim_disk *disk, const char *path)
{
    for (struct name *name = disk->names; name != NULL; name = name->next) {
        if (strcmp(name->path, path) == 0)
            return name;
    }
    return NULL;
}

static struct name *name_at(struct sim_disk *disk, const char *path)
{
    struct name *name = find(disk, path);
    if (name != NULL)
        return name;
    name = sim_own_alloc(sizeof(*name));
    name->path = copy_text(path);
    name->next = disk->names;
    disk->names = name;
    return name;
}

static void point(struct inode **at, struct inode *inode)
{
    if (inode != NULL)
        inode->refs++;
    let_go(*at);
    *at = inode;
}

struct sim_disk *sim_disk_new(void)
{
    return sim_own_alloc(sizeof(struct sim_disk));
}

void sim_disk_reset(struct sim_world *world)
{
    struct sim_disk *disk = world->disk;
    while (disk->listings != NULL) { /* of processes that were killed */
        struct listing *listing = disk->listings;
        disk->listings = listing->next;
        sim_own_free(listing);
    }
    while (disk->names != NULL) {
        struct name *name = disk->names;
        disk->names = name->next;
        let_go(name->inode);
        let_go(name->safe);
        sim_own_free(name->path);
        sim_own_free(name);
    }
}

static void resize(struct inode *inode, size_t size)
{
    if (size > inode->room) {
        inode->room = size * 2 + 256;
        inode->bytes = sim_own_realloc(inode->bytes, inode->room);
    }
    if (size > inode->size)
        memset(inode->bytes + inode->size, 0, size - inode->size);
    inode->size = size;
}

/* ---- opens ---- */

static bool is_ours(const char *path)
{
    return strncmp(path, SIM_ROOT, sizeof(SIM_ROOT) - 1) == 0;
}

static bool is_full(const struct sim_world *world)
{
    return sim_process_now() != NULL && world->full_until_ns > world->now_ns;
}

static int open_path(struct sim_world *world, const char *path, int flags)
{
    struct name *name = find(world->disk, path);
    sim_yield(world);
    if ((name == NULL || name->inode == NULL) && (flags & O_CREAT) == 0)
        return fail(ENOENT);
    if (name == NULL || name->inode == NULL) {
        if (is_full(world))
            return fail(ENOSPC);
        name = name_at(world->disk, path);
        point(&name->inode, sim_own_alloc(sizeof(struct inode)));
    } else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        return fail(EEXIST);
    }
    const int fd = sim_fd_new(world, SIM_FILE);
    if (fd < 0)
        return -1;
    struct sim_open *open = sim_own_alloc(sizeof(*open));
    open->path = copy_text(path);
    open->append = (flags & O_APPEND) != 0;
    point(&open->inode, name->inode);
    if ((flags & O_TRUNC) != 0)
        resize(open->inode, 0);
    sim_fd_get(world, fd)->open = open;
    return fd;
}

static void unlock(struct sim_world *world, struct sim_open *open)
{
    (void)world;
    open->inode->readers -= open->lock == LOCK_SH;
    open->inode->writers -= open->lock == LOCK_EX;
    open->lock = 0;
}

void sim_open_close(struct sim_world *world, struct sim_open *open)
{
    unlock(world, open);
    let_go(open->inode);
    sim_own_free(open->path);
    sim_own_free(open);
}

static struct sim_open *open_of(int fd)
{
    const struct sim_fd *entry = sim_fd_get(sim_world, fd);
    return entry != NULL && entry->kind == SIM_FILE ? entry->open : NULL;
}

/* The path of a name in an open folder. */
static char *join(int folder, const char *path)
{
    const struct sim_open *open = open_of(folder);
    const size_t size = strlen(open->path) + strlen(path) + 2;
    char *whole = sim_own_alloc(size);
    if (strcmp(path, ".") == 0)
        return strcpy(whole, open->path);
    snprintf(whole, size, "%s/%s", open->path, path);
    return whole;
}

int __wrap_open(const char *path, int flags, ...)
{
    if (is_ours(path))
        return open_path(sim_world, path, flags);
    if (sim_process_now() != NULL)
        return fail(ENOENT); /* nothing of the real world is seen from here */
    va_list args;
    va_start(args, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return __real_open(path, flags, mode);
}

int __wrap_openat(int folder, const char *path, int flags, ...)
{
    if (open_of(folder) == NULL) {
        va_list args;
        va_start(args, flags);
        const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
        va_end(args);
        return __real_openat(folder, path, flags, mode);
    }
    char *whole = join(folder, path);
    const int fd = open_path(sim_world, whole, flags);
    const int cause = errno;
    sim_own_free(whole);
    errno = cause;
    return fd;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    if (!is_ours(path))
        return __real_mkdir(path, mode);
    struct name *name = name_at(sim_world->disk, path);
    if (name->inode != NULL)
        return fail(EEXIST);
    struct inode *inode = sim_own_alloc(sizeof(*inode));
    inode->folder = true;
    point(&name->inode, inode);
    point(&name->safe, inode);
    return 0;
}

/* ---- bytes ---- */

ssize_t sim_open_read(struct sim_open *open, void *bytes, size_t size)
{
    const struct inode *inode = open->inode;
    const size_t left = open->at < inode->size ? inode->size - open->at : 0;
    const size_t got = size < left ? size : left;
    if (got > 0)
        memcpy(bytes, inode->bytes + open->at, got);
    open->at += got;
    return (ssize_t)got;
}

ssize_t sim_open_write(struct sim_world *world, struct sim_open *open, const void *bytes,
                       size_t size)
{
    if (is_full(world))
        return fail(ENOSPC);
    if (size > 1 && sim_process_now() != NULL && sim_pick(&world->chance, 16) == 0)
        size = 1 + sim_pick(&world->chance, size); /* the system may write less */
    struct inode *inode = open->inode;
    if (open->append)
        open->at = inode->size;
    if (open->at + size > inode->size)
        resize(inode, open->at + size);
    if (size > 0)
        memcpy(inode->bytes + open->at, bytes, size);
    open->at += size;
    return (ssize_t)size;
}

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at)
{
    struct sim_open *open = open_of(fd);
    if (open == NULL)
        return __real_pread(fd, bytes, size, at);
    struct sim_open there = *open;
    there.at = (size_t)at;
    return sim_open_read(&there, bytes, size);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    struct sim_open *open = open_of(fd);
    if (open == NULL)
        return __real_pwrite(fd, bytes, size, at);
    if (is_full(sim_world))
        return fail(ENOSPC);
    if ((size_t)at + size > open->inode->size)
        resize(open->inode, (size_t)at + size);
    memcpy(open->inode->bytes + at, bytes, size);
    return (ssize_t)size;
}

int __wrap_ftruncate(int fd, off_t size)
{
    struct sim_open *open = open_of(fd);
    if (open == NULL)
        return __real_ftruncate(fd, size);
    sim_yield(sim_world);
    sim_say(sim_world, "ftruncate %s from %zu to %zu bytes", open->path, open->inode->size,
            (size_t)size);
    resize(open->inode, (size_t)size);
    return 0;
}

int __wrap_fstat(int fd, struct stat *st)
{
    const struct sim_open *open = open_of(fd);
    if (open == NULL)
        return __real_fstat(fd, st);
    *st = (struct stat){.st_mode = open->inode->folder ? S_IFDIR | 0777 : S_IFREG | 0666,
                        .st_size = (off_t)open->inode->size,
                        .st_nlink = 1};
    return 0;
}

/* ---- what lasts ---- */

static void make_safe(struct inode *inode)
{
    inode->safe = sim_own_realloc(inode->safe, inode->size + 1);
    if (inode->size > 0)
        memcpy(inode->safe, inode->bytes, inode->size);
    inode->safe_size = inode->size;
}

static bool lies_in(const char *path, const char *folder)
{
    const size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

int __wrap_fsync(int fd)
{
    struct sim_open *open = open_of(fd);
    if (open == NULL)
        return __real_fsync(fd);
    sim_yield(sim_world);
    sim_say(sim_world, "fsync %s (%zu bytes)", open->path, open->inode->size);
    if (!open->inode->folder) {
        make_safe(open->inode);
        return 0;
    }
    for (struct name *name = sim_world->disk->names; name != NULL; name = name->next) {
        if (lies_in(name->path, open->path))
            point(&name->safe, name->inode);
    }
    return 0;
}

/* Of a file, the bytes that were safe, or of the others as many as happen to be there. */
static void lose_bytes(struct sim_world *world, struct inode *inode)
{
    if (inode->folder || sim_percent(&world->chance, 30))
        return;
    const size_t most = inode->size;
    size_t size = inode->safe_size;
    if (most > size && sim_percent(&world->chance, 50))
        size += sim_pick(&world->chance, most - size);
    const size_t safe = size < inode->safe_size ? size : inode->safe_size;
    sim_say(world, "of %zu bytes, %zu of them safe, %zu are left", inode->size, inode->safe_size,
            size);
    resize(inode, size);
    if (safe > 0)
        memcpy(inode->bytes, inode->safe, safe);
}

void sim_disk_lose(struct sim_world *world)
{
    for (struct name *name = world->disk->names; name != NULL; name = name->next) {
        if (name->inode != name->safe && sim_percent(&world->chance, 60))
            point(&name->inode, name->safe);
    }
    for (struct name *name = world->disk->names; name != NULL; name = name->next) {
        if (name->inode != NULL) {
            lose_bytes(world, name->inode);
            make_safe(name->inode);
        }
        point(&name->safe, name->inode);
    }
}

/* ---- folders and locks ---- */

int __wrap_flock(int fd, int how)
{
    struct sim_open *open = open_of(fd);
    if (open == NULL)
        return __real_flock(fd, how);
    sim_yield(sim_world);
    struct inode *inode = open->inode;
    unlock(sim_world, open);
    const bool shared = (how & LOCK_SH) != 0;
    if (inode->writers > 0 || (!shared && inode->readers > 0))
        return fail(EWOULDBLOCK);
    open->lock = shared ? LOCK_SH : LOCK_EX;
    inode->readers += shared;
    inode->writers += !shared;
    return 0;
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    if (open_of(from_folder) == NULL)
        return __real_renameat(from_folder, from, to_folder, to);
    sim_yield(sim_world);
    char *old = join(from_folder, from);
    char *new = join(to_folder, to);
    struct name *name = find(sim_world->disk, old);
    const bool there = name != NULL && name->inode != NULL;
    if (there) {
        sim_say(sim_world, "rename %s to %s", old, new);
        point(&name_at(sim_world->disk, new)->inode, name->inode);
        point(&name->inode, NULL);
    }
    sim_own_free(old);
    sim_own_free(new);
    return there ? 0 : fail(ENOENT);
}

int __wrap_unlinkat(int folder, const char *path, int flags)
{
    if (open_of(folder) == NULL)
        return __real_unlinkat(folder, path, flags);
    sim_yield(sim_world);
    char *whole = join(folder, path);
    struct name *name = find(sim_world->disk, whole);
    sim_own_free(whole);
    if (name == NULL || name->inode == NULL)
        return fail(ENOENT);
    point(&name->inode, NULL);
    return 0;
}

DIR *__wrap_fdopendir(int fd)
{
    if (open_of(fd) == NULL)
        return __real_fdopendir(fd);
    struct listing *listing = sim_own_alloc(sizeof(*listing));
    listing->fd = fd;
    listing->at = sim_world->disk->names;
    listing->next = sim_world->disk->listings;
    sim_world->disk->listings = listing;
    return (DIR *)(void *)listing;
}

static struct listing **listing_of(const DIR *folder)
{
    if (sim_world == NULL)
        return NULL;
    struct listing **at = &sim_world->disk->listings;
    while (*at != NULL && (const void *)*at != (const void *)folder)
        at = &(*at)->next;
    return *at != NULL ? at : NULL;
}

struct dirent *__wrap_readdir(DIR *folder)
{
    struct listing **found = listing_of(folder);
    if (found == NULL)
        return __real_readdir(folder);
    struct listing *listing = *found;
    const struct sim_open *open = open_of(listing->fd);
    for (; listing->at != NULL; listing->at = listing->at->next) {
        if (listing->at->inode == NULL || !lies_in(listing->at->path, open->path))
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
    struct listing **found = listing_of(folder);
    if (found == NULL)
        return __real_closedir(folder);
    struct listing *listing = *found;
    *found = listing->next;
    sim_fd_release(sim_world, listing->fd);
    sim_own_free(listing);
    return 0;
}

/* ---- FILEs ---- */

static ssize_t read_stream(void *cookie, char *bytes, size_t size)
{
    const struct stream *stream = cookie;
    return sim_open_read(open_of(stream->fd), bytes, size);
}

static ssize_t write_stream(void *cookie, const char *bytes, size_t size)
{
    const struct stream *stream = cookie;
    size_t written = 0;
    while (written < size) { /* stdio takes less for an error */
        const ssize_t done =
            sim_open_write(sim_world, open_of(stream->fd), bytes + written, size - written);
        if (done < 0)
            return 0;
        written += (size_t)done;
    }
    return (ssize_t)written;
}

static int seek_stream(void *cookie, off64_t *offset, int whence)
{
    const struct stream *stream = cookie;
    struct sim_open *open = open_of(stream->fd);
    const off64_t from = whence == SEEK_SET   ? 0
                         : whence == SEEK_CUR ? (off64_t)open->at
                                              : (off64_t)open->inode->size;
    open->at = (size_t)(from + *offset);
    *offset = (off64_t)open->at;
    return 0;
}

static int close_stream(void *cookie)
{
    struct stream *stream = cookie;
    struct stream **at = &sim_world->disk->streams;
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
    if (!is_ours(path))
        return __real_fopen(path, mode);
    const int flags = mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT | O_APPEND : 0;
    const int fd = open_path(sim_world, path, flags);
    if (fd < 0)
        return NULL;
    struct stream *stream = sim_own_alloc(sizeof(*stream));
    stream->fd = fd;
    stream->process = sim_process_now();
    stream->next = sim_world->disk->streams;
    sim_world->disk->streams = stream;
    stream->file = fopencookie(stream, mode, calls);
    return stream->file;
}

int __wrap_fileno(FILE *file)
{
    for (const struct stream *s = sim_world->disk->streams; s != NULL; s = s->next) {
        if (s->file == file)
            return s->fd;
    }
    return __real_fileno(file);
}

/* What a process had not written yet is lost with it. */
void sim_disk_drop(struct sim_world *world, const struct sim_process *process)
{
    for (struct stream *stream = world->disk->streams, *next; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->process != process)
            continue;
        __fpurge(stream->file);
        (void)fclose(stream->file);
    }
}
