/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SAVED_H
#define FLOW_STAGES_SAVED_H

/*
 * What several built-in stages save besides numbers: texts with their size, and a mark of what a
 * file held before a place, by which it is known again.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <flowrun/stage.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline enum flow_status flow_save_text(struct flow_saver *to, const void *text, size_t size)
{
    const enum flow_status rc = flow_save_number(to, size);
    return rc == FLOW_OK ? flow_save(to, text, size) : rc;
}

/* What flow_save_text saved, borrowed until restore returns.  FLOW_EPROTO: it is not there. */
static inline enum flow_status flow_load_text(struct flow_loader *from, const char **text,
                                              size_t *size)
{
    uint64_t wanted;
    const enum flow_status rc = flow_load_number(from, &wanted);
    if (rc != FLOW_OK)
        return rc;
    if (wanted > from->left)
        return FLOW_EPROTO;
    *size = (size_t)wanted;
    *text = flow_load_bytes(from, *size);
    return FLOW_OK;
}

/* The same as a string of one's own; FLOW_ENOMEM. */
static inline enum flow_status flow_load_string(struct flow_loader *from, char **string)
{
    const char *text;
    size_t size;
    const enum flow_status rc = flow_load_text(from, &text, &size);
    if (rc != FLOW_OK)
        return rc;
    char *copy = strndup(text, size);
    if (copy == NULL)
        return FLOW_ENOMEM;
    *string = copy;
    return FLOW_OK;
}

#define FLOW_FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FLOW_FNV_PRIME UINT64_C(0x100000001b3)

#define FLOW_TRACE                                                                                 \
    ((size_t)4096) /* so many bytes before a place tell whether it is the same file */

/* A hash of the bytes of the file before `offset`, FNV-1a; false: they are not there. */
static inline bool flow_trace(int fd, uint64_t offset, uint64_t *hash)
{
    unsigned char bytes[FLOW_TRACE];
    const size_t size = offset < FLOW_TRACE ? (size_t)offset : FLOW_TRACE;
    size_t at = 0;
    while (at < size) {
        const ssize_t got = pread(fd, bytes + at, size - at, (off_t)(offset - size + at));
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        at += got > 0 ? (size_t)got : 0;
    }
    uint64_t sum = FLOW_FNV_BASIS;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * FLOW_FNV_PRIME;
    *hash = sum;
    return true;
}

#endif /* FLOW_STAGES_SAVED_H */
