/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_FILES_NAME_TEMPLATE_H
#define FLOW_STAGES_FILES_NAME_TEMPLATE_H

/*
 * Names of files, made from a text such as "out/{/city}/{n:6}.json" and a record.  What a record
 * brings never leads out of where the text says: it has no "..", and a '/' only if that is allowed.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/json_field.h"
#include "shared/text.h"

enum part_kind { PART_TEXT, PART_KEY, PART_COUNT, PART_REPLICA, PART_FIELD };

/* A piece of the template. */
struct part {
    enum part_kind kind;
    const char *text; /* PART_TEXT, and the pointer of PART_FIELD */
    size_t size;
    unsigned width; /* PART_COUNT: digits at least */
    size_t slot;    /* PART_FIELD */
};

struct template
{
    const char *text;
    bool folders;    /* a '/' may come from a record */
    uint64_t number; /* {n} of the next record */
    struct part *parts;
    size_t count;
    struct flow_text name;  /* with a zero behind it */
    struct flow_text field; /* scratch */
    struct flow_json_paths paths;
    struct flow_json_value *values; /* of a record's fields, by slot */
};

static inline enum flow_status template_fail(const struct template *t, struct flow_stage *stage,
                                             const char *at, const char *why)
{
    return flow_stage_fail(stage, FLOW_EINVAL, "path '%s', character %zu: %s", t->text,
                           (size_t)(at - t->text) + 1, why);
}

/* {n}, {n:WIDTH} */
static inline bool template_parse_count(struct part *part, const char *word, size_t size)
{
    uint64_t width = 0;
    size_t used = 0;
    if (word[0] != 'n' || (size > 1 && word[1] != ':'))
        return false;
    if (size > 1 && (!flow_bytes_number(word + 2, size - 2, &width, &used) || used != size - 2))
        return false;
    part->kind = PART_COUNT;
    part->width = width < FLOW_BYTES_DIGITS ? (unsigned)width : FLOW_BYTES_DIGITS;
    return true;
}

/* What stands between braces. */
static inline const char *template_parse_word(struct template *t, struct part *part,
                                              const char *word, size_t size)
{
    if (size > 0 && word[0] == '/') {
        *part = (struct part){.kind = PART_FIELD, .text = word, .size = size};
        return flow_json_field_add(&t->paths, word, size, &part->slot);
    }
    if (size == 3 && memcmp(word, "key", 3) == 0)
        part->kind = PART_KEY;
    else if (size == 7 && memcmp(word, "replica", 7) == 0)
        part->kind = PART_REPLICA;
    else if (!template_parse_count(part, word, size))
        return "{key}, {n}, {n:6}, {replica} and {/field} are known";
    return NULL;
}

static inline enum flow_status template_init(struct template *t, struct flow_stage *stage)
{
    const char *at = t->text;
    t->parts = calloc(strlen(at) + 1, sizeof(*t->parts));
    t->values = calloc(strlen(at) + 1, sizeof(*t->values));
    flow_json_paths_init(&t->paths);
    if (t->parts == NULL || t->values == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for 'path'");
    while (*at != '\0') {
        struct part *part = &t->parts[t->count++];
        const bool brace = at[0] == '{' && at[1] == '{';
        if (at[0] != '{' || brace) {
            part->text = at + brace;
            part->size = brace ? 1 : strcspn(at, "{");
            at += brace ? 2 : part->size;
            continue;
        }
        const char *close = strchr(at, '}');
        if (close == NULL)
            return template_fail(t, stage, at, "a brace is opened and not closed");
        const char *why = template_parse_word(t, part, at + 1, (size_t)(close - at) - 1);
        if (why != NULL)
            return template_fail(t, stage, at, why);
        at = close + 1;
    }
    return FLOW_OK;
}

static inline bool template_has(const struct template *t, enum part_kind kind)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->parts[i].kind == kind)
            return true;
    }
    return false;
}

