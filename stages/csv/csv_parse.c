/* SPDX-License-Identifier: MIT */

/*
 * The names of the columns come from the graph or from the head of a file, not from the first
 * record, so that the type keeps nothing from record to record: several workers can share the rows,
 * and one that dies is replaced.  Rows that are the header again are left out wherever they come.
 */

#include <flowrun/stage.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "csv/csv.h"
#include "shared/bytes.h"
#include "shared/cell.h"
#include "shared/json_scan.h"

#define MARK "\xef\xbb\xbf" /* which some programs put before UTF-8 */
#define NO_COLUMN SIZE_MAX
#define SMALL 4096 /* rows of so many bytes are given more room than they need */

enum { AS_OBJECT, AS_ARRAY, AS_TSV };
enum { EMPTY_TEXT, EMPTY_NULL };
enum { RAGGED_REJECT, RAGGED_PAD };

/* A column that goes out. */
struct column {
    size_t index; /* in a row */
    char *prefix; /* what stands before its value: "name":, or a separator */
    size_t prefix_size;
};

struct parser {
    struct flow_list columns;
    char *columns_from;
    char *separator;
    struct flow_list select;
    int as;
    bool numbers;
    int empty;
    int ragged;
    char *key;

    char *header; /* the line that names the columns, if they come from a file */
    char **names; /* of the columns; NULL: not known */
    size_t name_count;
    struct column *chosen;
    size_t chosen_count;
    size_t key_index;
    struct flow_csv_row row;
    char *scratch;
    size_t scratch_size;
};

static const struct flow_param params[] = {
    FLOW_PARAM_LIST(struct parser, columns, NULL, "names of the columns, in their order"),
    FLOW_PARAM_STR(struct parser, columns_from, NULL,
                   "CSV file whose first line names the columns, such as the input itself"),
    FLOW_PARAM_STR(struct parser, separator, ",", "the character between fields; \"\\t\" is a tab"),
    FLOW_PARAM_LIST(struct parser, select, NULL,
                    "columns to keep, by name or by number from 1 on; none: all"),
    FLOW_PARAM_ENUM(struct parser, as, "object", "object|array|tsv", "how to write a row"),
    FLOW_PARAM_BOOL(struct parser, numbers, "false",
                    "a field that looks like a JSON number is one, without quotes"),
    FLOW_PARAM_ENUM(struct parser, empty, "text", "text|null", "what an empty field is in JSON"),
    FLOW_PARAM_ENUM(struct parser, ragged, "reject", "reject|pad",
                    "a row with too many or too few fields is refused, or cut or filled up"),
    FLOW_PARAM_STR(struct parser, key, NULL,
                   "the column that becomes the record's key, by name or number"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one row a record"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "text", "one row a record, as JSON or as cells with tabs between them"},
    {NULL, NULL, NULL},
};

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for the columns");
}

/* A text without the mark that some programs put before UTF-8. */
static const char *skip_mark(const char *text, size_t *size)
{
    const bool marked = *size >= 3 && memcmp(text, MARK, 3) == 0;
    *size -= marked ? 3 : 0;
    return text + (marked ? 3 : 0);
}

/* Read the line that names the columns. */
static enum flow_status read_header(struct parser *p, struct flow_stage *stage)
{
    FILE *file = fopen(p->columns_from, "re");
    if (file == NULL)
        return flow_stage_fail(stage, FLOW_EIO, "cannot open '%s' (columns_from): %s",
                               p->columns_from, strerror(errno));
    size_t room = 0;
    ssize_t size = getline(&p->header, &room, file);
    (void)fclose(file);
    while (size > 0 && (p->header[size - 1] == '\n' || p->header[size - 1] == '\r'))
        size--;
    if (size <= 0)
        return flow_stage_fail(stage, FLOW_EIO, "'%s' (columns_from) has no first line with names",
                               p->columns_from);
    size_t left = (size_t)size;
    const char *text = skip_mark(p->header, &left);
    if (!flow_csv_cut(&p->row, text, left, p->separator[0]))
        return flow_stage_fail(stage, FLOW_EIO, "the first line of '%s' (columns_from): %s",
                               p->columns_from, p->row.fault != NULL ? p->row.fault : "no memory");
    return FLOW_OK;
}

