/* SPDX-License-Identifier: MIT */
#include "graph/scan.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/text.h"

void flow_scan_space(struct flow_scan *s)
{
    while (s->at < s->size && (s->text[s->at] == ' ' || s->text[s->at] == '\t' ||
                               s->text[s->at] == '\r' || s->text[s->at] == '\n'))
        s->at++;
}

static bool is_word_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '+';
}

/* One past what stands at `at`: a word, a string in either quotes, or one character. */
static size_t token_end(const struct flow_scan *s, size_t at)
{
    const char quote = s->text[at];
    size_t end = at;
    if (quote == '"' || quote == '\'') {
        for (end++; end < s->size && s->text[end] != '\n' && s->text[end] != '\r'; end++)
            if (s->text[end] == quote)
                return end + 1;
        return at + 1;
    }
    while (end < s->size && is_word_character(s->text[end]))
        end++;
    if (end == at && end < s->size)
        end++;
    while (end < s->size && ((unsigned char)s->text[end] & 0xc0) == 0x80)
        end++;
    return end;
}

static struct flow_cut token(const struct flow_scan *s, size_t at)
{
    return flow_cut_bytes(s->text + at, token_end(s, at) - at);
}

bool flow_scan_fault(struct flow_scan *s, size_t at, const char *hint, const char *what)
{
    if (at >= s->size) {
        flow_diag_add(s->diag, at, 1, hint, "%s, not the end of the file", what);
        return false;
    }
    const unsigned char c = (unsigned char)s->text[at];
    if (c < 0x20) {
        flow_diag_add(s->diag, at, 1, NULL, "%s, not the byte 0x%02x", what, c);
        return false;
    }
    const struct flow_cut found = token(s, at);
    const bool quoted = found.text[0] == '"' || found.text[0] == '\'';
    flow_diag_add(s->diag, at, token_end(s, at) - at, hint, quoted ? "%s, not %s" : "%s, not '%s'",
                  what, found.text);
    return false;
}

static bool fault_escape(struct flow_scan *s, size_t size)
{
    flow_diag_add(s->diag, s->at, size, "for a backslash write \\\\",
                  "'%s' is no escape; known: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX",
                  flow_cut_bytes(s->text + s->at, size).text);
    return false;
}

/* The value of "\uXXXX" at `at`, or -1.  The text ends with a zero, which is no digit. */
static long unicode_escape(const struct flow_scan *s, size_t at)
{
    char digits[5] = "";
    if (s->text[at] != '\\' || s->text[at + 1] != 'u')
        return -1;
    for (size_t i = 0; i < 4; i++) {
        digits[i] = s->text[at + 2 + i];
        if (!isxdigit((unsigned char)digits[i]))
            return -1;
    }
    return strtol(digits, NULL, 16);
}

static bool read_unicode(struct flow_scan *s)
{
    const long value = unicode_escape(s, s->at);
    if (value < 0)
        return fault_escape(s, 2);
    if (value == 0) {
        flow_diag_add(s->diag, s->at, 6, NULL, "a string cannot hold a zero byte");
        return false;
    }
    const bool high = value >= 0xd800 && value < 0xdc00;
    const bool low = value >= 0xdc00 && value < 0xe000;
    const long next = high ? unicode_escape(s, s->at + 6) : -1;
    if (low || (high && (next < 0xdc00 || next >= 0xe000))) {
        flow_diag_add(s->diag, s->at, 6, "write the character itself: a graph file is UTF-8 text",
                      "'%s' is half of a pair of escapes that make one character",
                      flow_cut_bytes(s->text + s->at, 6).text);
        return false;
    }
    s->at += high ? 12 : 6;
    return true;
}

/* At a backslash. */
static bool read_escape(struct flow_scan *s)
{
    const char c = s->text[s->at + 1];
    if (c == 'u')
        return read_unicode(s);
    if (c == '\0' || c == '\n' || c == '\r' || (unsigned char)c >= 0x80)
        return fault_escape(s, 1);
    if (strchr("\"\\/bfnrt", c) == NULL)
        return fault_escape(s, 2);
    s->at += 2;
    return true;
}

static bool fault_control(struct flow_scan *s, unsigned char c)
{
    if (c == '\t')
        flow_diag_add(s->diag, s->at, 1, "write \\t", "a string cannot hold a tab as it is");
    else
        flow_diag_add(s->diag, s->at, 1, NULL,
                      "a string cannot hold a control character as it is (byte 0x%02x)", c);
    return false;
}

bool flow_scan_string(struct flow_scan *s)
{
    const size_t start = s->at;
    s->at++;
    while (s->at < s->size && s->text[s->at] != '"') {
        const unsigned char c = (unsigned char)s->text[s->at];
        if (c == '\n' || c == '\r')
            break;
        if (c < 0x20)
            return fault_control(s, c);
        if (c != '\\')
            s->at++;
        else if (!read_escape(s))
            return false;
    }
    if (s->at >= s->size || s->text[s->at] != '"') {
        flow_diag_add(s->diag, start, s->at - start, "a line break inside a string is written \\n",
                      "this string is not closed on its line");
        return false;
    }
    s->at++;
    return true;
}

