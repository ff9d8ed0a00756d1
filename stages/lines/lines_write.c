/* SPDX-License-Identifier: MIT */

/*
 * A file appears under its name only when it is complete (lines/outfile.h).  What cannot be
 * replaced by a rename (standard output, a device, a named pipe) is written as it comes, at the
 * latest when the batch in hand is done.  With rotation there is one file after the other, each
 * begun by its first record (lines/rotation.h).
 *
 *     records ──> buf ──> compression, if any ──> packed ──> file
 *
 * A checkpoint holds how long the file is; a run that goes on cuts it back to that length.  The
 * name waits for the checkpoint that says that nothing more will come.  What is compressed ends a
 * frame at each checkpoint, so that a file that is cut there can be read, and be written on.
 */

#include <flowrun/stage.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lines/pack.h"
#include "lines/rotation.h"
#include "shared/file.h"

#define BUFFER ((size_t)128 << 10)

enum on_full { FULL_WAITS, FULL_FAILS };

struct writer {
    char *path;
    char *newline;
    int on_full;     /* enum on_full */
    int compression; /* enum flow_pack_kind */
    int64_t level;
    uint64_t rotate_size;
    int64_t rotate_every;
    int64_t keep;

    struct flow_outfile file;
    bool rotates;
    struct flow_rotation rotation;
    bool finished; /* nothing more will come */
    uint64_t text; /* bytes of records in the open file, if it is one of several */
    size_t newline_size;
    char *buf;
    size_t used;
    struct flow_pack pack;
    char *packed;
    size_t packed_used;
    bool empty; /* nothing has been compressed into the open file */
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct writer, path, "-",
                   "file, which appears when it is complete; \"-\": standard output"),
    FLOW_PARAM_STR(struct writer, newline, "\n", "written after each record"),
    FLOW_PARAM_ENUM(struct writer, on_full, "wait", "wait|fail",
                    "when the disk is full, wait until there is room, or fail"),
    FLOW_PARAM_ENUM(struct writer, compression, "none", FLOW_PACK_KINDS, "what to write"),
    FLOW_PARAM_I64(struct writer, level, "0", 0, FLOW_PACK_LEVEL_MAX,
                   "of compression; higher is smaller; gz: to 9; 0: the usual one"),
    FLOW_PARAM_SIZE(struct writer, rotate_size, "0", 0, (uint64_t)1 << 50,
                    "the next file after so much text; 'path' has {n}; 0: never [bytes]"),
    FLOW_PARAM_DURATION(struct writer, rotate_every, "0s", 0, 100 * 86400e9,
                        "the next file after so long; 'path' has {time} or {n}; 0: never [time]"),
    FLOW_PARAM_I64(struct writer, keep, "0", 0, 1000000000,
                   "remove the oldest files when there are more; 0: keep all [files]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one line a record"},
    {NULL, NULL, NULL},
};

/* By its path it may be a file, and a rename would take away what is in there already. */
static bool is_standard(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
}

static enum flow_status start_packing(struct writer *w, struct flow_stage *stage)
{
    const enum flow_pack_kind kind = (enum flow_pack_kind)w->compression;
    w->empty = true;
    if (kind == FLOW_PACK_NONE)
        return FLOW_OK;
    const char *why = flow_pack_start(&w->pack, kind, (int)w->level);
    if (why != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "\"compression\": \"%s\", level %d: %s",
                               kind == FLOW_PACK_GZ ? "gz" : "zst", (int)w->level, why);
    w->packed = malloc(BUFFER);
    return w->packed != NULL ? FLOW_OK : flow_file_fail(stage, "write", w->path);
}

static enum flow_status start_rotation(struct writer *w, struct flow_stage *stage)
{
    if (is_standard(w->path))
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "standard output cannot be rotated: 'path' is to name a file");
    w->rotation.size = w->rotate_size;
    w->rotation.every = w->rotate_every;
    w->rotation.keep = (uint64_t)w->keep;
    return flow_rotation_init(&w->rotation, stage, w->path);
}

static enum flow_status writer_open(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    w->newline_size = strlen(w->newline);
    w->file.patient = w->on_full == FULL_WAITS;
    w->rotates = w->rotate_size > 0 || w->rotate_every > 0;
    if (w->keep > 0 && !w->rotates)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'keep' needs 'rotate_size' or 'rotate_every': there is one file");
    w->buf = malloc(BUFFER);
    if (w->buf == NULL)
        return flow_file_fail(stage, "write", w->path);
    const enum flow_status rc = start_packing(w, stage);
    if (rc != FLOW_OK)
        return rc;
    if (w->rotates)
        return start_rotation(w, stage);
    if (!is_standard(w->path))
        return flow_outfile_open(&w->file, stage, w->path);
    w->file.name = "standard output";
    w->file.fd = STDOUT_FILENO;
    w->file.writing = true;
    return FLOW_OK;
}

