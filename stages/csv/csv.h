/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_CSV_H
#define FLOW_STAGES_CSV_H

/*
 * One row of a table as RFC 4180 has it, cut into fields.  A field that begins with a quote ends
 * with one, and two quotes in it stand for one; a quote elsewhere is a character like any other.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct flow_csv_field {
    const char *at; /* behind the first quote, if there is one */
    size_t size;    /* up to the last quote, bytes */
    bool doubled;   /* it has quotes in it, each twice */
};

/* A row.  One that is all zeros has no fields and no room for any. */
struct flow_csv_row {
    struct flow_csv_field *fields;
    size_t count, capacity;
    const char *fault;    /* why a row could not be cut; NULL: no memory */
    const char *fault_at; /* where */
};

/* The first separator; or `end`. */
static inline const char *flow_csv_find_(const char *at, const char *end, char separator)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t pattern = ones * (unsigned char)separator;
    while (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && end - at >= 8) {
        uint64_t eight;
        memcpy(&eight, at, sizeof(eight));
        eight ^= pattern;
        const uint64_t found = (eight - ones) & ~eight & ones * 0x80;
        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
        at += 8;
    }
    while (at < end && *at != separator)
        at++;
    return at;
}

/* The quote that ends a field; NULL: there is none. */
static inline const char *flow_csv_close_(const char *at, const char *end, bool *doubled)
{
    for (*doubled = false; at < end; at += 2) {
        at = memchr(at, '"', (size_t)(end - at));
        if (at == NULL || at + 1 == end || at[1] != '"')
            return at;
        *doubled = true;
    }
    return NULL;
}

static inline struct flow_csv_field *flow_csv_add_(struct flow_csv_row *row)
{
    if (row->count == row->capacity) {
        const size_t capacity = row->capacity > 0 ? row->capacity * 2 : 16;
        struct flow_csv_field *fields = realloc(row->fields, capacity * sizeof(*fields));
        if (fields == NULL)
            return NULL;
        row->fields = fields;
        row->capacity = capacity;
    }
    return &row->fields[row->count++];
}

static inline bool flow_csv_fault_(struct flow_csv_row *row, const char *at, const char *fault)
{
    row->fault = fault;
    row->fault_at = at;
    return false;
}

/* Cut a row.  Its fields are borrowed from `text`.  An empty text is a row with one empty field. */
static inline bool flow_csv_cut(struct flow_csv_row *row, const char *text, size_t size,
                                char separator)
{
    const char *at = text;
    const char *end = text + size;
    row->count = 0;
    for (;; at++) {
        struct flow_csv_field *field = flow_csv_add_(row);
        if (field == NULL)
            return flow_csv_fault_(row, at, NULL);
        *field = (struct flow_csv_field){.at = at};
        const bool quoted = at < end && *at == '"';
        if (quoted) {
            field->at++;
            at = flow_csv_close_(field->at, end, &field->doubled);
            if (at == NULL)
                return flow_csv_fault_(row, field->at - 1, "a quoted field that does not end");
        } else {
            at = flow_csv_find_(at, end, separator);
        }
        field->size = (size_t)(at - field->at);
        at += quoted;
        if (at == end)
            return true;
        if (*at != separator)
            return flow_csv_fault_(row, at, "something follows the quote that ends a field");
    }
}

/* A field's text, which is never longer than the field; its size. */
static inline size_t flow_csv_put_text(const struct flow_csv_field *field, char *out)
{
    if (!field->doubled) {
        memcpy(out, field->at, field->size);
        return field->size;
    }
    char *to = out;
    for (size_t i = 0; i < field->size; i++) {
        *to++ = field->at[i];
        i += field->at[i] == '"';
    }
    return (size_t)(to - out);
}

#endif /* FLOW_STAGES_CSV_H */
