/* SPDX-License-Identifier: MIT */

/*
 * A record is scanned once, from end to end; the values that are asked for are noted where they lie
 * and copied from there into the outgoing batch.  What they may take up there is known before:
 * strings do not grow, and each form adds a fixed number of bytes to a field.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/cell.h"
#include "shared/json_scan.h"

enum { AS_OBJECT, AS_ARRAY, AS_TSV, AS_CSV, AS_RAW };
enum { MISSING_NULL, MISSING_OMIT, MISSING_DROP, MISSING_REJECT };

/* What is asked for. */
struct field {
    const char *pointer; /* as the graph has it, for messages */
    char *prefix;        /* what stands before the value: "name":, or a separator */
    size_t prefix_size;
    size_t slot;
};

struct picker {
    struct flow_list fields;
    int as;
    int missing;
    char *key;

    struct flow_json_paths paths;
    struct flow_json_value *values; /* by slot */
    struct field *wanted;           /* as many as fields.count */
    size_t fixed;                   /* bytes that a result has at most besides its values */
    size_t key_slot;
    char *key_text; /* scratch */
    size_t key_capacity;
};

static const struct flow_param params[] = {
    FLOW_PARAM_LIST(struct picker, fields, FLOW_REQUIRED,
                    "what to pick: JSON pointers, \"/user/id\", or \"name=/user/id\""),
    FLOW_PARAM_ENUM(struct picker, as, "object", "object|array|tsv|csv|raw",
                    "how to write it; raw: one field, a string without its quotes"),
    FLOW_PARAM_ENUM(struct picker, missing, "null", "null|omit|drop|reject",
                    "a field that is not there is null, left out, or ends the record"),
    FLOW_PARAM_STR(struct picker, key, NULL, "JSON pointer to what becomes the record's key"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one JSON document a record"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "what was picked, one record for each"},
    {NULL, NULL, NULL},
};

static enum flow_status refuse_pointer(struct flow_stage *stage, const char *pointer,
                                       const char *reason)
{
    return flow_stage_fail(stage, FLOW_EINVAL, "the field '%s': %s", pointer, reason);
}

/* The last part of a pointer, which names the field where nothing else does. */
static const char *last_name(const char *pointer)
{
    const char *slash = strrchr(pointer, '/');
    return slash != NULL ? slash + 1 : pointer;
}

/* A name as it stands in a pointer or before '=', as JSON: "name":, with a comma before it. */
static size_t write_name(const char *name, size_t size, bool escaped, char *out)
{
    size_t used = 0;
    char *plain = out + size * FLOW_JSON_ESCAPE_MAX + 8; /* the rest of the room */
    for (size_t i = 0; i < size; i++, used++) {
        const bool tilde = escaped && name[i] == '~' && i + 1 < size;
        plain[used] = !tilde ? name[i] : name[i + 1] == '0' ? '~' : '/';
        i += tilde;
    }
    memcpy(out, ",\"", 2);
    const size_t text = flow_json_put_text(plain, used, out + 2);
    if (text == SIZE_MAX)
        return SIZE_MAX;
    memcpy(out + 2 + text, "\":", 2);
    return text + 4;
}

static enum flow_status read_field(struct picker *p, struct flow_stage *stage, const char *item,
                                   struct field *field)
{
    const char *equals = item[0] != '/' && item[0] != '\0' ? strchr(item, '=') : NULL;
    const char *name = equals != NULL ? item : NULL;
    field->pointer = equals != NULL ? equals + 1 : item;
    if (name == NULL)
        name = last_name(field->pointer);
    const size_t size = equals != NULL ? (size_t)(equals - item) : strlen(name);
    const char *reason =
        flow_json_paths_add(&p->paths, field->pointer, strlen(field->pointer), &field->slot);
    if (reason != NULL)
        return refuse_pointer(stage, field->pointer, reason);
    field->prefix = malloc(size * (FLOW_JSON_ESCAPE_MAX + 1) + 8);
    if (field->prefix == NULL)
        return refuse_pointer(stage, field->pointer, "no memory");
    if (p->as == AS_OBJECT)
        field->prefix_size = write_name(name, size, equals == NULL, field->prefix);
    else
        field->prefix_size = p->as == AS_RAW ? 0 : 1;
    if (field->prefix_size == SIZE_MAX)
        return refuse_pointer(stage, field->pointer, "its name is not UTF-8");
    if (p->as != AS_OBJECT)
        field->prefix[0] = p->as == AS_TSV ? '\t' : ',';
    return FLOW_OK;
}

static enum flow_status check_fields(const struct picker *p, struct flow_stage *stage)
{
    if (p->fields.count == 0)
        return flow_stage_fail(stage, FLOW_EINVAL, "'fields' is empty: nothing would be picked");
    if (p->as == AS_RAW && p->fields.count > 1)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'as': \"raw\" takes one field, and 'fields' has %zu",
                               p->fields.count);
    if (p->missing == MISSING_OMIT && p->as != AS_OBJECT)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'missing': \"omit\" goes with 'as': \"object\" only; elsewhere the "
                               "fields behind it would move");
    return FLOW_OK;
}

