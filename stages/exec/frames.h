/* SPDX-License-Identifier: MIT */
#ifndef STAGES_EXEC_FRAMES_H
#define STAGES_EXEC_FRAMES_H

/*
 * How records are told apart on the way to a program and back, and the bytes under way.
 *
 * Threads: one owner.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/marks.h"

#define STEP ((size_t)32 << 10) /* read or written at a time: more falls out of the cache */

enum framing { LINES, NUL, LENGTH }; /* "\n" or 0 behind each; u32, little end first, before it */

struct buffer {
    uint8_t *bytes;
    size_t first, size, capacity; /* what counts lies from `first` to `size` */
};

/* Room for `size` bytes behind what is there. */
static inline uint8_t *buffer_room(struct buffer *buffer, size_t size)
{
    if (buffer->first == buffer->size)
        buffer->first = buffer->size = 0;
    if (buffer->capacity - buffer->size < size && buffer->first > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->first, buffer->size - buffer->first);
        buffer->size -= buffer->first;
        buffer->first = 0;
    }
    if (buffer->capacity - buffer->size < size) {
        size_t capacity = buffer->capacity < STEP ? STEP : buffer->capacity;
        while (capacity - buffer->size < size)
            capacity *= 2;
        uint8_t *wider = realloc(buffer->bytes, capacity);
        if (wider == NULL)
            return NULL;
        buffer->bytes = wider;
        buffer->capacity = capacity;
    }
    return buffer->bytes + buffer->size;
}

/* What ends a record, where something does. */
static inline uint8_t frame_mark(int framing)
{
    return framing == LINES ? '\n' : '\0';
}

/* Add a record.  False: no memory. */
static inline bool frame_add(struct buffer *to, int framing, const void *data, size_t size)
{
    uint8_t *at = buffer_room(to, size + 4);
    if (at == NULL)
        return false;
    to->size += size;
    if (framing == LENGTH) {
        for (int i = 0; i < 4; i++)
            *at++ = (uint8_t)(size >> (8 * i));
        to->size += 4;
    }
    memcpy(at, data, size);
    if (framing != LENGTH)
        to->bytes[to->size++] = frame_mark(framing);
    return true;
}

/* The bytes of all records of a batch without keys, one after the other. */
static inline const uint8_t *frame_span(const struct flow_batch *batch, size_t *size)
{
    const struct flow_record first = flow_batch_record(batch, 0);
    const struct flow_record last = flow_batch_record(batch, batch->count - 1);
    const uint8_t *bytes = (const uint8_t *)first.data;
    *size = (size_t)((const uint8_t *)last.data + last.size - bytes);
    return bytes;
}

/* Add the records of a batch without keys, each with a mark behind it.  False: no memory. */
static inline bool frame_add_all(struct buffer *to, int framing, const struct flow_batch *batch)
{
    enum { SHORT = 32 }; /* what is copied of a record that has less, if there is so much */
    const uint8_t mark = frame_mark(framing);
    size_t size;
    const uint8_t *end = frame_span(batch, &size);
    end += size;
    uint8_t *at = buffer_room(to, size + batch->count + SHORT);
    if (at == NULL)
        return false;
    to->size += size + batch->count;
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);) {
        const uint8_t *data = (const uint8_t *)c.record.data;
        if (c.record.size <= SHORT && end - data >= SHORT)
            memcpy(at, data, SHORT);
        else
            memcpy(at, data, c.record.size);
        at += c.record.size;
        *at++ = mark;
    }
    return true;
}

/* The next record, or what there is of it; false: it is not complete yet. */
static inline bool frame_next(struct buffer *from, int framing, const uint8_t **data, size_t *size)
{
    const uint8_t *at = from->bytes + from->first;
    const size_t left = from->size - from->first;
    if (framing != LENGTH) {
        const uint8_t *end = left > 0 ? memchr(at, frame_mark(framing), left) : NULL;
        *data = at;
        *size = end != NULL ? (size_t)(end - at) : left;
        from->first += end != NULL ? *size + 1 : 0;
        return end != NULL;
    }
    *size = left >= 4
                ? (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24
                : left;
    *data = at + 4;
    if (left < 4 || left - 4 < *size)
        return false;
    from->first += 4 + *size;
    return true;
}

#endif /* STAGES_EXEC_FRAMES_H */
