/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "shared/file.h"

#define CHUNK ((size_t)256 << 10)
#define BURST 512 /* lines that a call of produce emits at most: checkpoints fall between calls */

struct reader {
    struct flow_list path;
    bool keep_ends;
    uint64_t max_line;

    char **files; /* the globs expanded */
    size_t file_count, file_capacity;
    size_t next_file;

    bool reading; /* the fields below belong to an open file */
    bool waits;   /* it is no plain file: wait before reading */
    int fd;
    const char *name; /* for messages */
    uint64_t line;    /* lines emitted of it */
    char *buf;        /* `start` to `end` is read but not emitted */
    size_t capacity;
    size_t start, end;
    bool more;       /* whole lines may be among it */
    size_t searched; /* that many bytes from `start` hold no line end */
    uint64_t offset; /* in the file, of `end` */
};

static const struct flow_param params[] = {
    FLOW_PARAM_LIST(struct reader, path, FLOW_REQUIRED,
                    "files or globs, as a.txt, *.txt, {a,b}.txt; \"-\": standard input"),
    FLOW_PARAM_BOOL(struct reader, keep_ends, "false", "leave \\n or \\r\\n on each record"),
    FLOW_PARAM_SIZE(struct reader, max_line, "64MiB", 1, FLOW_RECORD_MAX - 2,
                    "a longer line ends the run [bytes]"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "text", "one line a record, without its line end"},
    {NULL, NULL, NULL},
};

static enum flow_status add_file(struct reader *r, struct flow_stage *stage, const char *path)
{
    if (r->file_count == r->file_capacity) {
        const size_t capacity = r->file_capacity == 0 ? 16 : r->file_capacity * 2;
        char **files = realloc(r->files, capacity * sizeof(*files));
        if (files == NULL)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu file names", capacity);
        r->files = files;
        r->file_capacity = capacity;
    }
    r->files[r->file_count] = strdup(path);
    if (r->files[r->file_count] == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
    r->file_count++;
    return FLOW_OK;
}

/* What cannot be read is found before the run starts, as far as that can be known. */
static enum flow_status add_checked(struct reader *r, struct flow_stage *stage, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return flow_file_fail(stage, "read", path);
    if (S_ISDIR(st.st_mode))
        return flow_stage_fail(stage, FLOW_EIO, "cannot read '%s': it is a folder", path);
    if (access(path, R_OK) != 0)
        return flow_file_fail(stage, "read", path);
    return add_file(r, stage, path);
}

static enum flow_status add_matches(struct reader *r, struct flow_stage *stage, const char *pattern)
{
    glob_t found = {0};
    enum flow_status rc = FLOW_OK;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): with these flags it asks for nothing of the user's */
    const int failed = glob(pattern, GLOB_NOMAGIC, NULL, &found);
    if (failed == GLOB_NOMATCH)
        rc = flow_stage_fail(stage, FLOW_EIO, "nothing matches '%s'", pattern);
    else if (failed != 0)
        rc = flow_stage_fail(stage, failed == GLOB_NOSPACE ? FLOW_ENOMEM : FLOW_EIO,
                             "cannot look for '%s'", pattern);
    for (size_t i = 0; rc == FLOW_OK && i < found.gl_pathc; i++)
        rc = add_checked(r, stage, found.gl_pathv[i]);
    globfree(&found);
    return rc;
}

static enum flow_status add_pattern(struct reader *r, struct flow_stage *stage,
                                    const char *pattern);

/* a{b,c}d is abd and acd; `open` points at the brace.  They do not nest. */
static enum flow_status add_choices(struct reader *r, struct flow_stage *stage, const char *pattern,
                                    const char *open)
{
    const char *choice = open + 1;
    for (;;) {
        const size_t size = strcspn(choice, ",}");
        const char *rest = strchr(choice, '}') + 1;
        char *one = NULL;
        if (asprintf(&one, "%.*s%.*s%s", (int)(open - pattern), pattern, (int)size, choice, rest) <
            0)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
        const enum flow_status rc = add_pattern(r, stage, one);
        free(one);
        if (rc != FLOW_OK || choice[size] == '}')
            return rc;
        choice += size + 1;
    }
}

static enum flow_status add_pattern(struct reader *r, struct flow_stage *stage, const char *pattern)
{
    if (strcmp(pattern, "-") == 0)
        return add_file(r, stage, pattern);
    if (access(pattern, F_OK) == 0) /* also a name that looks like a pattern */
        return add_checked(r, stage, pattern);
    const char *open = strchr(pattern, '{');
    if (open != NULL && strchr(open, '}') != NULL)
        return add_choices(r, stage, pattern, open);
    return add_matches(r, stage, pattern);
}

static enum flow_status reader_open(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    enum flow_status rc = FLOW_OK;
    if (flow_stage_info(stage)->resumes) /* restore knows the files */
        return FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < r->path.count; i++)
        rc = add_pattern(r, stage, r->path.items[i]);
    if (rc == FLOW_OK && r->file_count == 0)
        rc = flow_stage_fail(stage, FLOW_EINVAL, "'path' names no file");
    return rc;
}

