/* SPDX-License-Identifier: MIT */

/*
 * A file appears under its name only when it is complete: the records go to NAME.part-PID-N in the
 * same folder, which is renamed when the input has ended, and removed when the run fails.  What
 * cannot be replaced by a rename (standard output, a device, a named pipe) is written as it comes,
 * at the latest when the batch in hand is done.
 *
 * In a run that takes checkpoints it is NAME.part-STAGE, and stays when the run fails.  A
 * checkpoint holds how long it is; a run that goes on cuts it back to that length.  The rename
 * waits for the checkpoint that says that nothing more will come.
 */

#include <flowrun/stage.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "shared/file.h"

#define BUFFER ((size_t)128 << 10)

enum on_full { FULL_WAITS, FULL_FAILS };

struct writer {
    char *path;
    char *newline;
    int on_full; /* enum on_full */

    int fd;
    bool writing;     /* fd is open */
    const char *name; /* for messages */
    char *target;     /* what the temporary file becomes; NULL: written directly */
    char *temporary;  /* exists as long as this is not NULL */
    bool finished;    /* nothing more will come */
    uint64_t length;  /* at the last checkpoint */
    bool named;       /* the folder holds the temporary file's name for good */
    size_t newline_size;
    char *buf;
    size_t used;
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct writer, path, "-",
                   "file, which appears when it is complete; \"-\": standard output"),
    FLOW_PARAM_STR(struct writer, newline, "\n", "written after each record"),
    FLOW_PARAM_ENUM(struct writer, on_full, "wait", "wait|fail",
                    "when the disk is full, wait until there is room, or fail"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one line a record"},
    {NULL, NULL, NULL},
};

static char *temporary_name(const char *target, unsigned attempt)
{
    char *name = NULL;
    if (asprintf(&name, "%s.part-%ld-%u", target, (long)getpid(), attempt) < 0)
        return NULL;
    return name;
}

/* A new file beside the target, with the permissions of the file that it will replace. */
static enum flow_status temporary_open(struct writer *w, struct flow_stage *stage,
                                       const struct stat *old)
{
    for (unsigned attempt = 0; !w->writing; attempt++) {
        char *name = temporary_name(w->target, attempt);
        if (name == NULL)
            return flow_file_fail(stage, "write", w->name);
        w->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd >= 0) {
            w->writing = true;
            w->temporary = name;
            continue;
        }
        free(name);
        if (errno != EEXIST)
            return flow_file_fail(stage, "write", w->name);
    }
    if (old != NULL && fchmod(w->fd, old->st_mode & 0777) != 0)
        return flow_file_fail(stage, "write", w->name);
    return FLOW_OK;
}

static enum flow_status lock_fail(const struct writer *w, struct flow_stage *stage)
{
    if (errno != EWOULDBLOCK)
        return flow_file_fail(stage, "write", w->temporary);
    return flow_stage_fail(stage, FLOW_EIO, "cannot write '%s': another run writes to it",
                           w->temporary);
}

/* The file that a run with checkpoints writes to, there already or not; errno tells which. */
static enum flow_status part_open(struct writer *w, struct flow_stage *stage, int flags)
{
    w->fd = open(w->temporary, O_WRONLY | O_CLOEXEC | flags, 0666);
    if (w->fd < 0)
        return flow_file_fail(stage, "write", w->temporary);
    w->writing = true;
    return flock(w->fd, LOCK_EX | LOCK_NB) == 0 ? FLOW_OK : lock_fail(w, stage);
}

/* As long as `length`, and to be written on from there. */
static enum flow_status part_cut(struct writer *w, struct flow_stage *stage, uint64_t length)
{
    struct stat st;
    if (fstat(w->fd, &st) != 0)
        return flow_file_fail(stage, "write", w->temporary);
    if ((uint64_t)st.st_size < length)
        return flow_stage_fail(stage, FLOW_EIO,
                               "'%s' has %" PRIu64 " bytes, at the checkpoint it had %" PRIu64,
                               w->temporary, (uint64_t)st.st_size, length);
    if (ftruncate(w->fd, (off_t)length) != 0 || lseek(w->fd, (off_t)length, SEEK_SET) < 0)
        return flow_file_fail(stage, "write", w->temporary);
    return FLOW_OK;
}

