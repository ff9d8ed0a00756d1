/* SPDX-License-Identifier: MIT */
#include "sqlite/query_row.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* A real number shows that it is one. */
static void put_double(struct flow_text *text, double value)
{
    const size_t start = text->size;
    flow_text_double(text, value);
    flow_text_add(text, "", 1);
    if (text->failed)
        return;
    text->size--;
    if (strpbrk(text->at + start, ".en") == NULL)
        flow_text_put(text, ".0");
}

static enum flow_status put_json(const struct flow_sqlite_row *row, struct flow_stage *stage, int i)
{
    const int type = sqlite3_column_type(row->from, i);
    const char *name = sqlite3_column_name(row->from, i);
    if (type == SQLITE_NULL) {
        flow_text_put(row->text, "null");
    } else if (type == SQLITE_BLOB) {
        flow_text_base64(row->text, sqlite3_column_blob(row->from, i),
                         (size_t)sqlite3_column_bytes(row->from, i));
    } else if (type == SQLITE_FLOAT) {
        if (!isfinite(sqlite3_column_double(row->from, i)))
            return flow_stage_fail(stage, FLOW_EINVAL,
                                   "column '%s' is infinite in row %" PRIu64
                                   ", which JSON cannot hold",
                                   name, row->number);
        put_double(row->text, sqlite3_column_double(row->from, i));
    } else {
        const void *data = sqlite3_column_text(row->from, i);
        const size_t size = (size_t)sqlite3_column_bytes(row->from, i);
        if (type == SQLITE_INTEGER) {
            flow_text_add(row->text, data, size);
        } else if (flow_utf8_check(data, size) < size) {
            return flow_stage_fail(stage, FLOW_EINVAL, "column '%s' is not UTF-8 in row %" PRIu64,
                                   name, row->number);
        } else {
            flow_text_quote(row->text, data, size);
        }
    }
    return FLOW_OK;
}

static void put_tsv(const struct flow_sqlite_row *row, int i)
{
    static const char plain[] = "\t\n\r\\";
    static const char letters[] = "tnr\\";
    const char *data = (const char *)sqlite3_column_text(row->from, i);
    const size_t size = (size_t)sqlite3_column_bytes(row->from, i);
    if (sqlite3_column_type(row->from, i) == SQLITE_NULL) {
        flow_text_put(row->text, "\\N");
        return;
    }
    if (!flow_text_reserve(row->text, size * 2))
        return;
    char *at = row->text->at + row->text->size;
    for (size_t n = 0; n < size; n++) {
        const char *special = data[n] == '\0' ? NULL : strchr(plain, data[n]);
        if (special != NULL)
            *at++ = '\\';
        *at++ = special != NULL ? letters[special - plain] : data[n];
    }
    row->text->size = (size_t)(at - row->text->at);
}

enum flow_status flow_sqlite_row_put(const struct flow_sqlite_row *row, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    row->text->size = 0;
    for (int i = 0; rc == FLOW_OK && i < sqlite3_column_count(row->from); i++) {
        if (row->tsv) {
            flow_text_add(row->text, "\t", i > 0);
            put_tsv(row, i);
            continue;
        }
        const char *name = sqlite3_column_name(row->from, i);
        flow_text_put(row->text, i > 0 ? "," : "{");
        flow_text_quote(row->text, name, strlen(name));
        flow_text_put(row->text, ":");
        rc = put_json(row, stage, i);
    }
    flow_text_add(row->text, "}", !row->tsv);
    if (rc == FLOW_OK && (row->text->failed || row->text->size > FLOW_RECORD_MAX))
        rc = flow_stage_fail(stage, FLOW_ENOMEM, "no memory for row %" PRIu64 " of %zu bytes",
                             row->number, row->text->size);
    return rc;
}
