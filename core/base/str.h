/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BASE_STR_H
#define FLOW_BASE_STR_H

/*
 * A growing text.  A failed allocation is remembered in the object and later calls do nothing, so a
 * sequence of appends needs one check at the end (flow_str_take returns NULL).
 *
 * Threads: one owner.  Memory: starts as {0}; flow_str_clear frees it.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "flowrun/status.h"

struct flow_str {
    char *text; /* zero-terminated; NULL while empty */
    size_t size;
    size_t capacity;
    bool failed;
};

void flow_str_add(struct flow_str *str, const char *text);
void flow_str_add_bytes(struct flow_str *str, const void *bytes, size_t size);
FLOW_PRINTF(2, 3) void flow_str_addf(struct flow_str *str, const char *fmt, ...);
FLOW_PRINTF(2, 0) void flow_str_addv(struct flow_str *str, const char *fmt, va_list args);

/* The text as the caller's own (never NULL unless memory was short); `str` is empty afterwards. */
char *flow_str_take(struct flow_str *str);

void flow_str_clear(struct flow_str *str);

/*
 * The element of `words` (NULL ends it) closest to `word`, for "did you mean": at most a third of
 * its letters wrong, a swap of neighbours counting once.  NULL if none is close.
 */
const char *flow_str_closest(const char *word, const char *const *words);

#endif /* FLOW_BASE_STR_H */