/* In a run that goes on the file is opened by restore, which knows whether it must be there. */
static enum flow_status part_new(struct writer *w, struct flow_stage *stage, const struct stat *old)
{
    const struct flow_info *info = flow_stage_info(stage);
    if (asprintf(&w->temporary, "%s.part-%s", w->target, info->name) < 0) {
        w->temporary = NULL;
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
    }
    if (info->resumes)
        return FLOW_OK;
    enum flow_status rc = part_open(w, stage, O_CREAT);
    if (rc == FLOW_OK)
        rc = part_cut(w, stage, 0);
    if (rc == FLOW_OK && old != NULL && fchmod(w->fd, old->st_mode & 0777) != 0)
        rc = flow_file_fail(stage, "write", w->name);
    return rc;
}

static enum flow_status file_open(struct writer *w, struct flow_stage *stage)
{
    struct stat st;
    const bool exists = stat(w->path, &st) == 0;
    if (w->path[0] == '\0' || (exists && S_ISDIR(st.st_mode))) {
        errno = exists ? EISDIR : ENOENT;
        return flow_file_fail(stage, "write", w->name);
    }
    if (exists && !S_ISREG(st.st_mode)) {
        w->fd = open(w->path, O_WRONLY | O_CLOEXEC);
        w->writing = w->fd >= 0;
        return w->writing ? FLOW_OK : flow_file_fail(stage, "write", w->name);
    }
    /* The file behind a symbolic link is replaced, not the link. */
    w->target = exists ? realpath(w->path, NULL) : strdup(w->path);
    if (w->target == NULL)
        return flow_file_fail(stage, "write", w->name);
    return flow_stage_info(stage)->checkpoints ? part_new(w, stage, exists ? &st : NULL)
                                               : temporary_open(w, stage, exists ? &st : NULL);
}

static enum flow_status writer_open(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    /* By its path it may be a file, and a rename would take away what is in there already. */
    const bool standard = strcmp(w->path, "-") == 0 || strcmp(w->path, "/dev/stdout") == 0;
    w->name = standard ? "standard output" : w->path;
    w->newline_size = strlen(w->newline);
    w->buf = malloc(BUFFER);
    if (w->buf == NULL)
        return flow_file_fail(stage, "write", w->name);
    if (!standard)
        return file_open(w, stage);
    w->fd = STDOUT_FILENO;
    w->writing = true;
    return FLOW_OK;
}

static enum flow_status write_out(struct writer *w, struct flow_stage *stage, const char *data,
                                  size_t size)
{
    struct flow_file_place place = {
        .fd = w->fd, .name = w->name, .patient = w->on_full == FULL_WAITS};
    return flow_file_write_to(stage, &place, data, size);
}

static enum flow_status flush(struct writer *w, struct flow_stage *stage)
{
    const size_t size = w->used;
    w->used = 0;
    return write_out(w, stage, w->buf, size);
}

static enum flow_status put(struct writer *w, struct flow_stage *stage, const void *data,
                            size_t size)
{
    if (size > BUFFER)
        return write_out(w, stage, data, size);
    memcpy(w->buf + w->used, data, size);
    w->used += size;
    return FLOW_OK;
}

/* A record that the buffer has no room for.  Whole records leave together, so that two stages that
 * write to one terminal do not mix lines. */
static enum flow_status put_with_flush(struct writer *w, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    enum flow_status rc = flush(w, stage);
    if (rc == FLOW_OK)
        rc = put(w, stage, record->data, record->size);
    if (rc == FLOW_OK && w->newline_size > BUFFER - w->used)
        rc = flush(w, stage);
    if (rc == FLOW_OK)
        rc = put(w, stage, w->newline, w->newline_size);
    return rc;
}

static enum flow_status put_record(struct writer *w, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    const size_t room = BUFFER - w->used;
    if (room < w->newline_size || record->size > room - w->newline_size)
        return put_with_flush(w, stage, record);
    char *at = w->buf + w->used;
    memcpy(at, record->data, record->size);
    at += record->size;
    if (w->newline_size == 1)
        *at = w->newline[0];
    else
        memcpy(at, w->newline, w->newline_size);
    w->used += record->size + w->newline_size;
    return FLOW_OK;
}

