/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SQLITE_ROW_H
#define FLOW_STAGES_SQLITE_ROW_H

/* The placeholders of a statement, and what a record gives them: fields of JSON, columns, itself.
 */

#include <stdio.h>
#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/json_field.h"
#include "shared/text.h"
#include "sqlite/database.h"

enum sqlite_source { SOURCE_FIELD, SOURCE_PLACE, SOURCE_KEY, SOURCE_RECORD };

/* A placeholder of the statement. */
struct sqlite_place {
    enum sqlite_source source;
    size_t slot;   /* SOURCE_FIELD */
    size_t column; /* SOURCE_PLACE: from 0 */
};

struct sqlite_row {
    sqlite3 *db;
    sqlite3_stmt *statement;
    struct sqlite_place *places;
    int place_count;
    struct flow_json_paths fields;
    struct flow_json_value *values; /* of a record's fields, by slot */
    bool needs_fields;
    bool tsv;                 /* records are values between tabs, not JSON */
    size_t expected;          /* that many of them; 0: any number */
    struct flow_text scratch; /* strings that had escapes */
    char reason[256];         /* why a record is bad */
};

static inline int sqlite_bind_text(struct sqlite_row *row, int i, const char *data, size_t size)
{
    return sqlite3_bind_text64(row->statement, i + 1, data, size, SQLITE_STATIC, SQLITE_UTF8);
}

/* A whole number of 64 bits; others are real. */
static inline int sqlite_bind_number(struct sqlite_row *row, int i, const char *data, size_t size)
{
    char text[64];
    const bool minus = data[0] == '-';
    uint64_t value = 0;
    size_t used = 0;
    if (flow_bytes_number(data + minus, size - minus, &value, &used) && used == size - minus &&
        value <= INT64_MAX)
        return sqlite3_bind_int64(row->statement, i + 1, minus ? -(int64_t)value : (int64_t)value);
    if (size >= sizeof(text)) /* the column's type decides what becomes of it */
        return sqlite_bind_text(row, i, data, size);
    memcpy(text, data, size);
    text[size] = '\0';
    return sqlite3_bind_double(row->statement, i + 1, strtod(text, NULL));
}

static inline int sqlite_bind_json(struct sqlite_row *row, int i,
                                   const struct flow_json_value *value)
{
    size_t size;
    const char *raw = flow_json_raw(value, &size);
    if (flow_json_is_number(value))
        return sqlite_bind_number(row, i, raw, size);
    switch (*raw) {
    case 't':
    case 'f':
        return sqlite3_bind_int(row->statement, i + 1, *raw == 't');
    case 'n':
        return SQLITE_OK;
    case '"':
        if (!value->escaped)
            return sqlite_bind_text(row, i, raw + 1, size - 2);
        char *room = row->scratch.at + row->scratch.size; /* was reserved for all places */
        size = flow_json_put_string(value, room);
        row->scratch.size += size;
        return sqlite_bind_text(row, i, room, size);
    default:
        return sqlite_bind_text(row, i, raw, size);
    }
}

static inline bool sqlite_is_object(const struct flow_record *record)
{
    const char *at = record->data;
    const char *end = at + record->size;
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at < end && *at == '{';
}

/* Room for the strings with escapes; a field may go to several places. */
static inline bool sqlite_reserve(struct sqlite_row *row)
{
    size_t size = 0;
    for (int i = 0; i < row->place_count; i++) {
        const struct flow_json_value *value = &row->values[row->places[i].slot];
        if (row->places[i].source == SOURCE_FIELD && value->at != NULL && value->escaped)
            size += (size_t)(value->end - value->at);
    }
    row->scratch.size = 0;
    return size == 0 || flow_text_reserve(&row->scratch, size);
}

static inline const char *sqlite_bind_fields(struct sqlite_row *row,
                                             const struct flow_record *record)
{
    struct flow_json_scan scan;
    if (!sqlite_is_object(record))
        return "it is no JSON object";
    if (!flow_json_scan(&scan, &row->fields, record->data, record->size, row->values))
        return flow_utf8_check(record->data, record->size) < record->size ? "it is not UTF-8"
                                                                          : "it is no JSON";
    if (!sqlite_reserve(row))
        return "there is no memory for it";
    for (int i = 0; i < row->place_count; i++) {
        if (row->places[i].source != SOURCE_FIELD)
            continue;
        const struct flow_json_value *value = &row->values[row->places[i].slot];
        if (value->at != NULL && sqlite_bind_json(row, i, value) != SQLITE_OK)
            return sqlite3_errmsg(row->db);
    }
    return NULL;
}

static inline size_t sqlite_unescape_tsv(const char *data, size_t size, char *out)
{
    static const char letters[] = "tnr\\";
    static const char plain[] = "\t\n\r\\";
    char *to = out;
    for (size_t i = 0; i < size; i++) {
        const char *letter = data[i] == '\\' && i + 1 < size && data[i + 1] != '\0'
                                 ? strchr(letters, data[i + 1])
                                 : NULL;
        *to++ = letter != NULL ? plain[letter - letters] : data[i];
        i += letter != NULL;
    }
    return (size_t)(to - out);
}

static inline int sqlite_bind_column(struct sqlite_row *row, size_t column, const char *data,
                                     size_t size)
{
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < row->place_count; i++) {
        if (row->places[i].source != SOURCE_PLACE || row->places[i].column != column)
            continue;
        if (memchr(data, '\\', size) == NULL) {
            rc = sqlite_bind_text(row, i, data, size);
        } else if (size != 2 || memcmp(data, "\\N", 2) != 0) {
            char *room = row->scratch.at + row->scratch.size;
            const size_t made = sqlite_unescape_tsv(data, size, room);
            row->scratch.size += made;
            rc = sqlite_bind_text(row, i, room, made);
        }
    }
    return rc;
}

static inline const char *sqlite_bind_columns(struct sqlite_row *row,
                                              const struct flow_record *record)
{
    const char *at = record->data;
    const char *end = at + record->size;
    size_t column = 0;
    row->scratch.size = 0;
    if (!flow_text_reserve(&row->scratch, record->size))
        return "there is no memory for it";
    for (;; column++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        const char *stop = tab != NULL ? tab : end;
        if (sqlite_bind_column(row, column, at, (size_t)(stop - at)) != SQLITE_OK)
            return sqlite3_errmsg(row->db);
        if (tab == NULL)
            break;
        at = tab + 1;
    }
    if (row->expected == 0 || column + 1 == row->expected)
        return NULL;
    (void)snprintf(row->reason, sizeof(row->reason), "it has %zu columns, %zu are expected",
                   column + 1, row->expected);
    return row->reason;
}

static inline const char *sqlite_bind_record(struct sqlite_row *row,
                                             const struct flow_record *record)
{
    const char *why = NULL;
    if (row->needs_fields)
        why = !row->tsv ? sqlite_bind_fields(row, record) : sqlite_bind_columns(row, record);
    for (int i = 0; why == NULL && i < row->place_count; i++) {
        int rc = SQLITE_OK;
        if (row->places[i].source == SOURCE_KEY && record->key != NULL)
            rc = sqlite_bind_text(row, i, record->key, record->key_size);
        else if (row->places[i].source == SOURCE_RECORD)
            rc = sqlite_bind_text(row, i, record->data, record->size);
        why = rc == SQLITE_OK ? NULL : sqlite3_errmsg(row->db);
    }
    return why;
}

#endif /* FLOW_STAGES_SQLITE_ROW_H */
