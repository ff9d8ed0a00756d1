/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_INPUT_H
#define FLOW_STAGES_INPUT_H

/*
 * A file, pipe or standard input that is read from front to end, decompressed on the way if it has
 * to be, and gone on with from where it was at a checkpoint.
 *
 * A place in a plain file is an offset.  A place in a compressed one is an offset in what comes out
 * of it: going on means to decompress it again up to there.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <inttypes.h>

#include "lines/unpack.h"
#include "shared/file.h"
#include "shared/saved.h"

#define FLOW_INPUT_CHUNK ((size_t)256 << 10) /* that reads of up to so many bytes are made for */

struct flow_input {
    int fd;
    bool open;
    bool waits;             /* it is no plain file: wait before reading */
    const char *name;       /* for messages */
    enum flow_packing kind; /* FLOW_PACKING_AUTO: nobody has looked yet */
    uint64_t offset;        /* bytes that came out of it */
    struct flow_unpack unpack;
    char *packed; /* read, and not decompressed: `packed_at` to `packed_end` */
    size_t packed_at, packed_end;
    uint64_t packed_offset; /* in the file, of `packed_end` */
};

static inline void flow_input_close(struct flow_input *in)
{
    if (in->open && in->fd != STDIN_FILENO)
        (void)close(in->fd);
    in->open = false;
    flow_unpack_clear(&in->unpack);
    free(in->packed);
    in->packed = NULL;
}

static inline bool flow_input_is_packed(const struct flow_input *in)
{
    return in->kind == FLOW_PACKING_GZ || in->kind == FLOW_PACKING_ZST;
}

static inline enum flow_status flow_input_unpack_fail(const struct flow_input *in,
                                                      struct flow_stage *stage, const char *why)
{
    return flow_stage_fail(stage, FLOW_EIO, "cannot decompress '%s' at byte %" PRIu64 ": %s",
                           in->name, in->packed_offset - (in->packed_end - in->packed_at), why);
}

/* From here on what is read is decompressed. */
static inline enum flow_status flow_input_start_packed(struct flow_input *in,
                                                       struct flow_stage *stage,
                                                       enum flow_packing kind)
{
    in->kind = kind;
    if (!flow_input_is_packed(in))
        return FLOW_OK;
    const char *why = flow_unpack_start(&in->unpack, kind);
    if (why != NULL)
        return flow_input_unpack_fail(in, stage, why);
    in->packed = malloc(FLOW_INPUT_CHUNK);
    in->packed_at = in->packed_end = 0;
    in->packed_offset = 0;
    return in->packed != NULL ? FLOW_OK : flow_file_fail(stage, "read", in->name);
}

/* What has just been opened as in->fd, or not. */
static inline enum flow_status flow_input_take(struct flow_input *in, struct flow_stage *stage,
                                               enum flow_packing kind)
{
    struct stat st;
    in->open = in->fd >= 0;
    if (!in->open || fstat(in->fd, &st) != 0)
        return flow_file_fail(stage, "read", in->name);
    in->waits = !S_ISREG(st.st_mode);
    in->offset = 0;
    return flow_input_start_packed(in, stage, kind);
}

/* `path`, or "-" for standard input, borrowed until it is closed. */
static inline enum flow_status flow_input_open(struct flow_input *in, struct flow_stage *stage,
                                               const char *path, enum flow_packing kind)
{
    const bool standard = strcmp(path, "-") == 0;
    *in = (struct flow_input){.name = standard ? "standard input" : path};
    /* O_NONBLOCK: opening a named pipe does not wait for its writer; flow_wait does. */
    in->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return flow_input_take(in, stage, kind);
}

/* As flow_input_read, of what is in the file. */
static inline enum flow_status flow_input_get(struct flow_input *in, struct flow_stage *stage,
                                              char *to, size_t room, size_t *got)
{
    enum flow_status rc = in->waits ? flow_wait(stage, in->fd, POLLIN, -1) : FLOW_OK;
    if (rc != FLOW_OK)
        return rc;
    const ssize_t count = read(in->fd, to, room);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return FLOW_EAGAIN;
    if (count < 0)
        return flow_file_fail(stage, "read", in->name);
    *got = (size_t)count;
    return FLOW_OK;
}

static inline enum flow_status flow_input_read_packed(struct flow_input *in,
                                                      struct flow_stage *stage, char *to,
                                                      size_t room, size_t *got)
{
    if (in->packed_at == in->packed_end) {
        size_t count = 0;
        const enum flow_status rc = flow_input_get(in, stage, in->packed, FLOW_INPUT_CHUNK, &count);
        in->packed_at = 0;
        in->packed_end = count;
        in->packed_offset += count;
        if (rc == FLOW_OK && count == 0 && in->unpack.inside)
            return flow_input_unpack_fail(in, stage, "it ends in the middle");
        if (rc != FLOW_OK || count == 0)
            return rc;
    }
    struct flow_unpack_step step = {in->packed + in->packed_at, in->packed_end - in->packed_at, to,
                                    room};
    /* Until all that it holds back has come out, too. */
    const char *why = NULL;
    do
        why = flow_unpack_run(&in->unpack, &step);
    while (why == NULL && step.in_size > 0 && step.out_size > 0);
    in->packed_at = in->packed_end - step.in_size;
    *got = room - step.out_size;
    in->offset += *got;
    if (why != NULL)
        return flow_input_unpack_fail(in, stage, why);
    return *got > 0 ? FLOW_OK : FLOW_EAGAIN;
}

