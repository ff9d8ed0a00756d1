/* SPDX-License-Identifier: MIT */
#include "param/param.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "param/value.h"

/* Bytes of an unknown key that a message shows. */
#define KEY_SHOWN 60

static const struct flow_param no_rows[] = {FLOW_PARAM_END};

static const struct flow_param *find_row(const struct flow_param *table, const char *name)
{
    const struct flow_param *row = table;
    while (row->name != NULL && strcmp(row->name, name) != 0)
        row++;
    return row->name != NULL ? row : NULL;
}

/* The row whose name is close to `key`, NULL if none is or memory is short. */
static const char *closest_name(const struct flow_param *table, const char *key)
{
    size_t count = 0;
    while (table[count].name != NULL)
        count++;
    const char **names = flow_calloc(count + 1, sizeof(*names));
    if (names == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        names[i] = table[i].name;
    const char *closest = flow_str_closest(key, names);
    free(names);
    return closest;
}

static enum flow_status refuse_object(json_t *json, struct flow_error *err)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return flow_fail(err, FLOW_ETYPE, "the parameters are %s; they must be an object",
                     kinds[json_typeof(json)]);
}

static enum flow_status refuse_key(const struct flow_param *table, const char *key,
                                   struct flow_error *err)
{
    struct flow_str known = {0};
    for (const struct flow_param *row = table; row->name != NULL; row++)
        flow_str_addf(&known, " %s", row->name);
    char *names = flow_str_take(&known);
    if (names == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory");

    const int shown = (int)flow_utf8_cut(key, strlen(key), KEY_SHOWN);
    if (*names == '\0') {
        (void)flow_fail(err, FLOW_ENOENT, "unknown parameter '%.*s'; the type has no parameters",
                        shown, key);
    } else {
        (void)flow_fail(err, FLOW_ENOENT, "unknown parameter '%.*s'; known:%s", shown, key, names);
    }
    free(names);
    return FLOW_ENOENT;
}

static enum flow_status refuse_missing(const struct flow_param *row, struct flow_error *err)
{
    struct flow_str wanted = {0};
    flow_value_expect(row, &wanted);
    char *expected = flow_str_take(&wanted);
    if (expected == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory");
    (void)flow_fail(err, FLOW_ENOENT, "parameter '%s' is missing; it must be %s", row->name,
                    expected);
    free(expected);
    return FLOW_ENOENT;
}

/* Set one field, from `given` or by default. */
static enum flow_status set_field(const struct flow_param *row, json_t *given, void *field,
                                  struct flow_error *err)
{
    if (given != NULL)
        return flow_value_set(row, given, field, err);
    if (row->def == FLOW_REQUIRED)
        return refuse_missing(row, err);

    json_t *value = NULL;
    enum flow_status rc = flow_value_default(row, &value, err);
    if (rc == FLOW_OK && value != NULL)
        rc = flow_value_set(row, value, field, err);
    json_decref(value);
    return rc;
}

/* "did you mean 'taps'?", the caller's own; NULL when there is nothing to say. */
static char *guess(const char *closest)
{
    struct flow_str text = {0};
    if (closest == NULL)
        return NULL;
    flow_str_addf(&text, "did you mean '%s'?", closest);
    return flow_str_take(&text);
}

/* Try one key of the object and report what is wrong with it; whether nothing is. */
static bool check_key(const struct flow_param *table, const char *key, json_t *value,
                      const struct flow_param_report *report)
{
    struct flow_error err = {0};
    const struct flow_param *row = find_row(table, key);
    if (row == NULL) {
        if (refuse_key(table, key, &err) == FLOW_ENOMEM)
            return false;
        char *hint = guess(closest_name(table, key));
        report->report(report->context, key, err.text, hint);
        free(hint);
        return false;
    }

    union flow_value scratch = {0};
    const enum flow_status rc = flow_value_set(row, value, &scratch, &err);
    flow_value_clear(row, &scratch);
    if (rc != FLOW_OK && rc != FLOW_ENOMEM)
        report->report(report->context, key, err.text, NULL);
    return rc == FLOW_OK;
}

bool flow_params_check(const struct flow_param *table, json_t *json,
                       const struct flow_param_report *report)
{
    struct flow_error err = {0};
    if (table == NULL)
        table = no_rows;
    if (json != NULL && !json_is_object(json)) {
        (void)refuse_object(json, &err);
        report->report(report->context, NULL, err.text, NULL);
        return false;
    }

    bool sound = true;
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) {
        if (!check_key(table, key, value, report))
            sound = false;
    }
    for (const struct flow_param *row = table; row->name != NULL; row++) {
        if (row->def != FLOW_REQUIRED || json_object_get(json, row->name) != NULL)
            continue;
        err = (struct flow_error){0};
        sound = false;
        if (refuse_missing(row, &err) == FLOW_ENOMEM)
            continue;
        report->report(report->context, NULL, err.text, row->help);
    }
    return sound;
}

static enum flow_status reject_unknown(const struct flow_param *table, json_t *json,
                                       struct flow_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) {
        if (find_row(table, key) == NULL)
            return refuse_key(table, key, err);
    }
    return FLOW_OK;
}

enum flow_status flow_params_read(const struct flow_param *table, json_t *json, void *obj,
                                  struct flow_error *err)
{
    if (table == NULL)
        table = no_rows;
    if (json != NULL && !json_is_object(json))
        return refuse_object(json, err);
    enum flow_status rc = reject_unknown(table, json, err);
    if (rc != FLOW_OK)
        return rc;

    for (const struct flow_param *row = table; row->name != NULL; row++) {
        rc = set_field(row, json_object_get(json, row->name), (char *)obj + row->offset, err);
        if (rc != FLOW_OK)
            goto fail;
    }
    return FLOW_OK;

fail:
    flow_params_clear(table, obj);
    return rc;
}

void flow_params_clear(const struct flow_param *table, void *obj)
{
    if (table == NULL || obj == NULL)
        return;
    for (const struct flow_param *row = table; row->name != NULL; row++)
        flow_value_clear(row, (char *)obj + row->offset);
}
