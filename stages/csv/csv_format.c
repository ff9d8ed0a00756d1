/* SPDX-License-Identifier: MIT */

/*
 * The header goes out before the first row, or at the end if there is none.  That makes it a stage
 * with state, of which there is one; where rows are to be made by several workers, json.pick does
 * so, without a header.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/cell.h"
#include "shared/json_field.h"

enum { QUOTE_NEEDED, QUOTE_ALL };
enum { MISSING_EMPTY, MISSING_REJECT };

struct formatter {
    struct flow_list columns;
    struct flow_list names;
    bool header;
    char *separator;
    int quote;
    int missing;

    struct flow_json_paths paths;
    struct flow_json_value *values; /* by slot */
    size_t *slots;                  /* by column */
    bool begun;                     /* the header has gone out */
};

static const struct flow_param params[] = {
    FLOW_PARAM_LIST(struct formatter, columns, FLOW_REQUIRED,
                    "names of fields, or JSON pointers: \"/user/id\"; of lists: \"/0\""),
    FLOW_PARAM_LIST(struct formatter, names, NULL,
                    "what the header calls them; none: as in 'columns', a pointer by its end"),
    FLOW_PARAM_BOOL(struct formatter, header, "true", "the first row has the names"),
    FLOW_PARAM_STR(struct formatter, separator, ",",
                   "the character between fields; \"\\t\" is a tab"),
    FLOW_PARAM_ENUM(struct formatter, quote, "needed", "needed|all",
                    "fields in quotes: those that RFC 4180 asks for, or all"),
    FLOW_PARAM_ENUM(struct formatter, missing, "empty", "empty|reject",
                    "a field that is not there is empty, or its record is refused"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "a JSON object or list a record"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "text", "one row a record, without a line end"},
    {NULL, NULL, NULL},
};

/* ---- opening ---- */

static enum flow_status check_params(const struct formatter *f, struct flow_stage *stage)
{
    if (f->columns.count == 0)
        return flow_stage_fail(stage, FLOW_EINVAL, "'columns' is empty: a row would have no field");
    if (strlen(f->separator) != 1 || strchr("\"\r\n", f->separator[0]) != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'separator' is '%s'; it is one byte, and no quote or line end",
                               f->separator);
    if (f->names.count > 0 && f->names.count != f->columns.count)
        return flow_stage_fail(stage, FLOW_EINVAL, "'names' has %zu, and 'columns' has %zu",
                               f->names.count, f->columns.count);
    if (f->names.count > 0 && !f->header)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'names' are for the header, and 'header' is false");
    return FLOW_OK;
}

/* The name of a field as a pointer, to be freed; NULL: no memory. */
static char *pointer_of(const char *column)
{
    char *pointer = malloc(strlen(column) * 2 + 2);
    char *to = pointer;
    if (pointer == NULL)
        return NULL;
    if (column[0] == '/')
        return strcpy(pointer, column);
    for (*to++ = '/'; *column != '\0'; column++) {
        const bool special = *column == '~' || *column == '/';
        *to++ = special ? '~' : *column;
        if (special)
            *to++ = *column == '~' ? '0' : '1';
    }
    *to = '\0';
    return pointer;
}

static enum flow_status add_column(struct formatter *f, struct flow_stage *stage, size_t i)
{
    char *pointer = pointer_of(f->columns.items[i]);
    const char *why = pointer == NULL
                          ? "there is no memory for it"
                          : flow_json_field_add(&f->paths, pointer, strlen(pointer), &f->slots[i]);
    free(pointer);
    if (why == NULL)
        return FLOW_OK;
    return flow_stage_fail(stage, FLOW_EINVAL, "column '%s': %s", f->columns.items[i], why);
}

