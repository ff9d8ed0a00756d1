/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_JSON_SCAN_H
#define FLOW_STAGES_JSON_SCAN_H

/*
 * A scanner that goes through one JSON document, checks all of it, and notes where the values are
 * that a set of pointers asks for.  It builds nothing and allocates nothing.
 *
 * What it takes is what RFC 8259 calls JSON, in UTF-8, up to 64 levels deep; numbers may be as
 * large as they like.  Of members with the same name in one object the last one counts, with all
 * that is in it, as for jq and Python.
 *
 * Strings, where most of the bytes are, are looked at eight bytes at a time.
 *
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include "shared/json_paths.h"
#include "shared/json_text.h"

/* A value where it lies in the document. */
struct flow_json_value {
    const unsigned char *at; /* of its first byte, for a string the quote; NULL: there is none */
    const unsigned char *end;
    bool escaped; /* it is a string and has escapes */
    bool blanks;  /* it is an object or a list, with white space between its parts */
};

struct flow_json_scan {
    struct flow_json_value *values; /* by slot */
    const unsigned char *end;       /* of the document */
    const char *fault;              /* why it is not JSON */
    const unsigned char *fault_at;
    unsigned depth;
    bool escaped; /* the string that was passed last has escapes */
    bool blanks;  /* white space was passed */
};

static inline const unsigned char *flow_json_fault_(struct flow_json_scan *s,
                                                    const unsigned char *at, const char *fault)
{
    s->fault = fault;
    s->fault_at = at;
    return NULL;
}

static inline const unsigned char *flow_json_blank_(struct flow_json_scan *s,
                                                    const unsigned char *at)
{
    for (; at < s->end && *at <= ' '; at++) {
        if (*at != ' ' && *at != '\n' && *at != '\t' && *at != '\r')
            return at;
        s->blanks = true;
    }
    return at;
}

/* Past what is plain. */
static inline const unsigned char *flow_json_run_(const struct flow_json_scan *s,
                                                  const unsigned char *at)
{
    while (s->end - at >= 8) {
        const size_t plain = flow_json_plain(at);
        at += plain;
        if (plain < 8)
            return at;
    }
    while (at < s->end && *at != '"' && *at != '\\' && *at >= ' ' && *at < 0x80)
        at++;
    return at;
}

/* Past an escape or a character of several bytes. */
static inline const unsigned char *flow_json_special_(struct flow_json_scan *s,
                                                      const unsigned char *at)
{
    size_t size = 0;
    if (*at == '\\') {
        s->escaped = true;
        return flow_json_escape(at, s->end, &size) >= 0
                   ? at + size
                   : flow_json_fault_(s, at, "an escape that JSON does not have");
    }
    if (*at < ' ')
        return flow_json_fault_(s, at, "a control character in a string, not written as \\u....");
    size = flow_json_utf8(at, s->end);
    return size > 0 ? at + size : flow_json_fault_(s, at, "bytes that are not UTF-8");
}

/* Past a string, from behind its first quote. */
static inline const unsigned char *flow_json_string_(struct flow_json_scan *s,
                                                     const unsigned char *at)
{
    s->escaped = false;
    for (;;) {
        at = flow_json_run_(s, at);
        if (at == s->end)
            return flow_json_fault_(s, at, "it ends within a string");
        if (*at == '"')
            return at + 1;
        at = flow_json_special_(s, at);
        if (at == NULL)
            return NULL;
    }
}

static inline const unsigned char *flow_json_digits_(const struct flow_json_scan *s,
                                                     const unsigned char *at)
{
    while (at < s->end && (unsigned char)(*at - '0') < 10)
        at++;
    return at;
}

