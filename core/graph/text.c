/* SPDX-License-Identifier: MIT */
#include "graph/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "base/utf8.h"
#include "graph/graph.h"

#define CUT_BYTES 60

/* One past the string that begins at `at`; past its line where it is not closed there. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '\n'; at++) {
        if (text[at] == '"')
            return at + 1;
        if (text[at] == '\\' && at + 1 < size && text[at + 1] != '\n')
            at++;
    }
    return at;
}

static size_t blank_line_comment(char *text, size_t size, size_t at)
{
    for (; at < size && text[at] != '\n'; at++)
        text[at] = ' ';
    return at;
}

/* One past the comment, or `at` itself where it is not closed. */
static size_t blank_block_comment(char *text, size_t size, size_t at)
{
    const char *start = text + at + 2;
    const char *end = memmem(start, size - at - 2, "*/", 2);
    if (end == NULL)
        return at;
    const size_t stop = (size_t)(end - text) + 2;
    for (; at < stop; at++)
        if (text[at] != '\n')
            text[at] = ' ';
    return stop;
}

static bool begins(const char *text, size_t size, size_t at, const char *two)
{
    return at + 1 < size && text[at] == two[0] && text[at + 1] == two[1];
}

static bool blank_comments(struct flow_diag *diag, char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        const size_t start = at;
        if (text[at] == '"')
            at = skip_string(text, size, at);
        else if (begins(text, size, at, "//"))
            at = blank_line_comment(text, size, at);
        else if (begins(text, size, at, "/*"))
            at = blank_block_comment(text, size, at);
        else
            at++;
        if (at == start) {
            flow_diag_add(diag, at, 2, "a comment ends with */", "this comment is never closed");
            return false;
        }
    }
    return true;
}

/* A comma after a value and before a closing bracket. */
static void blank_trailing_commas(char *text, size_t size)
{
    char before = '['; /* the last character that is not space, before `comma` if there is one */
    size_t comma = size;
    size_t at = 0;
    while (at < size) {
        const char c = text[at];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            at++;
            continue;
        }
        if ((c == ']' || c == '}') && comma < size)
            text[comma] = ' ';
        comma = c == ',' && strchr("[{:,", before) == NULL ? at : size;
        before = c;
        at = c == '"' ? skip_string(text, size, at) : at + 1;
    }
}

static bool check_depth(struct flow_diag *diag, const char *text, size_t size)
{
    size_t depth = 0;
    size_t at = 0;
    while (at < size) {
        const char c = text[at];
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > FLOW_GRAPH_MAX_DEPTH) {
            flow_diag_add(diag, at, 1, NULL,
                          "nested too deep: at most %d objects and lists may stand "
                          "inside each other",
                          FLOW_GRAPH_MAX_DEPTH);
            return false;
        }
        at = c == '"' ? skip_string(text, size, at) : at + 1;
    }
    return true;
}

static bool check_utf8(struct flow_diag *diag)
{
    size_t at = 0;
    while (at < diag->text_size) {
        const size_t size = flow_utf8_size(diag->text + at, diag->text_size - at);
        if (size == 0) {
            flow_diag_add(diag, at, 1, "a graph file is UTF-8 text",
                          "this byte (0x%02x) is not UTF-8", (unsigned char)diag->text[at]);
            return false;
        }
        at += size;
    }
    return true;
}

static bool check_size(struct flow_diag *diag)
{
    if (diag->text_size <= FLOW_GRAPH_MAX_BYTES)
        return true;
    char limit[32];
    (void)flow_format_size(FLOW_GRAPH_MAX_BYTES, limit, sizeof(limit));
    flow_diag_add(diag, FLOW_DIAG_NOWHERE, 1, NULL,
                  "the file is too large: %zu bytes, where a graph may have at most %zu (%s)",
                  diag->text_size, FLOW_GRAPH_MAX_BYTES, limit);
    return false;
}

char *flow_text_plain(struct flow_diag *diag)
{
    if (!check_size(diag) || !check_utf8(diag))
        return NULL;
    char *text = flow_strndup(diag->text, diag->text_size);
    if (text == NULL) {
        diag->failed = true;
        return NULL;
    }
    if (!blank_comments(diag, text, diag->text_size))
        goto fail;
    blank_trailing_commas(text, diag->text_size);
    if (!check_depth(diag, text, diag->text_size))
        goto fail;
    return text;

fail:
    free(text);
    return NULL;
}

void flow_text_skip_mark(struct flow_diag *diag)
{
    if (diag->text_size >= 3 && memcmp(diag->text, "\xef\xbb\xbf", 3) == 0) {
        diag->text += 3;
        diag->text_size -= 3;
    }
}

size_t flow_text_line(const struct flow_diag *diag, size_t offset)
{
    if (diag->count == FLOW_DIAG_MAX)
        return 0;
    size_t line = 1;
    for (size_t i = 0; i < offset && i < diag->text_size; i++)
        line += diag->text[i] == '\n';
    return line;
}

struct flow_cut flow_cut_bytes(const char *text, size_t size)
{
    struct flow_cut cut = {0};
    const size_t end = size > CUT_BYTES ? flow_utf8_cut(text, size, CUT_BYTES - 3) : size;
    memcpy(cut.text, text, end);
    if (end < size)
        memcpy(cut.text + end, "...", 3);
    return cut;
}

struct flow_cut flow_cut(const char *text)
{
    return flow_cut_bytes(text, strlen(text));
}