static enum flow_status file_open(struct reader *r, struct flow_stage *stage, const char *path)
{
    const bool standard = strcmp(path, "-") == 0;
    r->name = standard ? "standard input" : path;
    /* O_NONBLOCK: opening a named pipe does not wait for its writer; flow_wait does. */
    r->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    r->reading = r->fd >= 0;
    struct stat st;
    if (!r->reading || fstat(r->fd, &st) != 0)
        return flow_file_fail(stage, "read", r->name);
    r->waits = !S_ISREG(st.st_mode);
    r->line = 0;
    r->start = r->end = r->searched = 0;
    r->more = false;
    r->offset = 0;
    return FLOW_OK;
}

static void file_close(struct reader *r)
{
    if (r->reading && r->fd != STDIN_FILENO)
        (void)close(r->fd);
    r->reading = false;
}

static enum flow_status line_fail(const struct reader *r, struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ERANGE,
                           "'%s': line %" PRIu64 " is longer than max_line, %" PRIu64 " bytes",
                           r->name, r->line + 1, r->max_line);
}

/* Emit the `size` bytes of a line, the last `end_size` of which are its line end. */
static enum flow_status emit_line(struct reader *r, struct flow_stage *stage,
                                  struct flow_writer *writer, const char *line, size_t size,
                                  size_t end_size)
{
    if (size - end_size > r->max_line)
        return line_fail(r, stage);
    r->line++;
    return flow_writer_emit(writer, line, r->keep_ends ? size : size - end_size);
}

static enum flow_status emit_lines(struct reader *r, struct flow_stage *stage)
{
    const char *line = r->buf + r->start;
    const char *from = line + r->searched;
    const char *stop = r->buf + r->end;
    struct flow_writer writer = flow_writer_begin(stage, 0);
    enum flow_status rc = FLOW_OK;
    r->more = true;
    for (int left = BURST; rc == FLOW_OK && left > 0; left--) {
        const char *end = memchr(from, '\n', (size_t)(stop - from));
        r->more = end != NULL;
        if (end == NULL)
            break;
        if (r->line % 256 == 0 && flow_stopping(stage)) {
            rc = FLOW_ECLOSED;
            break;
        }
        const size_t size = (size_t)(end - line) + 1;
        rc = emit_line(r, stage, &writer, line, size, size >= 2 && end[-1] == '\r' ? 2 : 1);
        line = from = end + 1;
    }
    flow_writer_end(&writer);
    r->start = (size_t)(line - r->buf);
    r->searched = r->more ? 0 : (size_t)(stop - line);
    return rc;
}

/* The file has ended: its last line may lack a line end. */
static enum flow_status emit_rest(struct reader *r, struct flow_stage *stage)
{
    const size_t size = r->end - r->start;
    struct flow_writer writer = flow_writer_begin(stage, 0);
    const enum flow_status rc =
        size > 0 ? emit_line(r, stage, &writer, r->buf + r->start, size, 0) : FLOW_OK;
    flow_writer_end(&writer);
    file_close(r);
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
    if (pending > r->max_line + 1) /* one more for a \r */
        return line_fail(r, stage);
    if (r->capacity - pending >= CHUNK / 2)
        return FLOW_OK;
    const size_t capacity = r->capacity == 0 ? CHUNK : r->capacity * 2;
    char *buf = realloc(r->buf, capacity);
    if (buf == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a line of '%s'", r->name);
    r->buf = buf;
    r->capacity = capacity;
    return FLOW_OK;
}

static enum flow_status reader_produce(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    enum flow_status rc = FLOW_OK;
    if (r->reading && r->more)
        return emit_lines(r, stage);
    if (!r->reading) {
        if (r->next_file == r->file_count)
            return FLOW_ECLOSED;
        rc = file_open(r, stage, r->files[r->next_file++]);
    }
    if (rc == FLOW_OK)
        rc = make_room(r, stage);
    if (rc == FLOW_OK && r->waits)
        rc = flow_wait(stage, r->fd, POLLIN, -1);
    if (rc != FLOW_OK)
        return rc == FLOW_EAGAIN ? FLOW_OK : rc;
    const ssize_t got = read(r->fd, r->buf + r->end, r->capacity - r->end);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return FLOW_OK;
    if (got < 0)
        return flow_file_fail(stage, "read", r->name);
    if (got == 0)
        return emit_rest(r, stage);
    r->end += (size_t)got;
    r->offset += (size_t)got;
    return emit_lines(r, stage);
}

/* ---- checkpoints: the files, and how far the one in hand was emitted ---- */

#define TRACE                                                                                      \
    ((size_t)4096) /* so many bytes before that place tell whether it is the same file             \
                    */

/* A hash of the bytes of the file before `offset`, FNV-1a; false: they are not there. */
static bool trace(int fd, uint64_t offset, uint64_t *hash)
{
    unsigned char bytes[TRACE];
    const size_t size = offset < TRACE ? (size_t)offset : TRACE;
    size_t at = 0;
    while (at < size) {
        const ssize_t got = pread(fd, bytes + at, size - at, (off_t)(offset - size + at));
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        at += got > 0 ? (size_t)got : 0;
    }
    *hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        *hash = (*hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return true;
}

static enum flow_status save_text(struct flow_saver *to, const char *text, size_t size)
{
    const enum flow_status rc = flow_save_number(to, size);
    return rc == FLOW_OK ? flow_save(to, text, size) : rc;
}

/* Of a plain file the place, and what lies before it; of others what was read and not emitted. */
static enum flow_status save_place(const struct reader *r, struct flow_stage *stage,
                                   struct flow_saver *to)
{
    const size_t pending = r->end - r->start;
    uint64_t hash = 0;
    enum flow_status rc = flow_save_number(to, r->line);
    if (rc != FLOW_OK || r->waits)
        return rc == FLOW_OK ? save_text(to, r->buf + r->start, pending) : rc;
    if (!trace(r->fd, r->offset - pending, &hash))
        return flow_stage_fail(stage, FLOW_EIO, "'%s' has become shorter while it was read",
                               r->name);
    rc = flow_save_number(to, r->offset - pending);
    return rc == FLOW_OK ? flow_save_number(to, hash) : rc;
}

static enum flow_status reader_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct reader *r = self;
    enum flow_status rc = flow_save_number(to, r->file_count);
    for (size_t i = 0; rc == FLOW_OK && i < r->file_count; i++)
        rc = save_text(to, r->files[i], strlen(r->files[i]));
    if (rc == FLOW_OK)
        rc = flow_save_number(to, r->next_file);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, r->reading ? (r->waits ? 2 : 1) : 0);
    return rc == FLOW_OK && r->reading ? save_place(r, stage, to) : rc;
}

