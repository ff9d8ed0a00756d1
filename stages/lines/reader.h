/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_READER_H
#define FLOW_STAGES_READER_H

/* What lines.read is made of, and what a checkpoint has of it.  Everything is inline, as in
 * lines/input.h. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lines/follow.h"
#include "lines/input.h"
#include "shared/paths.h"
#include "shared/saved.h"

enum framing { FRAMING_LINES, FRAMING_NUL, FRAMING_LENGTH };
enum start { START_BEGIN, START_END };

struct reader {
    struct flow_list path;
    int framing;     /* enum framing */
    int compression; /* enum flow_packing */
    bool keep_ends;
    uint64_t max_line;
    bool follow;
    int follow_from; /* enum start */
    int64_t rotate_wait;

    struct flow_paths files; /* the globs expanded */
    size_t next_file;

    struct flow_input in; /* what is open, if anything is */
    uint64_t line;        /* records emitted of it */
    char *buf;            /* `start` to `end` is read but not emitted */
    size_t capacity;
    size_t start, end;
    bool more;       /* whole records may be among it */
    size_t searched; /* that many bytes from `start` hold no end of a record */

    struct flow_follow watch;
    bool leaving; /* the name means another file, and this one is looked at for the last time */
    bool skips;   /* the file to open is read from its end */

    uint64_t respooled; /* as the engine has counted it, when we looked last */
    uint64_t owed;      /* so many records, the next ones, a spool has emitted already */
};

/* What the spool of a run has emitted since our state was saved is not emitted again. */
static inline void reader_look_at_spool(struct reader *r, struct flow_stage *stage)
{
    const uint64_t respooled = flow_stage_info(stage)->respooled;
    r->owed += respooled - r->respooled;
    r->respooled = respooled;
}

/* ---- checkpoints: the files, and how far the one in hand was emitted ---- */

enum place { PLACE_NONE, PLACE_FILE, PLACE_PIPE };

/* Of a plain file the place, and what lies before it; of others what was read and not emitted. */
static inline enum flow_status save_place(const struct reader *r, struct flow_stage *stage,
                                          struct flow_saver *to)
{
    const size_t pending = r->end - r->start;
    const enum flow_status rc = flow_save_number(to, r->line);
    if (rc != FLOW_OK)
        return rc;
    return r->in.waits ? flow_save_text(to, r->buf + r->start, pending)
                       : flow_input_save(&r->in, stage, to, pending);
}

static inline enum flow_status reader_save(void *self, struct flow_stage *stage,
                                           struct flow_saver *to)
{
    struct reader *r = self;
    reader_look_at_spool(r, stage);
    const enum place place = !r->in.open ? PLACE_NONE : r->in.waits ? PLACE_PIPE : PLACE_FILE;
    enum flow_status rc = flow_paths_save(&r->files, to);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, r->next_file);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, r->owed);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, place);
    return rc == FLOW_OK && place != PLACE_NONE ? save_place(r, stage, to) : rc;
}

/* The file that was followed, which may have been renamed since. */
static inline enum flow_status find_followed(struct reader *r, struct flow_stage *stage,
                                             const struct flow_input_place *place)
{
    const char *path = r->path.items[0];
    struct stat st;
    enum flow_status rc = FLOW_OK;
    r->in = (struct flow_input){.name = path};
    const bool named = stat(path, &st) == 0 && st.st_dev == place->dev && st.st_ino == place->ino;
    const int fd = named ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                         : flow_follow_find(path, place->dev, place->ino);
    if (fd < 0)
        return flow_input_open(&r->in, stage, path, FLOW_PACKING_NONE);
    r->in.fd = fd;
    rc = flow_input_take(&r->in, stage, FLOW_PACKING_NONE);
    flow_follow_file(&r->watch, fd);
    return rc;
}

static inline enum flow_status restore_file(struct reader *r, struct flow_stage *stage,
                                            struct flow_loader *from)
{
    struct flow_input_place place;
    enum flow_status rc = flow_input_load(from, &place);
    if (rc != FLOW_OK)
        return rc;
    rc = r->follow
             ? find_followed(r, stage, &place)
             : flow_input_open(&r->in, stage, r->files.items[r->next_file - 1], FLOW_PACKING_AUTO);
    return rc == FLOW_OK ? flow_input_restore(&r->in, stage, &place) : rc;
}

/* What comes by a pipe now goes on where it left off. */
static inline enum flow_status restore_pipe(struct reader *r, struct flow_stage *stage,
                                            struct flow_loader *from)
{
    const char *text;
    size_t size;
    enum flow_status rc = flow_load_text(from, &text, &size);
    if (rc == FLOW_OK && r->next_file == 0)
        rc = FLOW_EPROTO;
    if (rc == FLOW_OK)
        rc = flow_input_open(&r->in, stage, r->files.items[r->next_file - 1],
                             (enum flow_packing)r->compression);
    if (rc != FLOW_OK)
        return rc;
    r->capacity = size + FLOW_INPUT_CHUNK;
    r->buf = malloc(r->capacity);
    if (r->buf == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a line of '%s'", r->in.name);
    memcpy(r->buf, text, size);
    r->end = size;
    r->more = true; /* what is whole of it need not wait for more to come */
    return FLOW_OK;
}

static inline enum flow_status reader_restore(void *self, struct flow_stage *stage,
                                              struct flow_loader *from)
{
    struct reader *r = self;
    uint64_t next;
    uint64_t place;
    enum flow_status rc = flow_paths_load(&r->files, stage, from);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &next);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &r->owed);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &place);
    if (rc != FLOW_OK)
        return rc;
    if (next > r->files.count || place > PLACE_PIPE ||
        (place != PLACE_NONE && next == 0 && !r->follow))
        return FLOW_EPROTO;
    r->next_file = (size_t)next;
    if (place == PLACE_NONE)
        return FLOW_OK;
    rc = flow_load_number(from, &r->line);
    if (rc != FLOW_OK)
        return rc;
    return place == PLACE_FILE ? restore_file(r, stage, from) : restore_pipe(r, stage, from);
}

#endif /* FLOW_STAGES_READER_H */