/* ---- bytes ---- */

static enum flow_status write_packed(struct writer *w, struct flow_stage *stage)
{
    const size_t size = w->packed_used;
    w->packed_used = 0;
    return flow_outfile_write(&w->file, stage, w->packed, size);
}

/* Compress; with `end`, end the frame and write it all. */
static enum flow_status pack(struct writer *w, struct flow_stage *stage, const char *data,
                             size_t size, bool end)
{
    struct flow_pack_step step = {.in = data, .in_size = size};
    enum flow_status rc = FLOW_OK;
    w->empty = false;
    for (bool more = true; rc == FLOW_OK && more;) {
        step.out = w->packed + w->packed_used;
        step.out_size = BUFFER - w->packed_used;
        const char *why = flow_pack_run(&w->pack, &step, end);
        if (why != NULL)
            return flow_stage_fail(stage, FLOW_EIO, "cannot compress '%s': %s", w->file.name, why);
        w->packed_used = BUFFER - step.out_size;
        more = end ? w->pack.inside : step.in_size > 0;
        if (w->packed_used == BUFFER)
            rc = write_packed(w, stage);
    }
    return rc == FLOW_OK && end ? write_packed(w, stage) : rc;
}

static enum flow_status write_out(struct writer *w, struct flow_stage *stage, const char *data,
                                  size_t size)
{
    if (w->pack.kind == FLOW_PACK_NONE)
        return flow_outfile_write(&w->file, stage, data, size);
    return size > 0 ? pack(w, stage, data, size, false) : FLOW_OK;
}

static enum flow_status flush(struct writer *w, struct flow_stage *stage)
{
    const size_t size = w->used;
    w->used = 0;
    return write_out(w, stage, w->buf, size);
}

/* All that came is in the file, and what is compressed can be read up to here. */
static enum flow_status round_off(struct writer *w, struct flow_stage *stage)
{
    const enum flow_status rc = flush(w, stage);
    return rc == FLOW_OK && w->pack.inside ? pack(w, stage, "", 0, true) : rc;
}

/* The same, and nothing more comes: no file of a compressed format has no bytes at all. */
static enum flow_status complete(struct writer *w, struct flow_stage *stage)
{
    const enum flow_status rc = round_off(w, stage);
    const bool lacks = w->pack.kind != FLOW_PACK_NONE && w->empty;
    return rc == FLOW_OK && lacks ? pack(w, stage, "", 0, true) : rc;
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

/* ---- one file after the other ---- */

static enum flow_status end_file(struct writer *w, struct flow_stage *stage)
{
    enum flow_status rc = complete(w, stage);
    if (rc == FLOW_OK)
        rc = flow_rotation_end(&w->rotation, stage, &w->file);
    w->text = 0;
    w->empty = true;
    return rc;
}

/* When its time will be over. */
static enum flow_status set_timer(const struct writer *w, struct flow_stage *stage, int64_t now)
{
    const int64_t left = w->rotation.ends - now;
    if (w->rotation.ends == INT64_MAX)
        return FLOW_OK;
    return flow_timer(stage, 0, left > 0 ? left : 0);
}

static enum flow_status begin_file(struct writer *w, struct flow_stage *stage, int64_t now)
{
    const enum flow_status rc = flow_rotation_begin(&w->rotation, stage, &w->file, now);
    return rc == FLOW_OK ? set_timer(w, stage, now) : rc;
}

static enum flow_status rotate_put(struct writer *w, struct flow_stage *stage, int64_t now,
                                   const struct flow_record *record)
{
    const uint64_t more = record->size + w->newline_size;
    enum flow_status rc = FLOW_OK;
    if (w->rotation.size > 0 && w->text > 0 && w->text + more > w->rotation.size)
        rc = end_file(w, stage);
    if (rc == FLOW_OK && !w->file.writing)
        rc = begin_file(w, stage, now);
    w->text += more;
    return rc == FLOW_OK ? put_record(w, stage, record) : rc;
}

/* The open file's time is over: what comes now is for the next one. */
static enum flow_status end_if_over(struct writer *w, struct flow_stage *stage, int64_t now)
{
    return w->file.writing && now >= w->rotation.ends ? end_file(w, stage) : FLOW_OK;
}

static enum flow_status rotate_batch(struct writer *w, struct flow_stage *stage,
                                     const struct flow_batch *batch)
{
    const int64_t now = flow_rotation_now();
    enum flow_status rc = end_if_over(w, stage, now);
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = rotate_put(w, stage, now, &c.record);
    return rc;
}

/* ---- callbacks ---- */

static enum flow_status writer_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    struct writer *w = self;
    if (w->rotates)
        return rotate_batch(w, stage, batch);
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);) {
        const enum flow_status rc = put_record(w, stage, &c.record);
        if (rc != FLOW_OK)
            return rc;
    }
    return w->file.target == NULL ? flush(w, stage) : FLOW_OK;
}

