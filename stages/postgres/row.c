/* SPDX-License-Identifier: MIT */
#include "row.h"

const char *pg_rows_init(struct pg_rows *rows, enum pg_format format,
                         const struct flow_list *columns)
{
    flow_json_paths_init(&rows->paths);
    rows->format = format;
    rows->columns = columns->count;
    rows->values = calloc(columns->count + 1, sizeof(*rows->values));
    if (rows->values == NULL)
        return "there is no memory for them";
    for (size_t i = 0; i < columns->count; i++) {
        size_t slot;
        const char *name = columns->items[i];
        if (!flow_json_paths_add_member(&rows->paths, name, strlen(name), &slot))
            return "there is no memory for them";
        if (slot != i)
            return "one of them stands there twice";
    }
    return NULL;
}

void pg_rows_clear(struct pg_rows *rows)
{
    flow_json_paths_clear(&rows->paths);
    free(rows->values);
    flow_text_clear(&rows->text);
    flow_text_clear(&rows->scratch);
}

/* ---- JSON ---- */

/* The letter behind the backslash for a byte that COPY's text format escapes; 0: it does not. */
static char letter_of(char byte)
{
    switch (byte) {
    case '\b':
        return 'b';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\v':
        return 'v';
    case '\f':
        return 'f';
    case '\r':
        return 'r';
    case '\\':
        return '\\';
    default:
        return 0;
    }
}

static void put_escaped(struct flow_text *text, const char *data, size_t size)
{
    if (!flow_text_reserve(text, size * 2))
        return;
    char *at = text->at + text->size;
    for (size_t i = 0; i < size; i++) {
        const char letter = letter_of(data[i]);
        if (letter != 0)
            *at++ = '\\';
        *at++ = letter != 0 ? letter : data[i];
    }
    text->size = (size_t)(at - text->at);
}

/* False: it has a character 0. */
static bool put_string(struct pg_rows *rows, const struct flow_json_value *value)
{
    size_t size;
    const char *raw = flow_json_raw(value, &size);
    if (!value->escaped) {
        flow_text_add(&rows->text, raw + 1, size - 2);
        return true;
    }
    rows->scratch.size = 0;
    if (!flow_text_reserve(&rows->scratch, size))
        return true; /* the text is found to have failed by who looks at the end */
    size = flow_json_put_string(value, rows->scratch.at);
    put_escaped(&rows->text, rows->scratch.at, size);
    return memchr(rows->scratch.at, '\0', size) == NULL;
}

static bool put_value(struct pg_rows *rows, const struct flow_json_value *value)
{
    size_t size;
    if (value->at == NULL || *value->at == 'n') {
        flow_text_put(&rows->text, "\\N");
        return true;
    }
    if (flow_json_is_text(value))
        return put_string(rows, value);
    const char *raw = flow_json_raw(value, &size);
    if (*raw == '{' || *raw == '[')
        put_escaped(&rows->text, raw, size);
    else
        flow_text_add(&rows->text, raw, size);
    return true;
}

static bool is_object(const struct flow_record *record)
{
    const char *at = record->data;
    const char *end = at + record->size;
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at < end && *at == '{';
}

static const char *add_json(struct pg_rows *rows, const struct flow_record *record)
{
    struct flow_json_scan scan;
    if (!is_object(record))
        return "it is no JSON object";
    if (!flow_json_scan(&scan, &rows->paths, record->data, record->size, rows->values))
        return flow_utf8_check(record->data, record->size) < record->size ? "it is not UTF-8"
                                                                          : "it is no JSON";
    bool good = true;
    for (size_t i = 0; i < rows->columns && good; i++) {
        if (i > 0)
            flow_text_put(&rows->text, "\t");
        good = put_value(rows, &rows->values[i]);
    }
    return good ? NULL : "it has a character 0 (\\u0000), which PostgreSQL's texts cannot hold";
}

/* ---- lines ---- */

/* Is it what ends COPY? */
static bool is_end_mark(const struct flow_record *record)
{
    return record->size == 2 && memcmp(record->data, "\\.", 2) == 0;
}

static const char *check_text(const struct flow_record *record)
{
    return memchr(record->data, '\n', record->size) != NULL
               ? "it has a line end, and so would be two rows"
               : NULL;
}

/* A quote that stays open would take in the records that follow. */
static const char *check_csv(const struct flow_record *record)
{
    const char *at = record->data;
    const char *end = at + record->size;
    bool quoted = false;
    for (; at < end; at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (*at == '\n' && !quoted)
            return "it has a line end outside of quotes, and so would be two rows";
    }
    return quoted ? "it has a quote that is not closed" : NULL;
}

static const char *add_line(struct pg_rows *rows, const struct flow_record *record)
{
    if (is_end_mark(record))
        return "it is what ends the rows of COPY";
    const char *why = rows->format == PG_CSV ? check_csv(record) : check_text(record);
    if (why == NULL)
        flow_text_add(&rows->text, record->data, record->size);
    return why;
}

const char *pg_rows_add(struct pg_rows *rows, const struct flow_record *record)
{
    const size_t before = rows->text.size;
    const char *why = rows->format == PG_JSON ? add_json(rows, record) : add_line(rows, record);
    if (why != NULL)
        rows->text.size = before;
    else
        flow_text_put(&rows->text, "\n");
    return why;
}
