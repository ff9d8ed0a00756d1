/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_CELL_H
#define FLOW_STAGES_CELL_H

/*
 * A text as a cell of a table in which tabs or commas stand between the cells.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* At most so many bytes become of a text of `size` bytes. */
#define FLOW_CELL_MAX(size) ((size)*2 + 2)

/* With a backslash before what would break a line of tabs: \t \n \r \\ as jq's @tsv.  `text` may
 * lie in the second half of the room that is written to.  The size. */
static inline size_t flow_cell_put_tsv(const char *text, size_t size, char *out)
{
    char *to = out;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (c != '\\' && c != '\t' && c != '\n' && c != '\r') {
            *to++ = c;
            continue;
        }
        *to++ = '\\';
        *to++ = c;
        if (c != '\\')
            to[-1] = c == '\t' ? 't' : c == '\n' ? 'n' : 'r';
    }
    return (size_t)(to - out);
}

/* Does RFC 4180 ask for quotes?  Also around blanks at an end, which some readers cut off. */
static inline bool flow_cell_needs_quotes(const char *text, size_t size, char separator)
{
    if (size > 0 && (text[0] == ' ' || text[size - 1] == ' '))
        return true;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (c == separator || c == '"' || c == '\n' || c == '\r')
            return true;
    }
    return false;
}

/* As RFC 4180 writes it, in quotes where it must be.  `text` as above.  The size. */
static inline size_t flow_cell_put_csv(const char *text, size_t size, char separator, char *out)
{
    if (!flow_cell_needs_quotes(text, size, separator)) {
        memmove(out, text, size);
        return size;
    }
    char *to = out;
    *to++ = '"';
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (c == '"')
            *to++ = c;
        *to++ = c;
    }
    *to++ = '"';
    return (size_t)(to - out);
}

#endif /* FLOW_STAGES_CELL_H */
