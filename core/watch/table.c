/* SPDX-License-Identifier: MIT */
#include "watch/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define GAP 2 /* spaces between columns */

void flow_table_add(struct flow_table *table, const char *text)
{
    char *copy = table->failed ? NULL : flow_strdup(text);
    if (copy == NULL ||
        !flow_grow(&table->cells, &table->capacity, table->cell_count + 1, sizeof(*table->cells))) {
        free(copy);
        table->failed = true;
        return;
    }
    table->cells[table->cell_count++] = copy;
}

void flow_table_addf(struct flow_table *table, const char *fmt, ...)
{
    char text[64]; /* numbers and units */
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    flow_table_add(table, text);
}

void flow_table_count(struct flow_table *table, uint64_t value)
{
    char digits[24];
    const size_t size = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, value);
    char text[32];
    size_t at = 0;
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    flow_table_add(table, text);
}

static const char *cell(const struct flow_table *table, size_t row, size_t column)
{
    return table->cells[row * table->column_count + column];
}

static size_t row_count(const struct flow_table *table)
{
    return table->cell_count / table->column_count;
}

static bool says_something(const char *text)
{
    return *text != '\0' && strcmp(text, "0") != 0 && strcmp(text, "-") != 0;
}

static bool is_shown(const struct flow_table *table, size_t column)
{
    bool shown = !table->columns[column].optional;
    for (size_t row = 0; row < row_count(table) && !shown; row++)
        shown = says_something(cell(table, row, column));
    return shown;
}

/* Of the widest cell; 0: the column is not shown. */
static size_t width_of(const struct flow_table *table, size_t column)
{
    if (!is_shown(table, column))
        return 0;
    size_t width = strlen(table->columns[column].title);
    for (size_t row = 0; row < row_count(table); row++) {
        const size_t size = strlen(cell(table, row, column));
        width = size > width ? size : width;
    }
    return width;
}

static void print_cell(struct flow_str *out, size_t column, size_t width, const char *text)
{
    if (column == 0)
        flow_str_addf(out, "%-*s", (int)width, text);
    else if (width > 0)
        flow_str_addf(out, "%*s", (int)(GAP + width), text);
}

void flow_table_print(const struct flow_table *table, struct flow_str *out)
{
    size_t *widths = flow_calloc(table->column_count + 1, sizeof(*widths));
    if (widths == NULL || table->failed) {
        free(widths);
        out->failed = true;
        return;
    }

    for (size_t column = 0; column < table->column_count; column++) {
        widths[column] = width_of(table, column);
        print_cell(out, column, widths[column], table->columns[column].title);
    }
    flow_str_add(out, "\n");
    for (size_t row = 0; row < row_count(table); row++) {
        for (size_t column = 0; column < table->column_count; column++)
            print_cell(out, column, widths[column], cell(table, row, column));
        flow_str_add(out, "\n");
    }
    free(widths);
}

void flow_table_clear(struct flow_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->cell_count = 0;
    table->capacity = 0;
}