static inline enum flow_status template_outside(struct template *t, struct flow_stage *stage,
                                                const char *what, const char *data, size_t size)
{
    const char *slash = t->folders ? NULL : memchr(data, '/', size);
    if (slash != NULL)
        return flow_reject(stage, "the %s %s has a '/': \"key_folders\": true makes folders of it",
                           what, flow_bytes_quote(data, size).text);
    if (size == 0 || memchr(data, '\0', size) != NULL)
        return flow_reject(stage, "the %s %s cannot be part of a file name", what,
                           flow_bytes_quote(data, size).text);
    flow_text_add(&t->name, data, size);
    return FLOW_OK;
}

static inline enum flow_status template_field(struct template *t, struct flow_stage *stage,
                                              const struct part *part,
                                              const struct flow_record *record)
{
    const struct flow_json_value *value = &t->values[part->slot];
    if (value->at == NULL || !(flow_json_is_text(value) || flow_json_is_number(value)))
        return flow_reject(stage, "no text or number at '%.*s' for the name of its file in %s",
                           (int)part->size - 1, part->text + 1,
                           flow_bytes_quote(record->data, record->size).text);
    if (!flow_text_reserve(&t->field, (size_t)(value->end - value->at)))
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
    const size_t size = flow_json_put_raw(value, t->field.at);
    return template_outside(t, stage, "field", t->field.at, size);
}

static inline void template_count(struct template *t, uint64_t number, unsigned width)
{
    char digits[2 * FLOW_BYTES_DIGITS];
    const size_t size = flow_bytes_count_digits(number);
    const size_t whole = size > width ? size : width;
    memset(digits, '0', whole);
    flow_bytes_put_digits(number, digits + whole);
    flow_text_add(&t->name, digits, whole);
}

static inline enum flow_status template_part(struct template *t, struct flow_stage *stage,
                                             const struct part *part,
                                             const struct flow_record *record)
{
    switch (part->kind) {
    case PART_TEXT:
        flow_text_add(&t->name, part->text, part->size);
        return FLOW_OK;
    case PART_COUNT:
        template_count(t, t->number, part->width);
        return FLOW_OK;
    case PART_REPLICA:
        template_count(t, flow_stage_info(stage)->replica, 0);
        return FLOW_OK;
    case PART_FIELD:
        return template_field(t, stage, part, record);
    case PART_KEY:
        break;
    }
    if (record->key == NULL)
        return flow_reject(stage, "the record has no key, and '%s' asks for one", t->text);
    return template_outside(t, stage, "key", record->key, record->key_size);
}

/* "..", or a part that is longer than a name may be. */
static inline bool template_is_wrong(const char *path)
{
    for (;;) {
        const size_t size = strcspn(path, "/");
        if (size > 255 || (size == 2 && memcmp(path, "..", 2) == 0))
            return true;
        if (path[size] == '\0')
            return size == 0 || (size == 1 && path[0] == '.');
        path += size + 1;
    }
}

/* The path of the record's file, in t->name, with a zero behind it. */
static inline enum flow_status template_make(struct template *t, struct flow_stage *stage,
                                             const struct flow_record *record)
{
    enum flow_status rc = FLOW_OK;
    struct flow_json_scan scan;
    t->name.size = 0;
    if (t->paths.count > 0 &&
        !flow_json_scan(&scan, &t->paths, record->data, record->size, t->values))
        return flow_reject(stage, "no JSON: %s", flow_bytes_quote(record->data, record->size).text);
    for (size_t i = 0; rc == FLOW_OK && i < t->count; i++)
        rc = template_part(t, stage, &t->parts[i], record);
    if (rc != FLOW_OK)
        return rc;
    flow_text_add(&t->name, "", 1);
    if (t->name.failed)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
    /* What the user wrote may lead up; what a record brings may not. */
    const size_t own = t->parts[0].kind == PART_TEXT ? t->parts[0].size : 0;
    if (template_is_wrong(t->name.at + (own < t->name.size - 1 ? own : 0)))
        return flow_reject(stage, "%s is no name for a file",
                           flow_bytes_quote(t->name.at, t->name.size - 1).text);
    return FLOW_OK;
}

static inline void template_clear(struct template *t)
{
    flow_json_paths_clear(&t->paths);
    free(t->values);
    free(t->parts);
    flow_text_clear(&t->name);
    flow_text_clear(&t->field);
}

#endif /* FLOW_STAGES_FILES_NAME_TEMPLATE_H */
