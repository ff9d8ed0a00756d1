/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_DISK_H
#define SIMULATE_DISK_H

/*
 * The files of the simulated machine, in memory, with what a file system promises about a crash:
 * bytes are safe once their file was synced, a name once its folder was.  A process that dies loses
 * neither; when the power goes, what was not synced is there, or not, or half of it.
 */

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "simulate/table.h"

#define SIM_ROOT "/simulated/" /* under which all of them lie */

struct sim_inode {
    size_t refs; /* names, and opens */
    bool folder;
    unsigned char *bytes;
    size_t size, room;
    unsigned char *safe; /* as last synced; NULL with safe_size 0 */
    size_t safe_size;
    int readers, writers; /* locks */
};

struct sim_name {
    struct sim_name *next;
    char *path;
    struct sim_inode *inode; /* NULL: it has no such file */
    struct sim_inode *safe;  /* what the name stands for after a loss of power */
    struct sim_name *former; /* the name that its file had, if it was renamed */
};

struct sim_open {
    struct sim_inode *inode;
    char *path;
    size_t at;
    bool append;
    int lock; /* LOCK_SH, LOCK_EX, or 0 */
};

/* What a DIR * points to. */
struct sim_listing {
    struct sim_listing *next;
    int fd;
    struct sim_name *at;
    struct dirent entry;
};

/* An open FILE. */
struct sim_stream {
    struct sim_stream *next;
    FILE *file;
    const struct sim_process *process;
    int fd;
};

struct sim_disk {
    struct sim_name *names;
    struct sim_listing *listings;
    struct sim_stream *streams;
};

/* Set errno; -1. */
int sim_fail(int cause);

void sim_inode_point(struct sim_inode **at, struct sim_inode *inode);
void sim_inode_resize(struct sim_inode *inode, size_t size);
struct stat sim_inode_stat(const struct sim_inode *inode);
void sim_inode_make_safe(struct sim_inode *inode);

/* NULL: it was never heard of. */
struct sim_name *sim_name_find(const struct sim_disk *disk, const char *path);
struct sim_name *sim_name_at(struct sim_disk *disk, const char *path);

bool sim_path_is_ours(const char *path);
bool sim_path_lies_in(const char *path, const char *folder);

/* The path of a name in an open folder, to be freed. */
char *sim_path_join(int folder, const char *path);

/* A file that is there, for good. */
void sim_disk_put(struct sim_world *world, const char *path, const void *bytes, size_t size);

/* A folder that is there, for good. */
void sim_disk_put_folder(struct sim_world *world, const char *path);

bool sim_disk_is_full(const struct sim_world *world);

/* As open; -1: see errno. */
int sim_open_path(struct sim_world *world, const char *path, int flags);

/* Let go of its lock. */
void sim_open_unlock(struct sim_open *open);

/* NULL: it is not one of these files. */
struct sim_open *sim_open_of(int fd);

#endif /* SIMULATE_DISK_H */