static inline const unsigned char *flow_json_number_(struct flow_json_scan *s,
                                                     const unsigned char *at)
{
    const unsigned char *start = at;
    at += *at == '-';
    const unsigned char *digits = at;
    at = flow_json_digits_(s, at);
    if (at == digits)
        return flow_json_fault_(s, start,
                                "no value, or a word or a number that JSON does not have");
    if (*digits == '0' && at - digits > 1)
        return flow_json_fault_(s, start, "a number that begins with 0");
    if (at < s->end && *at == '.') {
        digits = at + 1;
        at = flow_json_digits_(s, digits);
        if (at == digits)
            return flow_json_fault_(s, start, "a number without digits after its point");
    }
    if (at < s->end && (*at | 0x20) == 'e') {
        at++;
        at += at < s->end && (*at == '+' || *at == '-');
        digits = at;
        at = flow_json_digits_(s, at);
        if (at == digits)
            return flow_json_fault_(s, start, "a number without digits in its exponent");
    }
    return at;
}

static inline const unsigned char *flow_json_word_(struct flow_json_scan *s,
                                                   const unsigned char *at, const char *word,
                                                   size_t size)
{
    if ((size_t)(s->end - at) >= size && memcmp(at, word, size) == 0)
        return at + size;
    return flow_json_fault_(s, at, "a word that is not true, false or null");
}

/* The child that the name in quotes from `name` to `end` stands for; NULL: nobody asks for it. */
static inline const struct flow_json_node *flow_json_named_(const struct flow_json_scan *s,
                                                            const struct flow_json_node *node,
                                                            const unsigned char *name,
                                                            const unsigned char *end)
{
    const struct flow_json_node *child = node->child;
    const size_t size = (size_t)(end - name);
    if (s->escaped) {
        while (child != NULL && !flow_json_is(name, end, child->name, child->size))
            child = child->next;
        return child;
    }
    const uint64_t head = flow_json_head(name, size, s->end);
    for (; child != NULL; child = child->next) {
        if (child->size == size && child->head == head &&
            (size <= 8 || memcmp(child->name, name, size) == 0))
            return child;
    }
    return NULL;
}

/* Forget what was found below this node: an earlier member has had the same name. */
static inline void flow_json_forget_(const struct flow_json_scan *s,
                                     const struct flow_json_node *node)
{
    for (const struct flow_json_node *child = node->child; child != NULL; child = child->next) {
        if (child->slot >= 0)
            s->values[child->slot].at = NULL;
        flow_json_forget_(s, child);
    }
}

static const unsigned char *flow_json_any_(struct flow_json_scan *s, const unsigned char *at,
                                           const struct flow_json_node *node);

/* Past a value that is asked for, or that holds some that are. */
static inline const unsigned char *flow_json_wanted_(struct flow_json_scan *s,
                                                     const unsigned char *at,
                                                     const struct flow_json_node *node)
{
    if (node->child != NULL)
        flow_json_forget_(s, node);
    if (node->slot < 0)
        return flow_json_any_(s, at, node);
    const bool outside = s->blanks;
    s->blanks = false;
    const unsigned char *end = flow_json_any_(s, at, node);
    if (end == NULL)
        return NULL;
    s->values[node->slot] = (struct flow_json_value){
        .at = at, .end = end, .escaped = *at == '"' && s->escaped, .blanks = s->blanks};
    s->blanks = s->blanks || outside;
    return end;
}

static inline const unsigned char *flow_json_member_(struct flow_json_scan *s,
                                                     const unsigned char *at,
                                                     const struct flow_json_node *node)
{
    if (at == s->end || *at != '"')
        return flow_json_fault_(s, at, "no name in quotes where a member of an object begins");
    const unsigned char *name = at + 1;
    at = flow_json_string_(s, name);
    if (at == NULL)
        return NULL;
    if (node != NULL)
        node = flow_json_named_(s, node, name, at - 1);
    at = flow_json_blank_(s, at);
    if (at == s->end || *at != ':')
        return flow_json_fault_(s, at, "no ':' after the name of a member");
    at = flow_json_blank_(s, at + 1);
    return node != NULL ? flow_json_wanted_(s, at, node) : flow_json_any_(s, at, NULL);
}

static inline const unsigned char *flow_json_element_(struct flow_json_scan *s,
                                                      const unsigned char *at,
                                                      const struct flow_json_node *node,
                                                      uint32_t index)
{
    const struct flow_json_node *child = node != NULL ? node->child : NULL;
    while (child != NULL && child->index != index)
        child = child->next;
    return child != NULL ? flow_json_wanted_(s, at, child) : flow_json_any_(s, at, NULL);
}

