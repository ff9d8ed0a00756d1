/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_SCAN_H
#define FLOW_GRAPH_SCAN_H

/*
 * The small pieces of JSON: space, strings, numbers and words, each with a message for people about
 * what is wrong with it.  Functions that return false have added one finding.
 *
 * Threads: one owner.  Memory: all is borrowed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"

/* A place in a text on its way from front to end. */
struct flow_scan {
    struct flow_diag *diag;
    const char *text; /* zero-terminated, valid UTF-8 */
    size_t size;
    size_t at;
    size_t nodes; /* values seen so far */
};

void flow_scan_space(struct flow_scan *s);

/* Each begins at its first character and leaves `at` one past its last. */
bool flow_scan_string(struct flow_scan *s);
bool flow_scan_number(struct flow_scan *s);
bool flow_scan_word(struct flow_scan *s); /* true, false, null */

/*
 * The text that a string literal of `size` bytes, quotes included, stands for: the caller's own,
 * with a zero after its `*decoded` bytes.  The literal was read by flow_scan_string.  NULL: memory.
 */
char *flow_scan_decode(const char *literal, size_t size, size_t *decoded);

/* strtod with a point, whatever the locale of the program. */
double flow_scan_real(const char *text, char **end);

/* "WHAT, not TOKEN": a finding at `at`.  Always false. */
bool flow_scan_fault(struct flow_scan *s, size_t at, const char *hint, const char *what);

#endif /* FLOW_GRAPH_SCAN_H */
