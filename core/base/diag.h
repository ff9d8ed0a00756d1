/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BASE_DIAG_H
#define FLOW_BASE_DIAG_H

/*
 * A list of findings about a text file: what `flowrun check` prints.
 *
 * Each finding has a place in the text (a byte offset and length, or none), a message and an
 * optional hint.  Printing sorts by place, drops exact doubles, and shows for each
 *
 *     graph.json:7:14: error: unknown stage type 'lines.raed'
 *       7 |     "read": { "use": "lines.raed" },
 *         |                      ^~~~~~~~~~~~
 *         = did you mean 'lines.read'?
 *
 * Columns count characters (UTF-8 code points) from 1; a tab is shown as one space.  A line longer
 * than the terminal is cut around the caret.
 *
 * Threads: one owner.  Memory: starts as {0}; the text is borrowed and must outlive the list.
 */

#include <stddef.h>

#include "base/str.h"

#define FLOW_DIAG_NOWHERE ((size_t)-1)

struct flow_diag_item {
    size_t offset; /* bytes into the text, or FLOW_DIAG_NOWHERE */
    size_t size;   /* bytes to underline, at least 1 */
    char *message;
    char *hint; /* NULL: none */
};

struct flow_diag {
    const char *path; /* as the user wrote it; borrowed */
    const char *text; /* the file; borrowed */
    size_t text_size;
    struct flow_diag_item *items;
    size_t count;
    size_t capacity;
    size_t omitted; /* findings beyond FLOW_DIAG_MAX, counted only */
    char *more;     /* findings about other files, as they are to be printed below; NULL: none */
    _Bool failed;   /* memory was short: something is missing from the list */
};

#define FLOW_DIAG_MAX 100

/* Add a finding.  `hint` may be NULL; it is copied. */
FLOW_PRINTF(5, 6)
void flow_diag_add(struct flow_diag *diag, size_t offset, size_t size, const char *hint,
                   const char *fmt, ...);

/* Append all findings, sorted, to `out`; the last line counts them. */
void flow_diag_print(struct flow_diag *diag, struct flow_str *out);

void flow_diag_clear(struct flow_diag *diag);

#endif /* FLOW_BASE_DIAG_H */
