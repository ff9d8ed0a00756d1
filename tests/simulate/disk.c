/* SPDX-License-Identifier: MIT */
#include "simulate/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

int sim_fail(int cause)
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

static void let_go(struct sim_inode *inode)
{
    if (inode == NULL || --inode->refs > 0)
        return;
    sim_own_free(inode->bytes);
    sim_own_free(inode->safe);
    sim_own_free(inode);
}

struct sim_name *sim_name_find(const struct sim_disk *disk, const char *path)
{
    for (struct sim_name *name = disk->names; name != NULL; name = name->next) {
        if (strcmp(name->path, path) == 0)
            return name;
    }
    return NULL;
}

struct sim_name *sim_name_at(struct sim_disk *disk, const char *path)
{
    struct sim_name *name = sim_name_find(disk, path);
    if (name != NULL)
        return name;
    name = sim_own_alloc(sizeof(*name));
    name->path = copy_text(path);
    name->next = disk->names;
    disk->names = name;
    return name;
}

void sim_inode_point(struct sim_inode **at, struct sim_inode *inode)
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
        struct sim_listing *listing = disk->listings;
        disk->listings = listing->next;
        sim_own_free(listing);
    }
    while (disk->names != NULL) {
        struct sim_name *name = disk->names;
        disk->names = name->next;
        let_go(name->inode);
        let_go(name->safe);
        sim_own_free(name->path);
        sim_own_free(name);
    }
}

void sim_inode_resize(struct sim_inode *inode, size_t size)
{
    if (size > inode->room) {
        inode->room = size * 2 + 256;
        inode->bytes = sim_own_realloc(inode->bytes, inode->room);
    }
    if (size > inode->size)
        memset(inode->bytes + inode->size, 0, size - inode->size);
    inode->size = size;
}

bool sim_path_is_ours(const char *path)
{
    return strncmp(path, SIM_ROOT, sizeof(SIM_ROOT) - 1) == 0;
}

bool sim_path_lies_in(const char *path, const char *folder)
{
    const size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

void sim_disk_put(struct sim_world *world, const char *path, const void *bytes, size_t size)
{
    struct sim_name *name = sim_name_at(world->disk, path);
    sim_inode_point(&name->inode, sim_own_alloc(sizeof(struct sim_inode)));
    sim_inode_point(&name->safe, name->inode);
    sim_inode_resize(name->inode, size);
    if (size > 0)
        memcpy(name->inode->bytes, bytes, size);
    sim_inode_make_safe(name->inode);
}

void sim_disk_put_folder(struct sim_world *world, const char *path)
{
    sim_disk_put(world, path, NULL, 0);
    sim_name_find(world->disk, path)->inode->folder = true;
}

bool sim_disk_is_full(const struct sim_world *world)
{
    return sim_process_now() != NULL && world->full_until_ns > world->now_ns;
}

/* ---- opens ---- */

/* A folder may be named with a slash behind it. */
static struct sim_name *find_open(const struct sim_world *world, const char *path)
{
    const size_t size = strlen(path);
    if (size < 2 || path[size - 1] != '/')
        return sim_name_find(world->disk, path);
    char *bare = copy_text(path);
    bare[size - 1] = '\0';
    struct sim_name *name = sim_name_find(world->disk, bare);
    sim_own_free(bare);
    return name;
}

int sim_open_path(struct sim_world *world, const char *path, int flags)
{
    struct sim_name *name = find_open(world, path);
    sim_yield(world);
    if ((name == NULL || name->inode == NULL) && (flags & O_CREAT) == 0)
        return sim_fail(ENOENT);
    if (name == NULL || name->inode == NULL) {
        if (sim_disk_is_full(world))
            return sim_fail(ENOSPC);
        name = sim_name_at(world->disk, path);
        sim_inode_point(&name->inode, sim_own_alloc(sizeof(struct sim_inode)));
    } else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        return sim_fail(EEXIST);
    }
    const int fd = sim_fd_new(world, SIM_FILE);
    if (fd < 0)
        return -1;
    struct sim_open *open = sim_own_alloc(sizeof(*open));
    open->path = copy_text(name->path);
    open->append = (flags & O_APPEND) != 0;
    sim_inode_point(&open->inode, name->inode);
    if ((flags & O_TRUNC) != 0)
        sim_inode_resize(open->inode, 0);
    sim_fd_get(world, fd)->open = open;
    return fd;
}