/* The first bytes say whether it is compressed; `*got` of them are at `to`. */
static inline enum flow_status flow_input_look(struct flow_input *in, struct flow_stage *stage,
                                               char *to, size_t *got)
{
    enum flow_packing kind = flow_packing_of(to, *got);
    while (kind == FLOW_PACKING_AUTO) {
        size_t more = 0;
        const enum flow_status rc = flow_input_get(in, stage, to + *got, 1, &more);
        if (rc != FLOW_OK && rc != FLOW_EAGAIN)
            return rc;
        *got += more;
        kind = rc == FLOW_OK && more == 0 ? FLOW_PACKING_NONE : flow_packing_of(to, *got);
    }
    const enum flow_status rc = flow_input_start_packed(in, stage, kind);
    if (rc != FLOW_OK || !flow_input_is_packed(in))
        return rc;
    memcpy(in->packed, to, *got);
    in->packed_end = *got;
    in->packed_offset = *got;
    *got = 0;
    return FLOW_EAGAIN;
}

/*
 * Read up to `room` bytes, of at least 8, to `to`.  FLOW_OK with `*got` 0: it has ended.
 * FLOW_EAGAIN: nothing has come yet, come again.  FLOW_ECLOSED: the run wants to stop.
 */
static inline enum flow_status flow_input_read(struct flow_input *in, struct flow_stage *stage,
                                               char *to, size_t room, size_t *got)
{
    *got = 0;
    if (flow_input_is_packed(in))
        return flow_input_read_packed(in, stage, to, room, got);
    if (in->kind == FLOW_PACKING_AUTO && room > FLOW_INPUT_CHUNK / 2)
        room = FLOW_INPUT_CHUNK / 2;
    enum flow_status rc = flow_input_get(in, stage, to, room, got);
    if (rc == FLOW_OK && *got > 0 && in->kind == FLOW_PACKING_AUTO)
        rc = flow_input_look(in, stage, to, got);
    in->offset += *got;
    return rc;
}

/* ---- checkpoints ---- */

/* Save the place `pending` bytes before what has come out of a plain file. */
static inline enum flow_status flow_input_save(const struct flow_input *in,
                                               struct flow_stage *stage, struct flow_saver *to,
                                               size_t pending)
{
    struct stat st;
    uint64_t hash = 0;
    const bool packed = flow_input_is_packed(in);
    const uint64_t place = in->offset - pending;
    const uint64_t seen = packed ? in->packed_offset : place;
    if (fstat(in->fd, &st) != 0)
        return flow_file_fail(stage, "read", in->name);
    if (!flow_trace(in->fd, seen, &hash))
        return flow_stage_fail(stage, FLOW_EIO, "'%s' has become shorter while it was read",
                               in->name);
    const uint64_t numbers[] = {in->kind, place, seen, hash, st.st_dev, st.st_ino};
    return flow_save(to, numbers, sizeof(numbers));
}

struct flow_input_place {
    uint64_t kind, place, seen, hash, dev, ino;
};

static inline enum flow_status flow_input_load(struct flow_loader *from,
                                               struct flow_input_place *place)
{
    const enum flow_status rc = flow_load(from, place, sizeof(*place));
    return rc == FLOW_OK && place->kind > FLOW_PACKING_ZST ? FLOW_EPROTO : rc;
}

static inline bool flow_input_is_same(const struct flow_input *in,
                                      const struct flow_input_place *place)
{
    uint64_t now;
    return !in->waits && flow_trace(in->fd, place->seen, &now) && now == place->hash;
}

static inline enum flow_status flow_input_changed(const struct flow_input *in,
                                                  struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_EIO,
                           "'%s' is not the file that was read before the checkpoint: what it held "
                           "up to there has changed",
                           in->name);
}

/* Read again what came before the place. */
static inline enum flow_status flow_input_skip(struct flow_input *in, struct flow_stage *stage,
                                               uint64_t place)
{
    char *bytes = malloc(FLOW_INPUT_CHUNK);
    enum flow_status rc = bytes != NULL ? FLOW_OK : flow_file_fail(stage, "read", in->name);
    while (rc == FLOW_OK && in->offset < place) {
        const uint64_t left = place - in->offset;
        const size_t room = left < FLOW_INPUT_CHUNK ? (size_t)left : FLOW_INPUT_CHUNK;
        size_t got;
        rc = flow_input_read(in, stage, bytes, room, &got);
        if (rc == FLOW_OK && got == 0)
            rc = flow_input_changed(in, stage);
        rc = rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    free(bytes);
    return rc;
}

/* Go to a place that was saved, in a file that has just been opened with FLOW_PACKING_AUTO. */
static inline enum flow_status flow_input_restore(struct flow_input *in, struct flow_stage *stage,
                                                  const struct flow_input_place *place)
{
    if (!flow_input_is_same(in, place))
        return flow_input_changed(in, stage);
    if (place->kind == FLOW_PACKING_GZ || place->kind == FLOW_PACKING_ZST) {
        const enum flow_status rc =
            flow_input_start_packed(in, stage, (enum flow_packing)place->kind);
        return rc == FLOW_OK ? flow_input_skip(in, stage, place->place) : rc;
    }
    if (lseek(in->fd, (off_t)place->place, SEEK_SET) < 0)
        return flow_file_fail(stage, "read", in->name);
    in->kind = (enum flow_packing)place->kind;
    in->offset = place->place;
    return FLOW_OK;
}

#endif /* FLOW_STAGES_INPUT_H */