/* Copies of the names, from the graph or from the header. */
static enum flow_status name_columns(struct parser *p, struct flow_stage *stage)
{
    const bool listed = p->columns.count > 0;
    if (!listed && p->columns_from == NULL)
        return FLOW_OK;
    const enum flow_status rc = listed ? FLOW_OK : read_header(p, stage);
    if (rc != FLOW_OK)
        return rc;
    const size_t count = listed ? p->columns.count : p->row.count;
    p->names = calloc(count, sizeof(*p->names));
    for (; p->names != NULL && p->name_count < count; p->name_count++) {
        const struct flow_csv_field *field = listed ? NULL : &p->row.fields[p->name_count];
        const char *name = listed ? p->columns.items[p->name_count] : NULL;
        char *copy = malloc((listed ? strlen(name) : field->size) + 1);
        if (copy == NULL)
            return no_memory(stage);
        if (listed)
            memcpy(copy, name, strlen(name) + 1);
        else
            copy[flow_csv_put_text(field, copy)] = '\0';
        p->names[p->name_count] = copy;
    }
    return p->names != NULL ? FLOW_OK : no_memory(stage);
}

/* The column that is meant; NO_COLUMN and a message if there is none. */
static size_t find_column(const struct parser *p, struct flow_stage *stage, const char *name)
{
    for (size_t i = 0; i < p->name_count; i++) {
        if (strcmp(p->names[i], name) == 0)
            return i;
    }
    uint64_t number;
    size_t used;
    if (flow_bytes_number(name, strlen(name), &number, &used) && name[used] == '\0' &&
        number >= 1 && number <= (p->names != NULL ? p->name_count : 100000))
        return (size_t)number - 1;
    if (p->names != NULL)
        (void)flow_stage_fail(stage, FLOW_EINVAL,
                              "no column '%s' among the %zu, from '%.40s' to '%.40s'", name,
                              p->name_count, p->names[0], p->names[p->name_count - 1]);
    else
        (void)flow_stage_fail(stage, FLOW_EINVAL,
                              "no column '%s': names need 'columns' or 'columns_from', and numbers "
                              "go from 1 to 100000",
                              name);
    return NO_COLUMN;
}

/* What stands before the value of a column. */
static enum flow_status write_prefix(const struct parser *p, struct flow_stage *stage,
                                     struct column *column)
{
    const char *name = p->as == AS_OBJECT ? p->names[column->index] : "";
    const size_t size = strlen(name);
    column->prefix = malloc(size * FLOW_JSON_ESCAPE_MAX + 5);
    if (column->prefix == NULL)
        return no_memory(stage);
    column->prefix[0] = p->as == AS_TSV ? '\t' : ',';
    column->prefix_size = 1;
    if (p->as != AS_OBJECT)
        return FLOW_OK;
    const size_t used = flow_json_put_text(name, size, column->prefix + 2);
    if (used == SIZE_MAX)
        return flow_stage_fail(stage, FLOW_EINVAL, "the name of column %zu, %s, is not UTF-8",
                               column->index + 1, flow_bytes_quote(name, size).text);
    column->prefix[1] = '"';
    memcpy(column->prefix + 2 + used, "\":", 2);
    column->prefix_size = used + 4;
    return FLOW_OK;
}

static enum flow_status choose(struct parser *p, struct flow_stage *stage, size_t index)
{
    struct column *column = &p->chosen[p->chosen_count++];
    column->index = index;
    const enum flow_status rc = write_prefix(p, stage, column);
    if (rc == FLOW_OK && p->as == AS_TSV && p->chosen_count == 1)
        column->prefix_size = 0; /* elsewhere a bracket takes the place of the first comma */
    return rc;
}

/* The columns that go out.  Where neither names nor `select` say which, all do, as they come. */
static enum flow_status choose_columns(struct parser *p, struct flow_stage *stage)
{
    const size_t count = p->select.count > 0 ? p->select.count : p->name_count;
    if (count == 0)
        return FLOW_OK;
    p->chosen = calloc(count, sizeof(*p->chosen));
    enum flow_status rc = p->chosen != NULL ? FLOW_OK : no_memory(stage);
    for (size_t i = 0; rc == FLOW_OK && i < count; i++) {
        const size_t index = p->select.count > 0 ? find_column(p, stage, p->select.items[i]) : i;
        rc = index != NO_COLUMN ? choose(p, stage, index) : FLOW_EINVAL;
    }
    return rc;
}

