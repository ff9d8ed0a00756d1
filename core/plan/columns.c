/* SPDX-License-Identifier: MIT */
#include "plan/columns.h"

#include <string.h>

#define GAP 2 /* spaces between two columns, and before the first */

static size_t width_of(const char *text, size_t size)
{
    size_t width = 0;
    for (size_t i = 0; i < size; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

static void measure(const char *text, size_t widths[FLOW_COLUMNS_MAX])
{
    size_t column = 0;
    while (*text != '\0') {
        const size_t size = strcspn(text, "\t\n");
        const size_t width = width_of(text, size);
        if (width > widths[column])
            widths[column] = width;
        text += size;
        column = *text == '\t' && column + 1 < FLOW_COLUMNS_MAX ? column + 1 : 0;
        text += *text != '\0';
    }
}

void flow_columns(const struct flow_str *cells, struct flow_str *out)
{
    if (cells->failed)
        out->failed = true;
    if (cells->failed || cells->text == NULL)
        return;
    size_t widths[FLOW_COLUMNS_MAX] = {0};
    measure(cells->text, widths);

    size_t column = 0;
    size_t blanks = GAP; /* owed before the next text, so that no line ends with any */
    for (const char *text = cells->text; *text != '\0'; text += *text != '\0') {
        const size_t size = strcspn(text, "\t\n");
        if (size > 0) {
            flow_str_addf(out, "%*s", (int)blanks, "");
            flow_str_add_bytes(out, text, size);
            blanks = 0;
        }
        blanks += widths[column] > 0 ? widths[column] - width_of(text, size) + GAP : 0;
        text += size;
        column++;
        if (*text == '\n') {
            flow_str_add(out, "\n");
            column = 0;
            blanks = GAP;
        }
    }
}
