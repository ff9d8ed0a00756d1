/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Longer words get no "did you mean". */
#define CLOSEST_MAX 128

/* Room for `size` more bytes and the final zero. */
static bool make_room(struct flow_str *str, size_t size)
{
    if (str->failed)
        return false;
    if (size >= SIZE_MAX - str->size ||
        !flow_grow(&str->text, &str->capacity, str->size + size + 1, 1))
        str->failed = true;
    return !str->failed;
}

void flow_str_add(struct flow_str *str, const char *text)
{
    flow_str_add_bytes(str, text, strlen(text));
}

void flow_str_add_bytes(struct flow_str *str, const void *bytes, size_t size)
{
    if (!make_room(str, size))
        return;
    if (size > 0)
        memcpy(str->text + str->size, bytes, size);
    str->size += size;
    str->text[str->size] = '\0';
}

void flow_str_addf(struct flow_str *str, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    flow_str_addv(str, fmt, args);
    va_end(args);
}

void flow_str_addv(struct flow_str *str, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int size = vsnprintf(NULL, 0, fmt, args);
    if (size < 0) {
        str->failed = true;
    } else if (make_room(str, (size_t)size)) {
        (void)vsnprintf(str->text + str->size, (size_t)size + 1, fmt, again);
        str->size += (size_t)size;
    }
    va_end(again);
}

char *flow_str_take(struct flow_str *str)
{
    flow_str_add_bytes(str, "", 0); /* an empty text is a text too */
    char *text = str->text;
    if (str->failed) {
        free(text);
        text = NULL;
    }
    *str = (struct flow_str){0};
    return text;
}

void flow_str_clear(struct flow_str *str)
{
    free(str->text);
    *str = (struct flow_str){0};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Edits between two words: a letter added, left out or replaced, or two neighbours swapped (the
 * Damerau-Levenshtein distance in which no place is edited twice).  Row i of the classic table
 * holds the distances of the first i letters of `a` to every beginning of `b`; a swap looks back
 * two rows.
 */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][CLOSEST_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;

    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(above[j], row[j - 1]) + 1;
            row[j] = least(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

const char *flow_str_closest(const char *word, const char *const *words)
{
    const size_t size = strlen(word);
    if (size > CLOSEST_MAX)
        return NULL;

    const char *closest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; words[i] != NULL; i++) {
        const size_t other = strlen(words[i]);
        if (other > CLOSEST_MAX)
            continue;
        const size_t edits = distance(word, size, words[i], other);
        if (edits * 3 > (size > other ? size : other) || edits >= best)
            continue;
        best = edits;
        closest = words[i];
    }
    return closest;
}
