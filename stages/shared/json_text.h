/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_JSON_TEXT_H
#define FLOW_STAGES_JSON_TEXT_H

/*
 * The characters of JSON: what UTF-8 is, what an escape stands for, and how a text becomes a string
 * and back.  RFC 8259, RFC 3629.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The size of the character of two or more bytes at `at`, 2 to 4; 0: that is not UTF-8. */
static inline size_t flow_json_utf8(const unsigned char *at, const unsigned char *end)
{
    const size_t left = (size_t)(end - at);
    const unsigned char c = at[0];
    if (c >= 0xc2 && c < 0xe0)
        return left >= 2 && (at[1] & 0xc0) == 0x80 ? 2 : 0;
    if (c >= 0xe0 && c < 0xf0) {
        const unsigned char low = c == 0xe0 ? 0xa0 : 0x80;  /* not what fits into two bytes */
        const unsigned char high = c == 0xed ? 0x9f : 0xbf; /* no surrogates */
        return left >= 3 && at[1] >= low && at[1] <= high && (at[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (c >= 0xf0 && c < 0xf5) {
        const unsigned char low = c == 0xf0 ? 0x90 : 0x80;
        const unsigned char high = c == 0xf4 ? 0x8f : 0xbf; /* up to U+10FFFF */
        return left >= 4 && at[1] >= low && at[1] <= high && (at[2] & 0xc0) == 0x80 &&
                       (at[3] & 0xc0) == 0x80
                   ? 4
                   : 0;
    }
    return 0;
}

/* The number that four hexadecimal digits stand for; -1: they are something else. */
static inline int32_t flow_json_hex4(const unsigned char *at)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned digit = at[i] - (unsigned)'0';
        const unsigned letter = (at[i] | 0x20u) - 'a';
        if (digit >= 10 && letter >= 6)
            return -1;
        value = value * 16 + (int32_t)(digit < 10 ? digit : letter + 10);
    }
    return value;
}

/*
 * What the escape stands for whose backslash is at `at`: a code point, and in `*size` how many
 * bytes the escape has.  -1: there is no such escape, or half of a surrogate pair.
 */
static inline int32_t flow_json_escape(const unsigned char *at, const unsigned char *end,
                                       size_t *size)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2 || at[1] == 0)
        return -1;
    const char *letter = strchr(letters, at[1]);
    *size = 2;
    if (letter != NULL)
        return values[letter - letters];
    if (at[1] != 'u' || end - at < 6)
        return -1;
    const int32_t high = flow_json_hex4(at + 2);
    *size = 6;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return -1;
    const int32_t low = flow_json_hex4(at + 8);
    *size = 12;
    return low < 0xdc00 || low > 0xdfff ? -1 : 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Write a code point as UTF-8, up to 4 bytes; how many they are. */
static inline size_t flow_json_put_utf8(int32_t point, char *out)
{
    const uint32_t p = (uint32_t)point;
    if (p < 0x80) {
        out[0] = (char)p;
        return 1;
    }
    const size_t size = p < 0x800 ? 2 : p < 0x10000 ? 3 : 4;
    const unsigned first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--)
        out[i] = (char)(0x80 | (p >> 6 * (size - 1 - i) & 0x3f));
    out[0] = (char)(first[size] | p >> 6 * (size - 1));
    return size;
}

/* The inside of a valid string as text, which is never longer; its size. */
static inline size_t flow_json_unescape(const unsigned char *at, const unsigned char *end,
                                        char *out)
{
    char *to = out;
    while (at < end) {
        const unsigned char *stop = memchr(at, '\\', (size_t)(end - at));
        const size_t plain = (size_t)((stop != NULL ? stop : end) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (stop != NULL) {
            size_t used = 0;
            to += flow_json_put_utf8(flow_json_escape(at, end, &used), to);
            at += used;
        }
    }
    return (size_t)(to - out);
}

/* Is the inside of a valid string, once its escapes are undone, this text? */
static inline bool flow_json_is(const unsigned char *at, const unsigned char *end, const char *text,
                                size_t size)
{
    const char *stop = text + size;
    while (at < end) {
        char c[4] = {(char)*at};
        size_t used = 1;
        const size_t count =
            *at == '\\' ? flow_json_put_utf8(flow_json_escape(at, end, &used), c) : 1;
        if ((size_t)(stop - text) < count || memcmp(text, c, count) != 0)
            return false;
        text += count;
        at += used;
    }
    return text == stop;
}

/* How many of the 8 bytes at `at` come before one that is no plain part of a string; 8: none is. */
static inline size_t flow_json_plain(const unsigned char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t eight;
    memcpy(&eight, at, sizeof(eight));
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
        eight = __builtin_bswap64(eight);
    const uint64_t quote = eight ^ ones * '"';
    const uint64_t slash = eight ^ ones * '\\';
    /* The lowest bit that is set belongs to the first such byte; higher ones may be borrows. */
    const uint64_t found =
        ((quote - ones) | (slash - ones) | (eight - ones * ' ') | eight) & ones * 0x80;
    return found == 0 ? 8 : (size_t)__builtin_ctzll(found) / 8;
}

/* At most so many bytes are written for each byte of a text that becomes a string. */
#define FLOW_JSON_ESCAPE_MAX 6

/* A text as the inside of a string; the size.  SIZE_MAX: it is not UTF-8. */
static inline size_t flow_json_put_text(const void *text, size_t size, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char specials[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const unsigned char *at = text;
    const unsigned char *end = at + size;
    char *to = out;
    while (at < end) {
        if (end - at >= 8) {
            const size_t plain = flow_json_plain(at);
            memcpy(to, at, 8); /* there is room: no fewer will be made of these 8 */
            to += plain;
            at += plain;
            if (plain == 8)
                continue;
        }
        if (*at >= 0x80) {
            const size_t count = flow_json_utf8(at, end);
            if (count == 0)
                return SIZE_MAX;
            memcpy(to, at, count);
            to += count;
            at += count;
            continue;
        }
        const unsigned char c = *at++;
        if (c >= 0x20 && c != '"' && c != '\\') {
            *to++ = (char)c;
            continue;
        }
        *to++ = '\\';
        const char *special = c != 0 ? strchr(specials, c) : NULL;
        if (special != NULL) {
            *to++ = letters[special - specials];
        } else {
            memcpy(to, "u00", 3);
            to[3] = hex[c >> 4];
            to[4] = hex[c & 15];
            to += 5;
        }
    }
    return (size_t)(to - out);
}

/* The size of a text, in UTF-8, as the inside of a string. */
static inline size_t flow_json_text_size(const char *text, size_t size)
{
    size_t sum = size;
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            sum++;
        else if (c < 0x20)
            sum += FLOW_JSON_ESCAPE_MAX - 1;
    }
    return sum;
}

/* A valid value without the white space between its parts; the size. */
static inline size_t flow_json_compact(const unsigned char *at, const unsigned char *end, char *out)
{
    char *to = out;
    bool inside = false; /* of a string */
    while (at < end) {
        const unsigned char c = *at++;
        if (!inside && (c == ' ' || c == '\n' || c == '\t' || c == '\r'))
            continue;
        *to++ = (char)c;
        if (c == '"')
            inside = !inside;
        else if (c == '\\') /* only in strings; what is escaped ends none */
            *to++ = (char)*at++;
    }
    return (size_t)(to - out);
}

#endif /* FLOW_STAGES_JSON_TEXT_H */