/* Its time is over, or nearly so: two clocks do not agree to the last. */
static enum flow_status writer_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                     unsigned events)
{
    struct writer *w = self;
    const int64_t now = flow_rotation_now();
    (void)tag;
    (void)events;
    const enum flow_status rc = end_if_over(w, stage, now);
    return rc == FLOW_OK && w->file.writing ? set_timer(w, stage, now) : rc;
}

static enum flow_status writer_finish(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    w->finished = true;
    if (w->rotates)
        return w->file.writing ? end_file(w, stage) : FLOW_OK;
    const enum flow_status rc = complete(w, stage);
    if (rc != FLOW_OK || w->file.target == NULL || flow_stage_info(stage)->checkpoints)
        return rc;
    return flow_outfile_show(&w->file, stage);
}

static enum flow_status writer_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct writer *w = self;
    enum flow_status rc = w->rotates ? end_if_over(w, stage, flow_rotation_now()) : FLOW_OK;
    if (rc == FLOW_OK)
        rc = round_off(w, stage);
    if (rc != FLOW_OK || (w->file.target == NULL && !w->rotates))
        return rc;
    rc = flow_outfile_sync(&w->file, stage);
    const uint64_t numbers[] = {w->finished, w->file.length, w->text};
    if (rc == FLOW_OK)
        rc = flow_save(to, numbers, sizeof(numbers));
    return rc == FLOW_OK && w->rotates ? flow_rotation_save(&w->rotation, &w->file, to) : rc;
}

static enum flow_status restore_files(struct writer *w, struct flow_stage *stage,
                                      struct flow_loader *from)
{
    const enum flow_status rc = flow_rotation_restore(&w->rotation, stage, &w->file, from);
    return rc == FLOW_OK && w->file.writing ? set_timer(w, stage, flow_rotation_now()) : rc;
}

static enum flow_status writer_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct writer *w = self;
    uint64_t numbers[3];
    if (w->file.target == NULL && !w->rotates)
        return FLOW_OK;
    const enum flow_status rc = flow_load(from, numbers, sizeof(numbers));
    if (rc != FLOW_OK)
        return rc;
    w->finished = numbers[0] != 0;
    w->file.length = numbers[1];
    w->text = numbers[2];
    w->empty = w->file.length == 0;
    if (w->rotates)
        return restore_files(w, stage, from);
    /* It may have got its name already. */
    if (w->finished && access(w->file.temporary, F_OK) != 0 && errno == ENOENT &&
        access(w->file.target, F_OK) == 0)
        return FLOW_OK;
    return flow_outfile_reopen(&w->file, stage);
}

/* What the checkpoint holds is known for good. */
static enum flow_status writer_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    struct writer *w = self;
    (void)epoch;
    if (w->rotates)
        return flow_rotation_commit(&w->rotation, stage);
    if (!w->finished || w->file.target == NULL || !w->file.writing)
        return FLOW_OK;
    const enum flow_status rc = flow_outfile_show(&w->file, stage);
    if (rc == FLOW_OK && !flow_file_sync_folder(w->file.target))
        return flow_file_fail(stage, "write", w->file.name);
    return rc;
}

static const char *writer_weakness(const void *self)
{
    const struct writer *w = self;
    struct stat st;
    if (is_standard(w->path))
        return "what is on standard output cannot be taken back";
    if (stat(w->path, &st) == 0 && !S_ISREG(st.st_mode))
        return "what is written to a pipe or device cannot be taken back";
    return NULL;
}

static void writer_close(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    flow_outfile_close(&w->file, stage);
    flow_rotation_clear(&w->rotation);
    flow_pack_clear(&w->pack);
    free(w->packed);
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
    .ready = writer_ready,
    .finish = writer_finish,
    .close = writer_close,
    .save = writer_save,
    .restore = writer_restore,
    .commit = writer_commit,
    .weakness = writer_weakness,
};

FLOW_PLUGIN(&writer);