static size_t encode_utf8(unsigned long c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00 >> size & 0xff) | c);
    return size;
}

/* The escape at `*at`, which moves behind it; returns how many bytes went to `out`. */
static size_t decode_escape(const char *literal, size_t *at, char *out)
{
    static const char letters[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";
    const struct flow_scan s = {.text = literal};
    const char c = literal[*at + 1];
    if (c != 'u') {
        const char *found = strchr(letters, c);
        out[0] = c;
        if (found != NULL)
            out[0] = meant[found - letters];
        *at += 2;
        return 1;
    }
    unsigned long value = (unsigned long)unicode_escape(&s, *at);
    *at += 6;
    if (value >= 0xd800 && value < 0xdc00) {
        value =
            0x10000 + ((value - 0xd800) << 10) + (unsigned long)unicode_escape(&s, *at) - 0xdc00;
        *at += 6;
    }
    return encode_utf8(value, out);
}

char *flow_scan_decode(const char *literal, size_t size, size_t *decoded)
{
    char *text = flow_alloc(size); /* an escape is never shorter than what it stands for */
    if (text == NULL)
        return NULL;
    size_t end = 0;
    for (size_t at = 1; at + 1 < size;) {
        if (literal[at] == '\\')
            end += decode_escape(literal, &at, text + end);
        else
            text[end++] = literal[at++];
    }
    *decoded = end;
    return text;
}

double flow_scan_real(const char *text, char **end)
{
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* takes no memory */
    return strtod_l(text, end, plain);
}

static size_t skip_digits(struct flow_scan *s)
{
    const size_t start = s->at;
    while (isdigit((unsigned char)s->text[s->at]))
        s->at++;
    return s->at - start;
}

/* The grammar of numbers; `whole`: it is an integer. */
static bool is_number(struct flow_scan *s, bool *whole)
{
    s->at += s->text[s->at] == '-';
    const bool zero = s->text[s->at] == '0';
    const size_t digits = skip_digits(s);
    bool good = digits == 1 || (digits > 1 && !zero);
    *whole = true;
    if (good && s->text[s->at] == '.') {
        s->at++;
        *whole = false;
        good = skip_digits(s) > 0;
    }
    if (good && (s->text[s->at] == 'e' || s->text[s->at] == 'E')) {
        s->at++;
        *whole = false;
        s->at += s->text[s->at] == '-' || s->text[s->at] == '+';
        good = skip_digits(s) > 0;
    }
    return good && !is_word_character(s->text[s->at]);
}

static bool in_range(const char *text, bool whole)
{
    errno = 0;
    if (!whole)
        return isfinite(flow_scan_real(text, NULL));
    (void)strtoll(text, NULL, 10);
    return errno == 0;
}

bool flow_scan_number(struct flow_scan *s)
{
    const size_t start = s->at;
    bool whole;
    if (!is_number(s, &whole)) {
        flow_diag_add(s->diag, start, token_end(s, start) - start,
                      "numbers look like 12, -0.5 or 1e9; one with a unit is a string: \"64KiB\"",
                      "'%s' is not a number", token(s, start).text);
        return false;
    }
    if (!in_range(s->text + start, whole)) {
        flow_diag_add(s->diag, start, s->at - start, NULL, "%s is too large a number",
                      token(s, start).text);
        return false;
    }
    return true;
}

bool flow_scan_word(struct flow_scan *s)
{
    static const struct {
        const char *word;
        const char *meant; /* NULL: it is right as it is */
    } words[] = {
        {"true", NULL},   {"false", NULL},    {"null", NULL},     {"True", "true"},
        {"TRUE", "true"}, {"False", "false"}, {"FALSE", "false"}, {"None", "null"},
        {"NULL", "null"}, {"nil", "null"},    {"yes", "true"},    {"no", "false"},
    };
    const struct flow_cut found = token(s, s->at);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(found.text, words[i].word) != 0)
            continue;
        if (words[i].meant == NULL) {
            s->at += strlen(found.text);
            return true;
        }
        flow_diag_add(s->diag, s->at, strlen(found.text), NULL, "'%s' is written %s in JSON",
                      found.text, words[i].meant);
        return false;
    }

    const char c = found.text[0];
    const char *hint = NULL;
    if (c == ',')
        hint = "a value is missing here, or there is a comma too many";
    else if (c == '\'' || c == '_' || isalpha((unsigned char)c))
        hint = "text stands in double quotes";
    return flow_scan_fault(s, s->at, hint, "expected a value");
}