static enum flow_status writer_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    struct writer *w = self;
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);) {
        const enum flow_status rc = put_record(w, stage, &c.record);
        if (rc != FLOW_OK)
            return rc;
    }
    return w->target == NULL ? flush(w, stage) : FLOW_OK;
}

/* The file gets its name. */
static enum flow_status show(struct writer *w, struct flow_stage *stage)
{
    w->writing = false;
    if (close(w->fd) != 0 || rename(w->temporary, w->target) != 0)
        return flow_file_fail(stage, "write", w->name);
    free(w->temporary);
    w->temporary = NULL;
    return FLOW_OK;
}

static enum flow_status writer_finish(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    const enum flow_status rc = flush(w, stage);
    w->finished = true;
    if (rc != FLOW_OK || w->target == NULL || flow_stage_info(stage)->checkpoints)
        return rc;
    return show(w, stage);
}

/* All that was written is on the disk, under a name that lasts; how much that is. */
static enum flow_status make_durable(struct writer *w, struct flow_stage *stage)
{
    if (!w->writing) /* it has got its name */
        return FLOW_OK;
    const off_t length = lseek(w->fd, 0, SEEK_CUR);
    if (length < 0 || fsync(w->fd) != 0 || (!w->named && !flow_file_sync_folder(w->temporary)))
        return flow_file_fail(stage, "write", w->temporary);
    w->length = (uint64_t)length;
    w->named = true;
    return FLOW_OK;
}

static enum flow_status writer_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct writer *w = self;
    enum flow_status rc = flush(w, stage);
    if (rc != FLOW_OK || w->target == NULL)
        return rc;
    rc = make_durable(w, stage);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, w->finished);
    return rc == FLOW_OK ? flow_save_number(to, w->length) : rc;
}

static enum flow_status writer_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct writer *w = self;
    uint64_t finished;
    if (w->target == NULL)
        return FLOW_OK;
    enum flow_status rc = flow_load_number(from, &finished);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &w->length);
    if (rc != FLOW_OK)
        return rc;
    w->finished = finished != 0;
    /* It may have got its name already. */
    if (w->finished && access(w->temporary, F_OK) != 0 && errno == ENOENT &&
        access(w->target, F_OK) == 0)
        return FLOW_OK;
    rc = part_open(w, stage, 0);
    return rc == FLOW_OK ? part_cut(w, stage, w->length) : rc;
}

/* Nothing more will come, and that is known for good. */
static enum flow_status writer_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    struct writer *w = self;
    (void)epoch;
    if (!w->finished || w->target == NULL || !w->writing)
        return FLOW_OK;
    const enum flow_status rc = show(w, stage);
    if (rc == FLOW_OK && !flow_file_sync_folder(w->target))
        return flow_file_fail(stage, "write", w->name);
    return rc;
}

static const char *writer_weakness(const void *self)
{
    const struct writer *w = self;
    struct stat st;
    if (strcmp(w->path, "-") == 0 || strcmp(w->path, "/dev/stdout") == 0)
        return "what is on standard output cannot be taken back";
    if (stat(w->path, &st) == 0 && !S_ISREG(st.st_mode))
        return "what is written to a pipe or device cannot be taken back";
    return NULL;
}

static void writer_close(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    if (w->writing && w->fd != STDOUT_FILENO)
        (void)close(w->fd);
    if (w->temporary != NULL && !flow_stage_info(stage)->checkpoints)
        (void)unlink(w->temporary);
    free(w->temporary);
    free(w->target);
    free(w->buf);
}

static const struct flow_stage_type writer = {
    .name = "lines.write",
    .help = "writes records as lines to a file or to standard output",
    .role = FLOW_CONSUMER,
    .traits = FLOW_SINGLE,
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct writer),
    .open = writer_open,
    .process_batch = writer_process_batch,
    .finish = writer_finish,
    .close = writer_close,
    .save = writer_save,
    .restore = writer_restore,
    .commit = writer_commit,
    .weakness = writer_weakness,
};

FLOW_PLUGIN(&writer);
