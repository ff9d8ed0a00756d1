/* SPDX-License-Identifier: MIT */
#include "base/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Characters of a source line that are shown at most, and of those the ones before a far caret. */
#define LINE_WIDTH 96
#define LINE_LEAD 32

/* Where an offset lies: its line, and the character in it. */
struct place {
    size_t line;   /* from 1 */
    size_t column; /* characters, from 1 */
    size_t start;  /* of the line, in bytes */
    size_t end;    /* of the line, without its newline */
};

/* The bytes of the character at `text`; a byte that is not UTF-8 counts as one. */
static size_t character_size(const char *text, size_t left)
{
    const size_t size = flow_utf8_size(text, left);
    return size > 0 ? size : 1;
}

static size_t count_characters(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t at = 0; at < size; at += character_size(text + at, size - at))
        count++;
    return count;
}

static struct place find_place(const struct flow_diag *diag, size_t offset)
{
    const size_t target = offset < diag->text_size ? offset : diag->text_size;
    struct place place = {.line = 1};
    for (size_t i = 0; i < target; i++) {
        if (diag->text[i] == '\n') {
            place.line++;
            place.start = i + 1;
        }
    }

    place.end = place.start;
    while (place.end < diag->text_size && diag->text[place.end] != '\n')
        place.end++;
    if (place.end > place.start && diag->text[place.end - 1] == '\r')
        place.end--;
    const size_t in_line = target < place.end ? target : place.end;
    place.column = count_characters(diag->text + place.start, in_line - place.start) + 1;
    return place;
}

/* One character as a terminal may see it: a tab as a space, what would move the cursor as '?'. */
static void add_character(struct flow_str *out, const char *text, size_t size)
{
    const unsigned char lead = (unsigned char)text[0];
    const bool c1_control = size == 2 && lead == 0xc2 && (unsigned char)text[1] < 0xa0;
    if (lead == '\t')
        flow_str_add(out, " ");
    else if (lead < 0x20 || lead == 0x7f || c1_control || (size == 1 && lead >= 0x80))
        flow_str_add(out, "?");
    else
        flow_str_add_bytes(out, text, size);
}

/* A message on one line: it may quote what came from a file. */
static void add_clean(struct flow_str *out, const char *text)
{
    const size_t size = strlen(text);
    size_t step;
    for (size_t at = 0; at < size; at += step) {
        step = character_size(text + at, size - at);
        add_character(out, text + at, step);
    }
}

static void add_repeated(struct flow_str *out, char c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        flow_str_add_bytes(out, &c, 1);
}

/* Characters `from` to `to` of a line. */
static void add_characters(struct flow_str *out, const char *line, size_t size, size_t from,
                           size_t to)
{
    size_t index = 0;
    size_t step;
    for (size_t at = 0; at < size && index < to; at += step, index++) {
        step = character_size(line + at, size - at);
        if (index >= from)
            add_character(out, line + at, step);
    }
}

/* The source line with its number and, under it, the caret; a long line is cut around the caret. */
static void add_source(const struct flow_diag *diag, const struct flow_diag_item *item,
                       const struct place *place, size_t gutter, struct flow_str *out)
{
    const char *line = diag->text + place->start;
    const size_t size = place->end - place->start;
    const size_t width = count_characters(line, size);
    const size_t caret = place->column - 1;

    const size_t from = width > LINE_WIDTH && caret > LINE_WIDTH * 2 / 3 ? caret - LINE_LEAD : 0;
    const size_t to = width - from > LINE_WIDTH ? from + LINE_WIDTH : width;
    flow_str_addf(out, "%*zu | %s", (int)gutter, place->line, from > 0 ? "..." : "");
    add_characters(out, line, size, from, to);
    flow_str_add(out, to < width ? "...\n" : "\n");

    const size_t offset = item->offset < place->end ? item->offset : place->end;
    const size_t left = place->end - offset;
    size_t marked = count_characters(diag->text + offset, item->size < left ? item->size : left);
    if (caret + marked > to)
        marked = to > caret ? to - caret : 1;
    flow_str_addf(out, "%*s | ", (int)gutter, "");
    add_repeated(out, ' ', caret - from + (from > 0 ? 3 : 0));
    flow_str_add(out, "^");
    add_repeated(out, '~', marked > 0 ? marked - 1 : 0);
    flow_str_add(out, "\n");
}

