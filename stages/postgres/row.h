/* SPDX-License-Identifier: MIT */
#ifndef STAGES_POSTGRES_ROW_H
#define STAGES_POSTGRES_ROW_H

/* Records as rows of COPY, a line each: of JSON objects in the text format, or as they came. */

#include "shared/json_field.h"
#include "shared/text.h"

enum pg_format { PG_JSON, PG_TEXT, PG_CSV };

struct pg_rows {
    enum pg_format format;
    struct flow_json_paths paths; /* the columns */
    struct flow_json_value *values;
    size_t columns;
    struct flow_text text;    /* the rows */
    struct flow_text scratch; /* a string without escapes */
};

/* The columns and the members they come from have the same names.  NULL, or what is wrong. */
const char *pg_rows_init(struct pg_rows *rows, enum pg_format format,
                         const struct flow_list *columns);
void pg_rows_clear(struct pg_rows *rows);

/* Add the row of a record to `text`.  NULL, or why it is none: "it ..." */
const char *pg_rows_add(struct pg_rows *rows, const struct flow_record *record);

#endif /* STAGES_POSTGRES_ROW_H */