/* The files as they were found then, whatever a glob would find now. */
static enum flow_status restore_files(struct reader *r, struct flow_stage *stage,
                                      struct flow_loader *from)
{
    uint64_t count;
    enum flow_status rc = flow_load_number(from, &count);
    while (r->file_count > 0)
        free(r->files[--r->file_count]);
    for (; rc == FLOW_OK && count > 0; count--) {
        uint64_t size;
        rc = flow_load_number(from, &size);
        const char *text =
            rc == FLOW_OK && size <= from->left ? flow_load_bytes(from, (size_t)size) : NULL;
        if (text == NULL)
            return FLOW_EPROTO;
        char *path = strndup(text, (size_t)size);
        rc = path != NULL ? add_file(r, stage, path)
                          : flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
        free(path);
    }
    return rc;
}

static enum flow_status changed(const struct reader *r, struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_EIO,
                           "'%s' is not the file that was read before the checkpoint: what it held "
                           "up to there has changed",
                           r->name);
}

static enum flow_status restore_place(struct reader *r, struct flow_stage *stage,
                                      struct flow_loader *from)
{
    uint64_t offset;
    uint64_t hash;
    uint64_t now;
    enum flow_status rc = flow_load_number(from, &offset);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &hash);
    if (rc != FLOW_OK)
        return rc;
    if (r->waits || !trace(r->fd, offset, &now) || now != hash)
        return changed(r, stage);
    if (lseek(r->fd, (off_t)offset, SEEK_SET) < 0)
        return flow_file_fail(stage, "read", r->name);
    r->offset = offset;
    return FLOW_OK;
}

/* What comes by a pipe now goes on where it left off. */
static enum flow_status restore_pending(struct reader *r, struct flow_stage *stage,
                                        struct flow_loader *from)
{
    uint64_t size;
    const enum flow_status rc = flow_load_number(from, &size);
    const char *text =
        rc == FLOW_OK && size <= from->left ? flow_load_bytes(from, (size_t)size) : NULL;
    if (text == NULL)
        return FLOW_EPROTO;
    r->capacity = (size_t)size + CHUNK;
    r->buf = malloc(r->capacity);
    if (r->buf == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a line of '%s'", r->name);
    memcpy(r->buf, text, (size_t)size);
    r->end = (size_t)size;
    return FLOW_OK;
}

static enum flow_status reader_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct reader *r = self;
    uint64_t next;
    uint64_t reading;
    uint64_t line;
    enum flow_status rc = restore_files(r, stage, from);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &next);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &reading);
    if (rc != FLOW_OK)
        return rc;
    if (next > r->file_count || (reading != 0 && next == 0))
        return FLOW_EPROTO;
    r->next_file = (size_t)next;
    if (reading == 0)
        return FLOW_OK;
    rc = file_open(r, stage, r->files[next - 1]);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &line);
    if (rc != FLOW_OK)
        return rc;
    r->line = line;
    return reading == 1 ? restore_place(r, stage, from) : restore_pending(r, stage, from);
}

static const char *reader_weakness(const void *self)
{
    const struct reader *r = self;
    for (size_t i = 0; i < r->path.count; i++) {
        struct stat st;
        if (strcmp(r->path.items[i], "-") == 0)
            return "standard input is read once";
        if (stat(r->path.items[i], &st) == 0 && !S_ISREG(st.st_mode))
            return "a pipe or device is read once";
    }
    return NULL;
}

static void reader_close(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    (void)stage;
    file_close(r);
    for (size_t i = 0; i < r->file_count; i++)
        free(r->files[i]);
    free(r->files);
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