/* Past an object or a list, from its first bracket on. */
static inline const unsigned char *flow_json_parts_(struct flow_json_scan *s,
                                                    const unsigned char *at,
                                                    const struct flow_json_node *node)
{
    const bool object = *at == '{';
    const unsigned char last = object ? '}' : ']';
    if (++s->depth > FLOW_JSON_DEPTH)
        return flow_json_fault_(s, at, "more than 64 objects and lists in each other");
    at = flow_json_blank_(s, at + 1);
    if (at < s->end && *at == last) {
        s->depth--;
        return at + 1;
    }
    for (uint32_t index = 0;; index++) {
        at = object ? flow_json_member_(s, at, node) : flow_json_element_(s, at, node, index);
        if (at == NULL)
            return NULL;
        at = flow_json_blank_(s, at);
        if (at < s->end && *at == last) {
            s->depth--;
            return at + 1;
        }
        if (at == s->end || *at != ',')
            return flow_json_fault_(s, at,
                                    object ? "no ',' or '}' after a member of an object"
                                           : "no ',' or ']' after a part of a list");
        at = flow_json_blank_(s, at + 1);
    }
}

/* Past any value; `node`: what is asked for in it, NULL nothing. */
static const unsigned char *flow_json_any_(struct flow_json_scan *s, const unsigned char *at,
                                           const struct flow_json_node *node)
{
    if (at == s->end)
        return flow_json_fault_(s, at, "it ends where a value should be");
    switch (*at) {
    case '"':
        return flow_json_string_(s, at + 1);
    case '{':
    case '[':
        return flow_json_parts_(s, at, node);
    case 't':
        return flow_json_word_(s, at, "true", 4);
    case 'f':
        return flow_json_word_(s, at, "false", 5);
    case 'n':
        return flow_json_word_(s, at, "null", 4);
    default:
        return flow_json_number_(s, at);
    }
}

/*
 * Scan a document: `values`, of paths->count, are filled.  False: it is not JSON; s->fault says
 * why, and s->fault_at where.
 */
static inline bool flow_json_scan(struct flow_json_scan *s, const struct flow_json_paths *paths,
                                  const void *data, size_t size, struct flow_json_value *values)
{
    const unsigned char *at = data;
    *s = (struct flow_json_scan){.values = values, .end = at + size};
    for (size_t i = 0; i < paths->count; i++)
        values[i].at = NULL;
    at = flow_json_blank_(s, at);
    if (at == s->end) {
        (void)flow_json_fault_(s, at, "it is empty");
        return false;
    }
    at = flow_json_wanted_(s, at, &paths->root);
    if (at == NULL)
        return false;
    at = flow_json_blank_(s, at);
    if (at != s->end)
        (void)flow_json_fault_(s, at, "something follows after the value");
    return at == s->end;
}

/* The text of a value that is a string, without its escapes.  It has never more bytes than the
 * value; how many they are. */
static inline size_t flow_json_put_string(const struct flow_json_value *value, char *out)
{
    const size_t size = (size_t)(value->end - value->at) - 2;
    if (value->escaped)
        return flow_json_unescape(value->at + 1, value->end - 1, out);
    memcpy(out, value->at + 1, size);
    return size;
}

/* The value as text: a string without quotes and escapes, all else as it stands without blanks
 * between its parts.  It has never more bytes than the value; how many they are. */
static inline size_t flow_json_put_plain(const struct flow_json_value *value, char *out)
{
    const size_t size = (size_t)(value->end - value->at);
    if (*value->at == '"')
        return flow_json_put_string(value, out);
    if (value->blanks)
        return flow_json_compact(value->at, value->end, out);
    memcpy(out, value->at, size);
    return size;
}

/* The value as JSON, without blanks between its parts. */
static inline size_t flow_json_put_value(const struct flow_json_value *value, char *out)
{
    if (value->blanks)
        return flow_json_compact(value->at, value->end, out);
    const size_t size = (size_t)(value->end - value->at);
    memcpy(out, value->at, size);
    return size;
}

#endif /* FLOW_STAGES_JSON_SCAN_H */
