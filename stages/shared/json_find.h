/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_JSON_FIND_H
#define FLOW_STAGES_JSON_FIND_H

/*
 * Values in a JSON text (RFC 8259), found where they stand, without a tree: the members of an
 * object one after the other, or what a JSON pointer (RFC 6901) names.  What is walked over is
 * checked: a text that ends too early or is no JSON is told from one in which something is absent.
 * Values nest at most FLOW_JSON_DEPTH deep; of equal names in an object the first one counts.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#define FLOW_JSON_DEPTH 32u

struct flow_json {
    const char *at; /* of a string its opening quote */
    size_t size;
    char kind; /* '"' string, '0' number, '{', '[', 't', 'f', 'n' */
};

enum flow_json_found { FLOW_JSON_FOUND, FLOW_JSON_ABSENT, FLOW_JSON_BROKEN };

static inline const char *flow_json_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

static inline bool flow_json_is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static inline int flow_json_hex(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = at[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Behind the string whose opening quote is at `at`; NULL: it is none. */
static inline const char *flow_json_skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        const unsigned char c = (unsigned char)*at;
        if (c == '"')
            return at + 1;
        if (c < 0x20)
            return NULL;
        if (c != '\\')
            continue;
        at++;
        if (at < end && *at == 'u') {
            if (end - at < 5 || flow_json_hex(at + 1) < 0)
                return NULL;
            at += 4;
        } else if (at == end || *at == '\0' || strchr("\"\\/bfnrt", *at) == NULL) {
            return NULL;
        }
    }
    return NULL;
}

static inline const char *flow_json_skip_number(const char *at, const char *end)
{
    if (at < end && *at == '-')
        at++;
    if (!flow_json_is_digit(at, end))
        return NULL;
    if (*at == '0')
        at++;
    else
        while (flow_json_is_digit(at, end))
            at++;
    if (at < end && *at == '.') {
        at++;
        if (!flow_json_is_digit(at, end))
            return NULL;
        while (flow_json_is_digit(at, end))
            at++;
    }
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    if (!flow_json_is_digit(at, end))
        return NULL;
    while (flow_json_is_digit(at, end))
        at++;
    return at;
}

static inline const char *flow_json_skip_word(const char *at, const char *end, const char *word)
{
    const size_t size = strlen(word);
    return (size_t)(end - at) >= size && memcmp(at, word, size) == 0 ? at + size : NULL;
}

static inline const char *flow_json_skip(const char *at, const char *end, unsigned depth);

/* One member `"name": value` of an object; behind it. */
static inline const char *flow_json_skip_member(const char *at, const char *end,
                                                struct flow_json *name, struct flow_json *value,
                                                unsigned depth)
{
    at = flow_json_blank(at, end);
    const char *stop = at < end && *at == '"' ? flow_json_skip_string(at, end) : NULL;
    if (stop == NULL)
        return NULL;
    *name = (struct flow_json){at, (size_t)(stop - at), '"'};
    at = flow_json_blank(stop, end);
    if (at == end || *at != ':')
        return NULL;
    at = flow_json_blank(at + 1, end);
    stop = flow_json_skip(at, end, depth);
    if (stop == NULL)
        return NULL;
    const char kind = *at == '-' || (*at >= '0' && *at <= '9') ? '0' : *at;
    *value = (struct flow_json){at, (size_t)(stop - at), kind};
    return stop;
}

/* An object or array, from its bracket on. */
static inline const char *flow_json_skip_nest(const char *at, const char *end, unsigned depth)
{
    const bool object = *at == '{';
    const char close = object ? '}' : ']';
    at = flow_json_blank(at + 1, end);
    if (at < end && *at == close)
        return at + 1;
    while (depth > 0) {
        struct flow_json name;
        struct flow_json value;
        at = flow_json_blank(at, end);
        at = object ? flow_json_skip_member(at, end, &name, &value, depth - 1)
                    : flow_json_skip(at, end, depth - 1);
        at = at != NULL ? flow_json_blank(at, end) : NULL;
        if (at == NULL || at == end || (*at != ',' && *at != close))
            return NULL;
        if (*at++ == close)
            return at;
    }
    return NULL;
}