static enum flow_status picker_open(void *self, struct flow_stage *stage)
{
    struct picker *p = self;
    flow_json_paths_init(&p->paths);
    enum flow_status rc = check_fields(p, stage);
    if (rc != FLOW_OK)
        return rc;
    p->wanted = calloc(p->fields.count, sizeof(*p->wanted));
    for (size_t i = 0; rc == FLOW_OK && p->wanted != NULL && i < p->fields.count; i++) {
        rc = read_field(p, stage, p->fields.items[i], &p->wanted[i]);
        p->fixed += p->wanted[i].prefix_size + 4; /* null, or two quotes */
    }
    if (rc == FLOW_OK && p->key != NULL) {
        const char *reason = flow_json_paths_add(&p->paths, p->key, strlen(p->key), &p->key_slot);
        if (reason != NULL)
            return flow_stage_fail(stage, FLOW_EINVAL, "'key' is '%s': %s", p->key, reason);
    }
    if (rc == FLOW_OK)
        p->values = calloc(p->paths.count, sizeof(*p->values));
    if (rc == FLOW_OK && (p->wanted == NULL || p->values == NULL))
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu fields", p->fields.count);
    p->fixed += 2; /* the brackets */
    return rc;
}

/* The value as a cell, at `out`, where FLOW_CELL_MAX of its bytes have room. */
static size_t put_cell(const struct picker *p, const struct flow_json_value *value, char *out)
{
    const size_t size = (size_t)(value->end - value->at);
    if (*value->at == 'n')
        return 0;
    char *plain = out + size + 2; /* the second half, from where it is copied to the first */
    const size_t used = flow_json_put_plain(value, plain);
    return p->as == AS_TSV ? flow_cell_put_tsv(plain, used, out)
                           : flow_cell_put_csv(plain, used, ',', out);
}

static size_t put_value(const struct picker *p, const struct flow_json_value *value, char *out)
{
    if (value->at == NULL) {
        const size_t size = p->as == AS_TSV || p->as == AS_CSV ? 0 : 4;
        memcpy(out, "null", size);
        return size;
    }
    if (p->as == AS_OBJECT || p->as == AS_ARRAY)
        return flow_json_put_value(value, out);
    return p->as == AS_RAW ? flow_json_put_plain(value, out) : put_cell(p, value, out);
}

/* Write the result; its size. */
static size_t put_result(const struct picker *p, char *out)
{
    char *to = out;
    for (size_t i = 0; i < p->fields.count; i++) {
        const struct field *field = &p->wanted[i];
        const struct flow_json_value *value = &p->values[field->slot];
        if (value->at == NULL && p->missing == MISSING_OMIT)
            continue;
        const bool table = p->as == AS_TSV || p->as == AS_CSV;
        if (!table || i > 0) {
            memcpy(to, field->prefix, field->prefix_size);
            to += field->prefix_size;
        }
        to += put_value(p, value, to);
    }
    if (p->as != AS_OBJECT && p->as != AS_ARRAY)
        return (size_t)(to - out);
    to += to == out; /* the first comma gives way to the bracket */
    out[0] = p->as == AS_OBJECT ? '{' : '[';
    *to++ = p->as == AS_OBJECT ? '}' : ']';
    return (size_t)(to - out);
}