static enum flow_status check_params(const struct parser *p, struct flow_stage *stage)
{
    if (strlen(p->separator) != 1 || strchr("\"\r\n", p->separator[0]) != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'separator' is '%s'; it is one byte, and no quote or line end",
                               p->separator);
    if (p->columns.count > 0 && p->columns_from != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'columns' and 'columns_from' both name the columns; give one");
    if (p->columns.count == 0 && p->columns_from == NULL && p->as == AS_OBJECT)
        return flow_stage_fail(
            stage, FLOW_EINVAL,
            "'as': \"object\" needs the names of the columns: give 'columns', or "
            "'columns_from' with the file that begins with them");
    return FLOW_OK;
}

static enum flow_status parser_open(void *self, struct flow_stage *stage)
{
    struct parser *p = self;
    enum flow_status rc = check_params(p, stage);
    if (rc == FLOW_OK)
        rc = name_columns(p, stage);
    if (rc == FLOW_OK)
        rc = choose_columns(p, stage);
    if (rc == FLOW_OK && p->key != NULL) {
        p->key_index = find_column(p, stage, p->key);
        rc = p->key_index != NO_COLUMN ? FLOW_OK : FLOW_EINVAL;
    }
    return rc;
}

/* The text of a field: where it lies, or in the scratch, which has room for a whole row. */
static const char *field_text(const struct parser *p, size_t index, size_t *size)
{
    *size = 0;
    if (index >= p->row.count)
        return "";
    const struct flow_csv_field *field = &p->row.fields[index];
    if (!field->doubled) {
        *size = field->size;
        return field->at;
    }
    *size = flow_csv_put_text(field, p->scratch);
    return p->scratch;
}

/* Is the row the one that names the columns? */
static bool is_header(const struct parser *p)
{
    if (p->names == NULL || p->row.count != p->name_count)
        return false;
    for (size_t i = 0; i < p->name_count; i++) {
        size_t size;
        const char *text = field_text(p, i, &size);
        if (strncmp(text, p->names[i], size) != 0 || p->names[i][size] != '\0')
            return false;
    }
    return true;
}

static bool is_number(const char *text, size_t size)
{
    struct flow_json_scan scan = {.end = (const unsigned char *)text + size};
    const unsigned char *at = (const unsigned char *)text;
    return size > 0 && (*at == '-' || (unsigned char)(*at - '0') < 10) &&
           flow_json_number_(&scan, at) == scan.end;
}

/* Write a field; its size, SIZE_MAX: it is not UTF-8. */
static size_t put_field(const struct parser *p, size_t index, char *out)
{
    size_t size;
    const char *text = field_text(p, index, &size);
    if (p->as == AS_TSV)
        return flow_cell_put_tsv(text, size, out);
    const bool null = size == 0 && p->empty == EMPTY_NULL;
    if (null || (p->numbers && is_number(text, size))) {
        memcpy(out, null ? "null" : text, null ? 4 : size);
        return null ? 4 : size;
    }
    out[0] = '"';
    const size_t used = flow_json_put_text(text, size, out + 1);
    if (used == SIZE_MAX)
        return SIZE_MAX;
    out[1 + used] = '"';
    return used + 2;
}

/* How many fields go out, and which is the i-th. */
static size_t out_count(const struct parser *p)
{
    return p->chosen != NULL ? p->chosen_count : p->row.count;
}

static size_t out_index(const struct parser *p, size_t i)
{
    return p->chosen != NULL ? p->chosen[i].index : i;
}

/* At most so many bytes are made of the row. */
static size_t measure(const struct parser *p, const struct flow_record *record)
{
    size_t size = 2;
    for (size_t i = 0; i < out_count(p); i++) {
        const size_t index = out_index(p, i);
        size += p->chosen != NULL ? p->chosen[i].prefix_size : 1;
        if (index >= p->row.count) {
            size += 4;
            continue;
        }
        const struct flow_csv_field *field = &p->row.fields[index];
        const size_t own = record->size <= SMALL ? field->size * FLOW_JSON_ESCAPE_MAX
                                                 : flow_json_text_size(field->at, field->size);
        size += p->as == AS_TSV ? field->size * 2 : own + 4; /* two quotes, or null */
    }
    return size;
}

/* Write the row; its size.  SIZE_MAX: `*bad` is the first field that is not UTF-8. */
static size_t put_row(const struct parser *p, char *out, size_t *bad)
{
    char *to = out;
    for (size_t i = 0; i < out_count(p); i++) {
        const size_t index = out_index(p, i);
        if (p->chosen != NULL) {
            memcpy(to, p->chosen[i].prefix, p->chosen[i].prefix_size);
            to += p->chosen[i].prefix_size;
        } else if (i > 0 || p->as != AS_TSV) {
            *to++ = p->as == AS_TSV ? '\t' : ',';
        }
        const size_t used = put_field(p, index, to);
        *bad = index;
        if (used == SIZE_MAX)
            return SIZE_MAX;
        to += used;
    }
    if (p->as != AS_TSV) {
        out[0] = p->as == AS_OBJECT ? '{' : '[';
        *to++ = p->as == AS_OBJECT ? '}' : ']';
    }
    return (size_t)(to - out);
}

/* Does the row have as many fields as it must? */
static bool is_whole(const struct parser *p, size_t *needed)
{
    *needed = p->name_count;
    if (p->ragged == RAGGED_PAD)
        return true;
    if (p->names != NULL)
        return p->row.count == p->name_count;
    *needed = p->key != NULL ? p->key_index + 1 : 0;
    for (size_t i = 0; i < p->chosen_count; i++) {
        if (p->chosen[i].index >= *needed)
            *needed = p->chosen[i].index + 1;
    }
    return p->row.count >= *needed;
}

static enum flow_status refuse_cut(const struct parser *p, struct flow_stage *stage,
                                   const struct flow_record *record, uint32_t index)
{
    const char *at = p->row.fault_at;
    const char *data = record->data;
    if (p->row.fault == NULL)
        return no_memory(stage);
    return flow_batch_reject(stage, index, "byte %zu: %s: %s", (size_t)(at - data) + 1,
                             p->row.fault,
                             flow_bytes_quote(at, record->size - (size_t)(at - data)).text);
}

static enum flow_status emit(const struct parser *p, struct flow_stage *stage,
                             const struct flow_record *record, uint32_t index)
{
    const size_t size = measure(p, record);
    if (size + record->size > FLOW_RECORD_MAX)
        return flow_batch_reject(stage, index,
                                 "%zu bytes may be made of it, more than a record has", size);
    char *room = flow_reserve(stage, 0, size);
    if (room == NULL)
        return FLOW_EABORT;
    size_t bad = 0;
    const size_t used = put_row(p, room, &bad);
    struct flow_target target = {.key = record->key, .key_size = record->key_size};
    if (used == SIZE_MAX) {
        const char *text = field_text(p, bad, &target.key_size);
        return flow_batch_reject(stage, index,
                                 "field %zu is not UTF-8: %s; iconv turns other encodings into it",
                                 bad + 1, flow_bytes_quote(text, target.key_size).text);
    }
    if (p->key != NULL)
        target.key = field_text(p, p->key_index, &target.key_size);
    if (target.key_size == 0)
        target.key = NULL;
    return flow_commit(stage, &target, used);
}

/* Make room for the text of any field of a row. */
static bool make_room(struct parser *p, size_t size)
{
    if (size <= p->scratch_size)
        return true;
    char *scratch = realloc(p->scratch, size * 2);
    if (scratch == NULL)
        return false;
    p->scratch = scratch;
    p->scratch_size = size * 2;
    return true;
}

static enum flow_status parse(struct parser *p, struct flow_stage *stage,
                              const struct flow_record *record, uint32_t index)
{
    size_t size = record->size;
    const char *text = skip_mark(record->data, &size);
    if (!make_room(p, size))
        return no_memory(stage);
    if (!flow_csv_cut(&p->row, text, size, p->separator[0]))
        return refuse_cut(p, stage, record, index);
    if (is_header(p))
        return FLOW_OK;
    size_t needed;
    if (is_whole(p, &needed))
        return emit(p, stage, record, index);
    return flow_batch_reject(stage, index, "%zu field%s, where %zu %s: %s", p->row.count,
                             p->row.count == 1 ? "" : "s", needed,
                             p->names != NULL ? "are named" : "are asked for",
                             flow_bytes_quote(record->data, record->size).text);
}

static enum flow_status parser_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = parse(self, stage, &c.record, (uint32_t)(c.record.number - batch->number));
    return rc;
}

static void parser_close(void *self, struct flow_stage *stage)
{
    struct parser *p = self;
    (void)stage;
    for (size_t i = 0; i < p->chosen_count; i++)
        free(p->chosen[i].prefix);
    free(p->chosen);
    for (size_t i = 0; i < p->name_count; i++)
        free(p->names[i]);
    free(p->names);
    free(p->header);
    free(p->row.fields);
    free(p->scratch);
}

static const struct flow_stage_type parser = {
    .name = "csv.parse",
    .help = "turns rows of CSV into JSON, or into cells with tabs between them",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct parser),
    .open = parser_open,
    .process_batch = parser_process_batch,
    .close = parser_close,
};

FLOW_PLUGIN(&parser);
