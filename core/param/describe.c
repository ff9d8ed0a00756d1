/* SPDX-License-Identifier: MIT */
#include "param/param.h"

#include <stdbool.h>

#include "param/value.h"

/* What a row prints: name, kind and range, default; the help stands last and needs no width. */
enum column { NAME, KIND, DEFAULT, COLUMNS };

/* " 1..4096", " >= 1", " <= 1MiB", or nothing. */
static void add_range(const struct flow_param *row, struct flow_str *out)
{
    const bool low = flow_value_has_min(row);
    const bool high = flow_value_has_max(row);
    if (low) {
        flow_str_add(out, high ? " " : " >= ");
        flow_value_limit(row, row->min, out);
    }
    if (high) {
        flow_str_add(out, low ? ".." : " <= ");
        flow_value_limit(row, row->max, out);
    }
}

static void add_kind(const struct flow_param *row, struct flow_str *out)
{
    static const char *const kinds[] = {
        [FLOW_I64] = "integer",  [FLOW_F64] = "number", [FLOW_BOOL] = "true|false",
        [FLOW_STR] = "string",   [FLOW_SIZE] = "size",  [FLOW_DURATION] = "duration",
        [FLOW_LIST] = "strings", [FLOW_JSON] = "JSON",
    };
    flow_str_add(out, row->type == FLOW_ENUM ? row->choices : kinds[row->type]);
    add_range(row, out);
}

/* Text that would not show as it is: empty, or with characters that the terminal obeys. */
static bool needs_quotes(const char *text)
{
    const char *at = text;
    while ((unsigned char)*at >= ' ' && *at != 0x7f)
        at++;
    return *text == '\0' || *at != '\0';
}

/* As it would stand in a graph: "\n". */
static void add_quoted(const char *text, struct flow_str *out)
{
    flow_str_add(out, "\"");
    for (; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '\n' || byte == '\t' || byte == '\r')
            flow_str_addf(out, "\\%c", byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r');
        else if (byte < ' ' || byte == 0x7f)
            flow_str_addf(out, "\\u%04x", byte);
        else
            flow_str_addf(out, byte == '"' || byte == '\\' ? "\\%c" : "%c", byte);
    }
    flow_str_add(out, "\"");
}

static void add_default(const struct flow_param *row, struct flow_str *out)
{
    if (row->def == FLOW_REQUIRED) {
        flow_str_add(out, "required");
    } else if (row->def == NULL) {
        flow_str_add(out, "optional");
    } else {
        flow_str_add(out, "= ");
        if (needs_quotes(row->def))
            add_quoted(row->def, out);
        else
            flow_str_add(out, row->def);
    }
}

static void add_cell(const struct flow_param *row, enum column column, struct flow_str *out)
{
    if (column == NAME)
        flow_str_add(out, row->name);
    else if (column == KIND)
        add_kind(row, out);
    else
        add_default(row, out);
}

/* The widest cell of a column; `out` has failed if one could not be made. */
static size_t column_width(const struct flow_param *table, enum column column, struct flow_str *out)
{
    size_t widest = 0;
    for (const struct flow_param *row = table; row->name != NULL; row++) {
        struct flow_str cell = {0};
        add_cell(row, column, &cell);
        if (cell.size > widest)
            widest = cell.size;
        if (cell.failed)
            out->failed = true;
        flow_str_clear(&cell);
    }
    return widest;
}

void flow_params_describe(const struct flow_param *table, struct flow_str *out)
{
    if (table == NULL)
        return;

    size_t widths[COLUMNS];
    for (int column = NAME; column < COLUMNS; column++)
        widths[column] = column_width(table, (enum column)column, out);

    for (const struct flow_param *row = table; row->name != NULL; row++) {
        for (int column = NAME; column < COLUMNS; column++) {
            struct flow_str cell = {0};
            add_cell(row, (enum column)column, &cell);
            flow_str_addf(out, "  %-*s", (int)widths[column], cell.text != NULL ? cell.text : "");
            if (cell.failed)
                out->failed = true;
            flow_str_clear(&cell);
        }
        flow_str_addf(out, "  %s\n", row->help);
    }
}
