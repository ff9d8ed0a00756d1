/* SPDX-License-Identifier: MIT */
#include "lines/outfile.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "shared/file.h"

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
}

/* A new file beside the target. */
static enum flow_status temporary_open(struct flow_outfile *file, struct flow_stage *stage)
{
    for (unsigned attempt = 0; !file->writing; attempt++) {
        char *name = NULL;
        if (asprintf(&name, "%s.part-%ld-%u", file->target, (long)getpid(), attempt) < 0)
            return no_memory(stage);
        file->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd >= 0) {
            file->writing = true;
            file->temporary = name;
            continue;
        }
        free(name);
        if (errno != EEXIST)
            return flow_file_fail(stage, "write", file->name);
    }
    return FLOW_OK;
}

static enum flow_status lock_fail(const struct flow_outfile *file, struct flow_stage *stage)
{
    if (errno != EWOULDBLOCK)
        return flow_file_fail(stage, "write", file->temporary);
    return flow_stage_fail(stage, FLOW_EIO, "cannot write '%s': another run writes to it",
                           file->temporary);
}

/* The file that a run with checkpoints writes to, there already or not; errno tells which. */
static enum flow_status part_open(struct flow_outfile *file, struct flow_stage *stage, int flags)
{
    file->fd = open(file->temporary, O_WRONLY | O_CLOEXEC | flags, 0666);
    if (file->fd < 0)
        return flow_file_fail(stage, "write", file->temporary);
    file->writing = true;
    return flock(file->fd, LOCK_EX | LOCK_NB) == 0 ? FLOW_OK : lock_fail(file, stage);
}

/* As long as `length`, and to be written on from there. */
static enum flow_status part_cut(const struct flow_outfile *file, struct flow_stage *stage,
                                 uint64_t length)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return flow_file_fail(stage, "write", file->temporary);
    if ((uint64_t)st.st_size < length)
        return flow_stage_fail(stage, FLOW_EIO,
                               "'%s' has %" PRIu64 " bytes, at the checkpoint it had %" PRIu64,
                               file->temporary, (uint64_t)st.st_size, length);
    if (ftruncate(file->fd, (off_t)length) != 0 || lseek(file->fd, (off_t)length, SEEK_SET) < 0)
        return flow_file_fail(stage, "write", file->temporary);
    return FLOW_OK;
}

static enum flow_status part_new(struct flow_outfile *file, struct flow_stage *stage)
{
    const enum flow_status rc = part_open(file, stage, O_CREAT);
    return rc == FLOW_OK ? part_cut(file, stage, 0) : rc;
}

/* With the permissions of the file that it will replace, if there is one. */
static enum flow_status replace(struct flow_outfile *file, struct flow_stage *stage,
                                const struct stat *old)
{
    const struct flow_info *info = flow_stage_info(stage);
    if (info->checkpoints) {
        file->temporary = flow_outfile_part(stage, file->target);
        if (file->temporary == NULL)
            return no_memory(stage);
        if (info->resumes) /* restore knows whether it must be there */
            return FLOW_OK;
    }
    const enum flow_status rc =
        info->checkpoints ? part_new(file, stage) : temporary_open(file, stage);
    if (rc == FLOW_OK && old != NULL && fchmod(file->fd, old->st_mode & 0777) != 0)
        return flow_file_fail(stage, "write", file->name);
    return rc;
}

enum flow_status flow_outfile_open(struct flow_outfile *file, struct flow_stage *stage,
                                   const char *path)
{
    struct stat st;
    const bool exists = stat(path, &st) == 0;
    file->name = path;
    if (path[0] == '\0' || (exists && S_ISDIR(st.st_mode))) {
        errno = exists ? EISDIR : ENOENT;
        return flow_file_fail(stage, "write", path);
    }
    if (exists && !S_ISREG(st.st_mode)) {
        file->fd = open(path, O_WRONLY | O_CLOEXEC);
        file->writing = file->fd >= 0;
        return file->writing ? FLOW_OK : flow_file_fail(stage, "write", path);
    }
    /* The file behind a symbolic link is replaced, not the link. */
    file->target = exists ? realpath(path, NULL) : strdup(path);
    if (file->target == NULL)
        return flow_file_fail(stage, "write", path);
    return replace(file, stage, exists ? &st : NULL);
}

enum flow_status flow_outfile_begin(struct flow_outfile *file, struct flow_stage *stage,
                                    char *target, char *part)
{
    file->target = target;
    file->temporary = part;
    file->name = target;
    return part != NULL ? part_new(file, stage) : temporary_open(file, stage);
}

enum flow_status flow_outfile_reopen(struct flow_outfile *file, struct flow_stage *stage)
{
    const enum flow_status rc = part_open(file, stage, 0);
    return rc == FLOW_OK ? part_cut(file, stage, file->length) : rc;
}

enum flow_status flow_outfile_write(const struct flow_outfile *file, struct flow_stage *stage,
                                    const void *data, size_t size)
{
    struct flow_file_place place = {.fd = file->fd, .name = file->name, .patient = file->patient};
    return flow_file_write_to(stage, &place, data, size);
}

enum flow_status flow_outfile_sync(struct flow_outfile *file, struct flow_stage *stage)
{
    if (!file->writing) /* it has got its name */
        return FLOW_OK;
    const off_t length = lseek(file->fd, 0, SEEK_CUR);
    if (length < 0 || fsync(file->fd) != 0 ||
        (!file->named && !flow_file_sync_folder(file->temporary)))
        return flow_file_fail(stage, "write", file->temporary);
    file->length = (uint64_t)length;
    file->named = true;
    return FLOW_OK;
}

enum flow_status flow_outfile_show(struct flow_outfile *file, struct flow_stage *stage)
{
    file->writing = false;
    if (close(file->fd) != 0 || rename(file->temporary, file->target) != 0)
        return flow_file_fail(stage, "write", file->name);
    free(file->temporary);
    file->temporary = NULL;
    return FLOW_OK;
}

char *flow_outfile_part(const struct flow_stage *stage, const char *target)
{
    char *name = NULL;
    if (asprintf(&name, "%s.part-%s", target, flow_stage_info(stage)->name) < 0)
        return NULL;
    /* The stages of a graph that is used as a stage have names like "part/stage". */
    for (char *at = name + strlen(target); *at != '\0'; at++) {
        if (*at == '/')
            *at = ':';
    }
    return name;
}

void flow_outfile_close(struct flow_outfile *file, const struct flow_stage *stage)
{
    if (file->writing && file->fd != STDOUT_FILENO)
        (void)close(file->fd);
    if (file->temporary != NULL && !flow_stage_info(stage)->checkpoints)
        (void)unlink(file->temporary);
    free(file->temporary);
    free(file->target);
    *file = (struct flow_outfile){.patient = file->patient};
}