static enum flow_status formatter_open(void *self, struct flow_stage *stage)
{
    struct formatter *f = self;
    flow_json_paths_init(&f->paths);
    enum flow_status rc = check_params(f, stage);
    if (rc != FLOW_OK)
        return rc;
    f->slots = calloc(f->columns.count, sizeof(*f->slots));
    f->values = calloc(f->columns.count, sizeof(*f->values));
    if (f->slots == NULL || f->values == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu columns", f->columns.count);
    for (size_t i = 0; rc == FLOW_OK && i < f->columns.count; i++)
        rc = add_column(f, stage, i);
    return rc;
}

/* ---- rows ---- */

/* A cell of `size` bytes at `plain`, which lies in the second half of the room at `out`. */
static size_t put_cell(const struct formatter *f, const char *plain, size_t size, char *out)
{
    const char separator = f->separator[0];
    if (f->quote == QUOTE_NEEDED || flow_cell_needs_quotes(plain, size, separator))
        return flow_cell_put_csv(plain, size, separator, out);
    memmove(out + 1, plain, size);
    out[0] = out[size + 1] = '"';
    return size + 2;
}

/* A value of a record; null is an empty cell. */
static size_t put_value(const struct formatter *f, const struct flow_json_value *value, char *out)
{
    const size_t size = value->at != NULL ? (size_t)(value->end - value->at) : 0;
    char *plain = out + size + 2;
    const bool empty = value->at == NULL || *value->at == 'n';
    return put_cell(f, plain, empty ? 0 : flow_json_put_plain(value, plain), out);
}

/* What the i-th column is called. */
static const char *name_of(const struct formatter *f, size_t i)
{
    const char *name = f->columns.items[i];
    if (f->names.count > 0)
        return f->names.items[i];
    return name[0] == '/' ? strrchr(name, '/') + 1 : name;
}

static enum flow_status emit_header(struct formatter *f, struct flow_stage *stage)
{
    size_t size = 0;
    if (f->begun || !f->header)
        return FLOW_OK;
    f->begun = true;
    for (size_t i = 0; i < f->columns.count; i++)
        size += FLOW_CELL_MAX(strlen(name_of(f, i))) + 1;
    char *room = flow_reserve(stage, 0, size);
    char *to = room;
    for (size_t i = 0; room != NULL && i < f->columns.count; i++) {
        const char *name = name_of(f, i);
        if (i > 0)
            *to++ = f->separator[0];
        char *plain = to + strlen(name) + 2;
        memcpy(plain, name, strlen(name));
        to += put_cell(f, plain, strlen(name), to);
    }
    const struct flow_target target = {0};
    return room != NULL ? flow_commit(stage, &target, (size_t)(to - room)) : FLOW_EABORT;
}

static enum flow_status emit_row(struct formatter *f, struct flow_stage *stage, uint32_t index,
                                 const struct flow_record *record)
{
    size_t size = f->columns.count;
    for (size_t i = 0; i < f->columns.count; i++) {
        const struct flow_json_value *value = &f->values[f->slots[i]];
        size += FLOW_CELL_MAX(value->at != NULL ? (size_t)(value->end - value->at) : 0);
    }
    if (size + record->key_size > FLOW_RECORD_MAX)
        return flow_batch_reject(stage, index, "its row may take %zu bytes, more than a record has",
                                 size);
    char *room = flow_reserve(stage, 0, size);
    char *to = room;
    for (size_t i = 0; room != NULL && i < f->columns.count; i++) {
        if (i > 0)
            *to++ = f->separator[0];
        to += put_value(f, &f->values[f->slots[i]], to);
    }
    const struct flow_target target = {.key = record->key, .key_size = record->key_size};
    return room != NULL ? flow_commit(stage, &target, (size_t)(to - room)) : FLOW_EABORT;
}

static enum flow_status format(struct formatter *f, struct flow_stage *stage, uint32_t index,
                               const struct flow_record *record)
{
    struct flow_json_scan scan;
    if (!flow_json_scan(&scan, &f->paths, record->data, record->size, f->values)) {
        const size_t at = (size_t)(scan.fault_at - (const unsigned char *)record->data);
        return flow_batch_reject(stage, index, "not JSON: byte %zu: %s: %s", at + 1, scan.fault,
                                 flow_bytes_quote(scan.fault_at, record->size - at).text);
    }
    for (size_t i = 0; f->missing == MISSING_REJECT && i < f->columns.count; i++) {
        if (f->values[f->slots[i]].at == NULL)
            return flow_batch_reject(stage, index, "no '%s' in %s", f->columns.items[i],
                                     flow_bytes_quote(record->data, record->size).text);
    }
    return emit_row(f, stage, index, record);
}

static enum flow_status formatter_process_batch(void *self, struct flow_stage *stage,
                                                const struct flow_batch *batch)
{
    enum flow_status rc = emit_header(self, stage);
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = format(self, stage, (uint32_t)(c.record.number - batch->number), &c.record);
    return rc;
}

static enum flow_status formatter_finish(void *self, struct flow_stage *stage)
{
    return emit_header(self, stage);
}

static enum flow_status formatter_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct formatter *f = self;
    (void)stage;
    return flow_save_number(to, f->begun);
}

static enum flow_status formatter_restore(void *self, struct flow_stage *stage,
                                          struct flow_loader *from)
{
    struct formatter *f = self;
    uint64_t begun;
    (void)stage;
    const enum flow_status rc = flow_load_number(from, &begun);
    f->begun = rc == FLOW_OK && begun != 0;
    return rc;
}

static void formatter_close(void *self, struct flow_stage *stage)
{
    struct formatter *f = self;
    (void)stage;
    free(f->slots);
    free(f->values);
    flow_json_paths_clear(&f->paths);
}

static const struct flow_stage_type formatter = {
    .name = "csv.format",
    .help = "turns JSON objects or lists into rows of CSV, with a header",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL | FLOW_SINGLE,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct formatter),
    .open = formatter_open,
    .process_batch = formatter_process_batch,
    .finish = formatter_finish,
    .close = formatter_close,
    .save = formatter_save,
    .restore = formatter_restore,
};

FLOW_PLUGIN(&formatter);
