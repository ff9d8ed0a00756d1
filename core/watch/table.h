/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_TABLE_H
#define FLOW_WATCH_TABLE_H

/*
 * A table of texts with aligned columns.  The first column is aligned left, the others right.  A
 * column declared optional is left out when none of its cells has anything to say.
 *
 *     struct flow_table table = {.columns = columns, .column_count = 3};
 *     flow_table_add(&table, "read");
 *     flow_table_addf(&table, "%d", 3);
 *     flow_table_count(&table, 1234567);   // "1,234,567"
 *     flow_table_print(&table, &str);
 *     flow_table_clear(&table);
 *
 * Memory: a failed allocation is remembered and makes flow_table_print fail the text.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct flow_table_column {
    const char *title;
    bool optional; /* leave it out if all its cells are "", "0" or "-" */
};

struct flow_table {
    const struct flow_table_column *columns; /* borrowed */
    size_t column_count;
    char **cells; /* row after row */
    size_t cell_count;
    size_t capacity;
    bool failed;
};

/* The next cell of the current row, which begins after the last cell of the one before. */
void flow_table_add(struct flow_table *table, const char *text);
FLOW_PRINTF(2, 3) void flow_table_addf(struct flow_table *table, const char *fmt, ...);

/* A number with its thousands set apart. */
void flow_table_count(struct flow_table *table, uint64_t value);

void flow_table_print(const struct flow_table *table, struct flow_str *out);
void flow_table_clear(struct flow_table *table);

#endif /* FLOW_WATCH_TABLE_H */
