/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_TEXT_H
#define FLOW_STAGES_TEXT_H

/*
 * A text that grows, and strings written to it as JSON.  Where memory is short the text is marked
 * as failed and takes no more, so that only the end of what is built has to look.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

struct flow_text {
    char *at;
    size_t size, capacity;
    bool failed; /* there was no memory */
};

static inline bool flow_text_grow(struct flow_text *text, size_t size)
{
    const size_t capacity = (text->size + size) * 2 + 64;
    char *at = text->failed ? NULL : realloc(text->at, capacity);
    text->failed = at == NULL;
    if (at == NULL)
        return false;
    text->at = at;
    text->capacity = capacity;
    return true;
}

/* Room for `size` more bytes at text->at + text->size. */
static inline bool flow_text_reserve(struct flow_text *text, size_t size)
{
    return (!text->failed && text->capacity - text->size >= size) || flow_text_grow(text, size);
}

static inline void flow_text_add(struct flow_text *text, const void *data, size_t size)
{
    if (size == 0 || !flow_text_reserve(text, size))
        return;
    memcpy(text->at + text->size, data, size);
    text->size += size;
}

static inline void flow_text_put(struct flow_text *text, const char *string)
{
    flow_text_add(text, string, strlen(string));
}

static inline void flow_text_clear(struct flow_text *text)
{
    free(text->at);
    *text = (struct flow_text){0};
}

/* How many bytes the UTF-8 character at `c` has, of which `left` are there; 0: it is none. */
static inline size_t flow_utf8_size(const unsigned char *c, size_t left)
{
    if (c[0] < 0x80)
        return 1;
    const size_t size = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    if (c[0] < 0xc2 || c[0] > 0xf4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    const bool wrong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
                       (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f);
    return wrong ? 0 : size;
}

/* Where in `data` the first byte is that is no UTF-8; `size`: nowhere. */
static inline size_t flow_utf8_check(const void *data, size_t size)
{
    const unsigned char *c = data;
    size_t at = 0;
    while (at < size) {
        uint64_t eight;
        if (size - at >= sizeof(eight)) {
            memcpy(&eight, c + at, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        const size_t step = flow_utf8_size(c + at, size - at);
        if (step == 0)
            return at;
        at += step;
    }
    return size;
}

/* One byte inside a JSON string: itself, or an escape of up to 6 characters.  Their count. */
static inline size_t flow_text_escape(unsigned char byte, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\n\t\r\b\f\"\\";
    static const char letters[] = "ntrbf\"\\";
    const char *special = byte == 0 ? NULL : strchr(plain, byte);
    if (byte >= 0x20 && special == NULL) {
        out[0] = (char)byte;
        return 1;
    }
    out[0] = '\\';
    if (special != NULL) {
        out[1] = letters[special - plain];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[byte >> 4];
    out[5] = hex[byte & 15];
    return 6;
}

/* `data`, which is UTF-8, as a JSON string. */
static inline void flow_text_quote(struct flow_text *text, const void *data, size_t size)
{
    const unsigned char *c = data;
    if (!flow_text_reserve(text, size * 6 + 2))
        return;
    char *at = text->at + text->size;
    *at++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (c[i] >= 0x20 && c[i] != '"' && c[i] != '\\')
            *at++ = (char)c[i];
        else
            at += flow_text_escape(c[i], at);
    }
    *at++ = '"';
    text->size = (size_t)(at - text->at);
}

/* `data` as a JSON string in base64. */
static inline void flow_text_base64(struct flow_text *text, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!flow_text_reserve(text, size / 3 * 4 + 6))
        return;
    char *at = text->at + text->size;
    *at++ = '"';
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const unsigned group = (unsigned)data[i] << 16 | (left > 1 ? data[i + 1] << 8 : 0) |
                               (left > 2 ? data[i + 2] : 0);
        *at++ = digits[group >> 18];
        *at++ = digits[group >> 12 & 63];
        *at++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[group & 63] : '=';
    }
    *at++ = '"';
    text->size = (size_t)(at - text->at);
}

#endif /* FLOW_STAGES_TEXT_H */
