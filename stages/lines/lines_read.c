/* SPDX-License-Identifier: MIT */

/*
 * Bytes come from an input (lines/input.h), which decompresses them if need be, into a buffer;
 * records are emitted out of it as far as they are whole.  The file that is followed is the only
 * one, and its end is where waiting begins (lines/follow.h).
 */

#include <flowrun/stage.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lines/reader.h"
#include "shared/file.h"
#include "shared/marks.h"
#include "shared/paths.h"
#include "shared/saved.h"

#define PREFIX 4 /* bytes of a size before a record */

/* Records that a call of produce emits at most: checkpoints fall between calls. */
#define BURST 512

static const struct flow_param params[] = {
    FLOW_PARAM_LIST(struct reader, path, FLOW_REQUIRED,
                    "files or globs, as a.txt, *.txt, {a,b}.txt; \"-\": standard input"),
    FLOW_PARAM_ENUM(struct reader, framing, "lines", "lines|nul|length",
                    "what ends a record; length: 4 bytes, low first, before each"),
    FLOW_PARAM_ENUM(struct reader, compression, "auto", "auto|none|gz|zst",
                    "auto: look at the first bytes (with framing length: none)"),
    FLOW_PARAM_BOOL(struct reader, keep_ends, "false", "leave \\n or \\r\\n on each record"),
    FLOW_PARAM_SIZE(struct reader, max_line, "64MiB", 1, FLOW_RECORD_MAX - 2,
                    "a longer line ends the run [bytes]"),
    FLOW_PARAM_BOOL(struct reader, follow, "false",
                    "wait for more at the end, and for the next file of that name"),
    FLOW_PARAM_ENUM(struct reader, follow_from, "begin", "begin|end",
                    "where in a file that is there already following begins"),
    FLOW_PARAM_DURATION(struct reader, rotate_wait, "1s", 0, 3600e9,
                        "how long a file that was renamed is still read [time]"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "text", "one line a record, without its line end"},
    {NULL, NULL, NULL},
};

static bool is_read_once(const char *path)
{
    struct stat st;
    return strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
}

/* Of what a spool emits again nobody could tell what came of a pipe, and what of a file behind. */
static enum flow_status check_order(const struct reader *r, struct flow_stage *stage)
{
    for (size_t i = 0; flow_stage_info(stage)->spools && i + 1 < r->files.count; i++)
        if (is_read_once(r->files.items[i]))
            return flow_stage_fail(stage, FLOW_EINVAL,
                                   "with a spool '%s' must be the last of 'path': use a stage "
                                   "of its own for what comes behind it",
                                   r->files.items[i]);
    return FLOW_OK;
}

/* What cannot be read is found before the run starts, as far as that can be known. */
static enum flow_status find_files(struct reader *r, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < r->path.count; i++) {
        const char *path = r->path.items[i];
        rc = strcmp(path, "-") == 0 ? flow_paths_add(&r->files, stage, path, 1)
                                    : flow_paths_add_pattern(&r->files, stage, path);
    }
    for (size_t i = 0; rc == FLOW_OK && i < r->files.count; i++)
        rc = strcmp(r->files.items[i], "-") == 0 ? FLOW_OK
                                                 : flow_file_check(stage, r->files.items[i]);
    if (rc == FLOW_OK && r->files.count == 0)
        rc = flow_stage_fail(stage, FLOW_EINVAL, "'path' names no file");
    return rc == FLOW_OK ? check_order(r, stage) : rc;
}

/* The one file that is followed need not be there yet. */
static enum flow_status open_followed(struct reader *r, struct flow_stage *stage)
{
    struct stat st;
    if (r->path.count != 1 || strcmp(r->path.items[0], "-") == 0)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'follow' takes one file: 'path' has %zu; use a stage for each",
                               r->path.count);
    const char *path = r->path.items[0];
    if (r->compression == FLOW_PACKING_GZ || r->compression == FLOW_PACKING_ZST)
        return flow_stage_fail(stage, FLOW_EINVAL, "'%s': a compressed file cannot be followed",
                               path);
    r->compression = FLOW_PACKING_NONE;
    const bool exists = stat(path, &st) == 0;
    if (exists && !S_ISREG(st.st_mode))
        return flow_stage_fail(stage, FLOW_EINVAL, "'%s': only plain files can be followed", path);
    if (!exists)
        flow_log(stage, "waiting for '%s'", path);
    r->skips = exists && r->follow_from == START_END && !flow_stage_info(stage)->resumes;
    return flow_follow_start(&r->watch, stage, path);
}

static enum flow_status reader_open(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    if (r->framing == FRAMING_LENGTH && r->keep_ends)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'keep_ends' has no meaning with \"framing\": \"length\"");
    if (r->framing == FRAMING_LENGTH && r->compression == FLOW_PACKING_AUTO)
        r->compression = FLOW_PACKING_NONE;
    if (r->follow)
        return open_followed(r, stage);
    return flow_stage_info(stage)->resumes ? FLOW_OK
                                           : find_files(r, stage); /* restore knows them */
}

