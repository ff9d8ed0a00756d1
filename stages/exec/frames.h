/* SPDX-License-Identifier: MIT */
#ifndef STAGES_EXEC_FRAMES_H
#define STAGES_EXEC_FRAMES_H

/*
 * How records are told apart on the way to a program and back, and the bytes under way.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STEP ((size_t)256 << 10) /* read or written at a time */

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
        to->bytes[to->size++] = framing == LINES ? '\n' : '\0';
    return true;
}

/* The next record, or what there is of it; false: it is not complete yet. */
static inline bool frame_next(struct buffer *from, int framing, const uint8_t **data, size_t *size)
{
    const uint8_t *at = from->bytes + from->first;
    const size_t left = from->size - from->first;
    if (framing != LENGTH) {
        const uint8_t *end = left > 0 ? memchr(at, framing == LINES ? '\n' : '\0', left) : NULL;
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