/* Behind the value at `at`, which nests at most `depth` deep; NULL: there is none. */
static inline const char *flow_json_skip(const char *at, const char *end, unsigned depth)
{
    if (at == end)
        return NULL;
    switch (*at) {
    case '"':
        return flow_json_skip_string(at, end);
    case '{':
    case '[':
        return flow_json_skip_nest(at, end, depth);
    case 't':
        return flow_json_skip_word(at, end, "true");
    case 'f':
        return flow_json_skip_word(at, end, "false");
    case 'n':
        return flow_json_skip_word(at, end, "null");
    default:
        return flow_json_skip_number(at, end);
    }
}

/* The whole text is one value, with blanks around it. */
static inline bool flow_json_whole(const void *data, size_t size, struct flow_json *value)
{
    const char *end = (const char *)data + size;
    const char *at = flow_json_blank(data, end);
    const char *stop = flow_json_skip(at, end, FLOW_JSON_DEPTH);
    if (stop == NULL || flow_json_blank(stop, end) != end)
        return false;
    const char kind = *at == '-' || (*at >= '0' && *at <= '9') ? '0' : *at;
    *value = (struct flow_json){at, (size_t)(stop - at), kind};
    return true;
}

/* A walk over the members of an object, or the elements of an array. */
struct flow_json_walk {
    const char *at, *end;
    bool object;
    bool broken; /* it stopped at what is no JSON */
};

/* The text of an object or array, and perhaps more behind it. */
static inline struct flow_json_walk flow_json_begin(const char *at, const char *end)
{
    return (struct flow_json_walk){.at = at, .end = end, .object = *at == '{'};
}

/* The next member; of an array, `name` is left alone.  False: no more, or broken. */
static inline bool flow_json_next(struct flow_json_walk *walk, struct flow_json *name,
                                  struct flow_json *value)
{
    const bool first = *walk->at == '{' || *walk->at == '[';
    const char close = walk->object ? '}' : ']';
    const char *at = flow_json_blank(walk->at + 1, walk->end);
    if (first && at < walk->end && *at == close) {
        walk->at = at;
        return false;
    }
    if (walk->object) {
        at = flow_json_skip_member(at, walk->end, name, value, FLOW_JSON_DEPTH - 1);
    } else {
        const char *stop = flow_json_skip(at, walk->end, FLOW_JSON_DEPTH - 1);
        *value = (struct flow_json){at, stop != NULL ? (size_t)(stop - at) : 0, '0'};
        if (stop != NULL && *at != '-' && (*at < '0' || *at > '9'))
            value->kind = *at;
        at = stop;
    }
    at = at != NULL ? flow_json_blank(at, walk->end) : NULL;
    walk->broken = at == NULL || at == walk->end || (*at != ',' && *at != close);
    if (walk->broken)
        return false;
    walk->at = at;
    return true;
}

/* After flow_json_next: was that the last one? */
static inline bool flow_json_is_last(const struct flow_json_walk *walk)
{
    return *walk->at == (walk->object ? '}' : ']');
}

/* ---- strings ---- */

static inline size_t flow_json_put_utf8(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* What \uXXXX, and a second one behind it, stand for; half a pair is U+FFFD. */
static inline size_t flow_json_decode_u(const char **at, const char *end, char *out)
{
    unsigned code = (unsigned)flow_json_hex(*at);
    *at += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        const unsigned low = (unsigned)flow_json_hex(*at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            *at += 6;
        }
    }
    if (code >= 0xd800 && code < 0xe000)
        code = 0xfffd;
    return flow_json_put_utf8(code, out);
}

/* One character of a string that has been checked: up to 4 bytes at `out`, their count. */
static inline size_t flow_json_decode(const char **at, const char *end, char *out)
{
    static const char letters[] = "bfnrt";
    static const char plain[] = "\b\f\n\r\t";
    if (**at != '\\') {
        out[0] = *(*at)++;
        return 1;
    }
    const char c = (*at)[1];
    *at += 2;
    if (c == 'u')
        return flow_json_decode_u(at, end, out);
    const char *letter = strchr(letters, c);
    out[0] = letter != NULL ? plain[letter - letters] : c;
    return 1;
}