/* How many bytes the result has at most; `*absent`: a field that is not there. */
static size_t measure(const struct picker *p, const struct field **absent)
{
    const bool cells = p->as == AS_TSV || p->as == AS_CSV;
    size_t size = p->fixed;
    for (size_t i = 0; i < p->fields.count; i++) {
        const struct flow_json_value *value = &p->values[p->wanted[i].slot];
        const size_t own = value->at != NULL ? (size_t)(value->end - value->at) : 0;
        if (value->at == NULL)
            *absent = &p->wanted[i];
        size += cells ? FLOW_CELL_MAX(own) : own;
    }
    return size;
}

/* Find the record's new key.  False: there is no memory for it. */
static bool find_key(struct picker *p, const struct flow_json_value *value,
                     struct flow_target *target)
{
    const size_t size = (size_t)(value->end - value->at);
    if (!value->escaped && !value->blanks) {
        const size_t quote = *value->at == '"';
        target->key = value->at + quote;
        target->key_size = size - 2 * quote;
        return true;
    }
    if (size > p->key_capacity) {
        char *text = realloc(p->key_text, size * 2);
        if (text == NULL)
            return false;
        p->key_text = text;
        p->key_capacity = size * 2;
    }
    target->key = p->key_text;
    target->key_size = flow_json_put_plain(value, p->key_text);
    return true;
}

static enum flow_status emit(struct picker *p, struct flow_stage *stage, uint32_t index,
                             size_t size)
{
    struct flow_target target = {0};
    if (p->key != NULL) {
        const struct flow_json_value *value = &p->values[p->key_slot];
        if (value->at == NULL || *value->at == 'n')
            return flow_batch_reject(stage, index, "nothing at '%s' that could be its key", p->key);
        if (!find_key(p, value, &target))
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a key of %zu bytes",
                                   (size_t)(value->end - value->at));
    }
    if (size + target.key_size > FLOW_RECORD_MAX)
        return flow_batch_reject(stage, index,
                                 "what is picked may take %zu bytes, more than a record has", size);
    char *room = flow_reserve(stage, 0, size);
    return room != NULL ? flow_commit(stage, &target, put_result(p, room)) : FLOW_EABORT;
}

static enum flow_status pick(struct picker *p, struct flow_stage *stage,
                             const struct flow_record *record, uint32_t index)
{
    struct flow_json_scan scan;
    if (!flow_json_scan(&scan, &p->paths, record->data, record->size, p->values)) {
        const size_t at = (size_t)(scan.fault_at - (const unsigned char *)record->data);
        return flow_batch_reject(stage, index, "not JSON: byte %zu: %s: %s", at + 1, scan.fault,
                                 flow_bytes_quote(scan.fault_at, record->size - at).text);
    }
    const struct field *absent = NULL;
    const size_t size = measure(p, &absent);
    if (absent != NULL && p->missing == MISSING_DROP)
        return FLOW_OK;
    if (absent != NULL && p->missing == MISSING_REJECT)
        return flow_batch_reject(stage, index, "no '%s' in %s", absent->pointer,
                                 flow_bytes_quote(record->data, record->size).text);
    return emit(p, stage, index, size);
}

static enum flow_status picker_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = pick(self, stage, &c.record, (uint32_t)(c.record.number - batch->number));
    return rc;
}

static void picker_close(void *self, struct flow_stage *stage)
{
    struct picker *p = self;
    (void)stage;
    for (size_t i = 0; p->wanted != NULL && i < p->fields.count; i++)
        free(p->wanted[i].prefix);
    free(p->wanted);
    free(p->values);
    free(p->key_text);
    flow_json_paths_clear(&p->paths);
}

static const struct flow_stage_type picker = {
    .name = "json.pick",
    .help = "picks fields out of JSON documents by their JSON pointers",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct picker),
    .open = picker_open,
    .process_batch = picker_process_batch,
    .close = picker_close,
};

FLOW_PLUGIN(&picker);