static void start_file(struct reader *r)
{
    r->line = 0;
    r->start = r->end = r->searched = 0;
    r->more = r->leaving = false;
}

static enum flow_status record_fail(const struct reader *r, struct flow_stage *stage)
{
    return flow_stage_fail(
        stage, FLOW_ERANGE, "'%s': %s %" PRIu64 " is longer than max_line, %" PRIu64 " bytes",
        r->in.name, r->framing == FRAMING_LINES ? "line" : "record", r->line + 1, r->max_line);
}

/* Emit the `size` bytes of a record, the last `end_size` of which are its end. */
static inline enum flow_status emit_one(struct reader *r, struct flow_stage *stage,
                                        struct flow_writer *writer, const char *line, size_t size,
                                        size_t end_size)
{
    if (size - end_size > r->max_line)
        return record_fail(r, stage);
    r->line++;
    if (r->owed > 0) {
        r->owed--;
        return FLOW_OK;
    }
    return flow_writer_emit(writer, line, r->keep_ends ? size : size - end_size);
}

/* Records that end with a byte; lines also with two. */
static enum flow_status emit_ended(struct reader *r, struct flow_stage *stage,
                                   struct flow_writer *writer, const char **at)
{
    const bool lines = r->framing == FRAMING_LINES;
    const char *line = *at;
    const char *stop = r->buf + r->end;
    struct flow_marks ends =
        flow_marks_begin(line + r->searched, (size_t)(stop - line) - r->searched, lines ? '\n' : 0);
    enum flow_status rc = FLOW_OK;
    for (int left = BURST; rc == FLOW_OK && left > 0; left--) {
        const char *end = flow_marks_next(&ends);
        r->more = end != NULL;
        if (end == NULL)
            break;
        if (r->line % 256 == 0 && flow_stopping(stage)) {
            rc = FLOW_ECLOSED;
            break;
        }
        const size_t size = (size_t)(end - line) + 1;
        rc = emit_one(r, stage, writer, line, size, lines && size >= 2 && end[-1] == '\r' ? 2 : 1);
        line = end + 1;
    }
    *at = line;
    r->searched = r->more ? 0 : (size_t)(stop - line);
    return rc;
}

/* Records that have their size before them. */
static enum flow_status emit_sized(struct reader *r, struct flow_stage *stage,
                                   struct flow_writer *writer, const char **at)
{
    enum flow_status rc = FLOW_OK;
    for (int left = BURST; rc == FLOW_OK && left > 0; left--) {
        const size_t there = (size_t)(r->buf + r->end - *at);
        const unsigned char *c = (const unsigned char *)*at;
        const uint32_t size = there < PREFIX ? 0
                                             : c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16 |
                                                   (uint32_t)c[3] << 24;
        if (size > r->max_line)
            return record_fail(r, stage);
        r->more = there >= PREFIX && there - PREFIX >= size;
        if (!r->more)
            break;
        if (r->line % 256 == 0 && flow_stopping(stage))
            return FLOW_ECLOSED;
        rc = emit_one(r, stage, writer, *at + PREFIX, size, 0);
        *at += PREFIX + size;
    }
    return rc;
}

static enum flow_status emit_records(struct reader *r, struct flow_stage *stage)
{
    const char *at = r->buf + r->start;
    struct flow_writer writer = flow_writer_begin(stage, 0);
    r->more = true;
    const enum flow_status rc = r->framing == FRAMING_LENGTH ? emit_sized(r, stage, &writer, &at)
                                                             : emit_ended(r, stage, &writer, &at);
    flow_writer_end(&writer);
    r->start = (size_t)(at - r->buf);
    return rc;
}

/*
 * What comes by a pipe from here on is new.  If the spool had more than what was pending, it had
 * the record that was begun, too.
 */
static void let_go(struct reader *r)
{
    if (r->in.waits && r->owed > 0) {
        r->start = r->end;
        r->searched = 0;
        r->owed = 0;
    }
}

/* The file has ended: its last line may lack a line end. */
static enum flow_status emit_rest(struct reader *r, struct flow_stage *stage)
{
    let_go(r);
    const size_t size = r->end - r->start;
    if (size > 0 && r->framing == FRAMING_LENGTH)
        return flow_stage_fail(stage, FLOW_EIO,
                               "'%s' ends in the middle of record %" PRIu64
                               ", with %zu bytes of it and its size",
                               r->in.name, r->line + 1, size);
    struct flow_writer writer = flow_writer_begin(stage, 0);
    const enum flow_status rc =
        size > 0 ? emit_one(r, stage, &writer, r->buf + r->start, size, 0) : FLOW_OK;
    flow_writer_end(&writer);
    r->start = r->end = r->searched = 0;
    return rc;
}