void sim_open_unlock(struct sim_open *open)
{
    open->inode->readers -= open->lock == LOCK_SH;
    open->inode->writers -= open->lock == LOCK_EX;
    open->lock = 0;
}

void sim_open_close(struct sim_open *open)
{
    sim_open_unlock(open);
    let_go(open->inode);
    sim_own_free(open->path);
    sim_own_free(open);
}

struct sim_open *sim_open_of(int fd)
{
    const struct sim_fd *entry = sim_fd_get(sim_world, fd);
    return entry != NULL && entry->kind == SIM_FILE ? entry->open : NULL;
}

/* The path of a name in an open folder. */
char *sim_path_join(int folder, const char *path)
{
    const struct sim_open *open = sim_open_of(folder);
    const size_t size = strlen(open->path) + strlen(path) + 2;
    char *whole = sim_own_alloc(size);
    if (strcmp(path, ".") == 0)
        return strcpy(whole, open->path);
    if (strcmp(path, "..") == 0) {
        strcpy(whole, open->path);
        *strrchr(whole, '/') = '\0';
        return whole;
    }
    snprintf(whole, size, "%s/%s", open->path, path);
    return whole;
}

/* ---- bytes ---- */

ssize_t sim_open_read(struct sim_open *open, void *bytes, size_t size)
{
    const struct sim_inode *inode = open->inode;
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
    if (sim_disk_is_full(world))
        return sim_fail(ENOSPC);
    if (size > 1 && sim_process_now() != NULL && sim_pick(&world->chance, 16) == 0)
        size = 1 + sim_pick(&world->chance, size); /* the system may write less */
    struct sim_inode *inode = open->inode;
    if (open->append)
        open->at = inode->size;
    if (open->at + size > inode->size)
        sim_inode_resize(inode, open->at + size);
    if (size > 0)
        memcpy(inode->bytes + open->at, bytes, size);
    open->at += size;
    return (ssize_t)size;
}

/* ---- what lasts ---- */

void sim_inode_make_safe(struct sim_inode *inode)
{
    inode->safe = sim_own_realloc(inode->safe, inode->size + 1);
    if (inode->size > 0)
        memcpy(inode->safe, inode->bytes, inode->size);
    inode->safe_size = inode->size;
}

/* Of a file, the bytes that were safe, or of the others as many as happen to be there. */
static void lose_bytes(struct sim_world *world, struct sim_inode *inode)
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
    sim_inode_resize(inode, size);
    if (safe > 0)
        memcpy(inode->bytes, inode->safe, safe);
}

/* A folder has gone, and all in it. */
static void lose_folder(struct sim_world *world, const char *path)
{
    sim_say(world, "the folder %s is lost", path);
    for (struct sim_name *name = world->disk->names; name != NULL; name = name->next) {
        if (sim_path_lies_in(name->path, path)) {
            sim_inode_point(&name->inode, NULL);
            sim_inode_point(&name->safe, NULL);
        }
    }
}

/* What the name stands for now is lost; a file that was renamed has its former name again. */
static void lose_name(struct sim_world *world, struct sim_name *name)
{
    struct sim_name *former = name->former;
    const bool folder = name->inode != NULL && name->inode->folder;
    if (former != NULL && name->inode != NULL && former->inode == NULL &&
        former->safe == name->inode)
        sim_inode_point(&former->inode, former->safe);
    sim_inode_point(&name->inode, name->safe);
    if (folder)
        lose_folder(world, name->path);
}

void sim_disk_lose(struct sim_world *world)
{
    for (struct sim_name *name = world->disk->names; name != NULL; name = name->next) {
        if (name->inode != name->safe && sim_percent(&world->chance, 60))
            lose_name(world, name);
    }
    for (struct sim_name *name = world->disk->names; name != NULL; name = name->next) {
        if (name->inode != NULL) {
            lose_bytes(world, name->inode);
            sim_inode_make_safe(name->inode);
        }
        sim_inode_point(&name->safe, name->inode);
    }
}