/* The text of a string, at most value->size bytes at `out`; its size. */
static inline size_t flow_json_unescape(const struct flow_json *value, char *out)
{
    const char *at = value->at + 1;
    const char *end = value->at + value->size - 1;
    char *to = out;
    if (memchr(at, '\\', (size_t)(end - at)) == NULL) {
        memcpy(out, at, (size_t)(end - at));
        return (size_t)(end - at);
    }
    while (at < end)
        to += flow_json_decode(&at, end, to);
    return (size_t)(to - out);
}

/* Is this the text of the string? */
static inline bool flow_json_is(const struct flow_json *string, const char *text, size_t size)
{
    const char *at = string->at + 1;
    const char *end = at + string->size - 2;
    if ((size_t)(end - at) == size && memcmp(at, text, size) == 0)
        return memchr(text, '\\', size) == NULL;
    if (size >= (size_t)(end - at) || memchr(at, '\\', (size_t)(end - at)) == NULL)
        return false;
    while (at < end) {
        char some[4];
        const size_t count = flow_json_decode(&at, end, some);
        if (count > size || memcmp(some, text, count) != 0)
            return false;
        text += count;
        size -= count;
    }
    return size == 0;
}

/* ---- pointers ---- */

/* A JSON pointer, taken apart. */
struct flow_json_pointer {
    char *tokens; /* one after the other, each with a zero behind it */
    size_t count;
};

/* "": the whole text.  What is wrong with it, or NULL. */
static inline const char *flow_json_pointer_init(struct flow_json_pointer *pointer,
                                                 const char *text)
{
    if (text[0] != '\0' && text[0] != '/')
        return "it does not begin with a '/'";
    pointer->tokens = malloc(strlen(text) + 1);
    if (pointer->tokens == NULL)
        return "there is no memory";
    char *to = pointer->tokens;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '~' && c[1] != '0' && c[1] != '1')
            return "a '~' stands before neither 0 nor 1";
        if (*c == '/') {
            if (pointer->count++ > 0)
                *to++ = '\0';
        } else {
            *to++ = *c != '~' ? *c : *++c == '0' ? '~' : '/';
        }
    }
    *to = '\0';
    return NULL;
}

static inline void flow_json_pointer_clear(struct flow_json_pointer *pointer)
{
    free(pointer->tokens);
    *pointer = (struct flow_json_pointer){0};
}

/* An index of an array, as text: equal to `i`? */
static inline bool flow_json_is_index(const char *token, size_t i)
{
    size_t value = 0;
    if (token[0] == '\0' || (token[0] == '0' && token[1] != '\0'))
        return false;
    for (; *token >= '0' && *token <= '9' && value <= SIZE_MAX / 10 - 10; token++)
        value = value * 10 + (size_t)(*token - '0');
    return *token == '\0' && value == i;
}

/* The child of `value` that a token names; all of `value` is looked at. */
static inline enum flow_json_found flow_json_child(const struct flow_json *value, const char *token,
                                                   struct flow_json *child)
{
    if (value->kind != '{' && value->kind != '[')
        return FLOW_JSON_ABSENT;
    const size_t size = strlen(token);
    struct flow_json_walk walk = flow_json_begin(value->at, value->at + value->size);
    struct flow_json name = {0};
    struct flow_json one;
    bool found = false;
    for (size_t i = 0; flow_json_next(&walk, &name, &one); i++) {
        const bool match =
            walk.object ? flow_json_is(&name, token, size) : flow_json_is_index(token, i);
        if (match && !found)
            *child = one;
        found = found || match;
        if (flow_json_is_last(&walk))
            break;
    }
    return walk.broken ? FLOW_JSON_BROKEN : found ? FLOW_JSON_FOUND : FLOW_JSON_ABSENT;
}

/* What the pointer names in a text, all of which is checked. */
static inline enum flow_json_found flow_json_find(const void *data, size_t size,
                                                  const struct flow_json_pointer *pointer,
                                                  struct flow_json *value)
{
    struct flow_json here;
    if (!flow_json_whole(data, size, &here))
        return FLOW_JSON_BROKEN;
    const char *token = pointer->tokens;
    for (size_t i = 0; i < pointer->count; i++) {
        const enum flow_json_found found = flow_json_child(&here, token, &here);
        if (found != FLOW_JSON_FOUND)
            return found;
        token += strlen(token) + 1;
    }
    *value = here;
    return FLOW_JSON_FOUND;
}

#endif /* FLOW_STAGES_JSON_FIND_H */