/* Room to read into: what is pending moves to the front, and a long line gets a larger buffer. */
static enum flow_status make_room(struct reader *r, struct flow_stage *stage)
{
    const size_t pending = r->end - r->start;
    if (pending > 0 && r->start > 0)
        memmove(r->buf, r->buf + r->start, pending);
    r->start = 0;
    r->end = pending;
    if (pending > r->max_line + PREFIX) /* a \r, or a size */
        return record_fail(r, stage);
    if (r->capacity - pending >= FLOW_INPUT_CHUNK / 2)
        return FLOW_OK;
    const size_t capacity = r->capacity == 0 ? FLOW_INPUT_CHUNK : r->capacity * 2;
    char *buf = realloc(r->buf, capacity);
    if (buf == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a line of '%s'", r->in.name);
    r->buf = buf;
    r->capacity = capacity;
    return FLOW_OK;
}

/* ---- a file that is followed ---- */

/* The file that the name means now; FLOW_EAGAIN: there is none. */
static enum flow_status next_followed(struct reader *r, struct flow_stage *stage)
{
    const char *path = r->path.items[0];
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        r->watch.since = 0;
        const enum flow_status rc = flow_follow_wait(&r->watch, stage, 0);
        return rc == FLOW_OK ? FLOW_EAGAIN : rc;
    }
    const enum flow_status rc = flow_input_open(&r->in, stage, path, FLOW_PACKING_NONE);
    if (rc != FLOW_OK)
        return rc;
    flow_follow_file(&r->watch, r->in.fd);
    start_file(r);
    if (r->skips && lseek(r->in.fd, 0, SEEK_END) >= 0)
        r->in.offset = (uint64_t)lseek(r->in.fd, 0, SEEK_CUR);
    r->skips = false;
    return FLOW_OK;
}

/* Somebody has emptied the file that is open, as with logrotate's copytruncate. */
static enum flow_status read_anew(struct reader *r, struct flow_stage *stage)
{
    const enum flow_status rc = emit_rest(r, stage);
    flow_log(stage, "'%s' has become shorter: reading it from its beginning", r->in.name);
    if (lseek(r->in.fd, 0, SEEK_SET) < 0)
        return flow_file_fail(stage, "read", r->in.name);
    r->in.offset = 0;
    start_file(r);
    return rc;
}

/*
 * All that is in the file has been read.  One that was renamed is left when the time is up and
 * nothing has come since: who writes to it may take a while to notice.
 */
static enum flow_status at_end(struct reader *r, struct flow_stage *stage)
{
    struct stat st;
    if (fstat(r->in.fd, &st) == 0 && (uint64_t)st.st_size < r->in.offset)
        return read_anew(r, stage);
    if (r->leaving) {
        const enum flow_status rc = emit_rest(r, stage);
        flow_input_close(&r->in);
        return rc;
    }
    r->leaving = flow_follow_moved(&r->watch, r->in.fd, r->path.items[0], r->rotate_wait);
    if (r->leaving)
        return FLOW_OK;
    const enum flow_status rc = flow_follow_wait(&r->watch, stage, r->rotate_wait);
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

static enum flow_status next_file(struct reader *r, struct flow_stage *stage)
{
    if (r->follow)
        return next_followed(r, stage);
    if (r->next_file == r->files.count)
        return FLOW_ECLOSED;
    start_file(r);
    return flow_input_open(&r->in, stage, r->files.items[r->next_file++],
                           (enum flow_packing)r->compression);
}

static enum flow_status reader_produce(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    size_t got = 0;
    enum flow_status rc = FLOW_OK;
    reader_look_at_spool(r, stage);
    if (r->in.open && r->more)
        return emit_records(r, stage);
    if (!r->in.open)
        rc = next_file(r, stage);
    if (rc == FLOW_OK)
        rc = make_room(r, stage);
    if (rc == FLOW_OK)
        rc = flow_input_read(&r->in, stage, r->buf + r->end, r->capacity - r->end, &got);
    if (rc != FLOW_OK)
        return rc == FLOW_EAGAIN ? FLOW_OK : rc;
    if (got > 0) {
        let_go(r);
        r->end += got;
        r->leaving = false;
        return emit_records(r, stage);
    }
    if (r->follow)
        return at_end(r, stage);
    rc = emit_rest(r, stage);
    flow_input_close(&r->in);
    return rc;
}

static const char *reader_weakness(const void *self)
{
    const struct reader *r = self;
    for (size_t i = 0; i < r->path.count; i++) {
        if (strcmp(r->path.items[i], "-") == 0)
            return "standard input is read once";
        if (is_read_once(r->path.items[i]))
            return "a pipe or device is read once";
    }
    return NULL;
}

static void reader_close(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    (void)stage;
    flow_input_close(&r->in);
    flow_follow_stop(&r->watch);
    flow_paths_clear(&r->files);
    free(r->buf);
}

static const struct flow_stage_type reader = {
    .name = "lines.read",
    .help = "reads files, globs or standard input and emits their lines",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct reader),
    .open = reader_open,
    .produce = reader_produce,
    .close = reader_close,
    .save = reader_save,
    .restore = reader_restore,
    .weakness = reader_weakness,
};

FLOW_PLUGIN(&reader);