static void print_item(const struct flow_diag *diag, const struct flow_diag_item *item,
                       struct flow_str *out)
{
    size_t gutter = 3;
    flow_str_add(out, diag->path != NULL ? diag->path : "<memory>");
    if (item->offset == FLOW_DIAG_NOWHERE || diag->text == NULL) {
        flow_str_add(out, ": error: ");
        add_clean(out, item->message);
        flow_str_add(out, "\n");
    } else {
        const struct place place = find_place(diag, item->offset);
        gutter = 2 + (size_t)snprintf(NULL, 0, "%zu", place.line);
        flow_str_addf(out, ":%zu:%zu: error: ", place.line, place.column);
        add_clean(out, item->message);
        flow_str_add(out, "\n");
        add_source(diag, item, &place, gutter, out);
    }
    if (item->hint != NULL) {
        flow_str_addf(out, "%*s = ", (int)gutter, "");
        add_clean(out, item->hint);
        flow_str_add(out, "\n");
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_double(const struct flow_diag *diag, size_t index)
{
    const struct flow_diag_item *item = &diag->items[index];
    for (size_t i = index; i-- > 0 && diag->items[i].offset == item->offset;) {
        if (strcmp(diag->items[i].message, item->message) == 0 &&
            same_text(diag->items[i].hint, item->hint))
            return true;
    }
    return false;
}

/* By place, and within a place as they were found: an insertion sort keeps that, and they are few.
 */
static void sort_items(struct flow_diag *diag)
{
    for (size_t i = 1; i < diag->count; i++) {
        const struct flow_diag_item item = diag->items[i];
        size_t at = i;
        for (; at > 0 && diag->items[at - 1].offset > item.offset; at--)
            diag->items[at] = diag->items[at - 1];
        diag->items[at] = item;
    }
}

void flow_diag_add(struct flow_diag *diag, size_t offset, size_t size, const char *hint,
                   const char *fmt, ...)
{
    if (diag->count == FLOW_DIAG_MAX) {
        diag->omitted++;
        return;
    }

    struct flow_diag_item item = {.offset = offset, .size = size > 0 ? size : 1};
    va_list args;
    va_start(args, fmt);
    struct flow_str message = {0};
    flow_str_addv(&message, fmt, args);
    va_end(args);
    item.message = flow_str_take(&message);
    if (hint != NULL)
        item.hint = flow_strdup(hint);
    if (item.message == NULL || (hint != NULL && item.hint == NULL) ||
        !flow_grow(&diag->items, &diag->capacity, diag->count + 1, sizeof(*diag->items))) {
        free(item.message);
        free(item.hint);
        diag->failed = true;
        return;
    }
    diag->items[diag->count++] = item;
}

void flow_diag_print(struct flow_diag *diag, struct flow_str *out)
{
    sort_items(diag);
    size_t shown = 0;
    for (size_t i = 0; i < diag->count; i++) {
        if (is_double(diag, i))
            continue;
        print_item(diag, &diag->items[i], out);
        shown++;
    }

    const size_t total = shown + diag->omitted;
    flow_str_addf(out, "%zu error%s in %s", total, total == 1 ? "" : "s",
                  diag->path != NULL ? diag->path : "<memory>");
    if (diag->omitted > 0)
        flow_str_addf(out, ", of which %zu are not shown", diag->omitted);
    flow_str_add(out, diag->failed ? "; memory was short, there may be more\n" : "\n");
    if (diag->more != NULL)
        flow_str_addf(out, "%s", diag->more);
}

void flow_diag_clear(struct flow_diag *diag)
{
    for (size_t i = 0; i < diag->count; i++) {
        free(diag->items[i].message);
        free(diag->items[i].hint);
    }
    free(diag->items);
    free(diag->more);
    *diag = (struct flow_diag){0};
}
