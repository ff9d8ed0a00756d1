/* SPDX-License-Identifier: MIT */
#include "param/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "base/utf8.h"

/* Bytes of a value that a message shows. */
#define SHOWN_MAX 60

static int add_dumped(const char *bytes, size_t size, void *out)
{
    flow_str_add_bytes(out, bytes, size);
    return ((struct flow_str *)out)->failed ? -1 : 0;
}

/* Compact JSON text, the caller's own, with `digits` per number; NULL when memory is short. */
static char *dump(const json_t *value, size_t digits)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits);
    struct flow_str out = {0};
    if (json_dump_callback(value, add_dumped, &out, flags) != 0)
        out.failed = true;
    return flow_str_take(&out);
}

static enum flow_status no_memory(const struct flow_param *row, struct flow_error *err)
{
    return flow_fail(err, FLOW_ENOMEM, "out of memory for parameter '%s'", row->name);
}

/* "'taps' is 0; it must be an integer from 1 to 4096" */
static enum flow_status refuse(const struct flow_param *row, const json_t *given,
                               enum flow_status status, struct flow_error *err)
{
    struct flow_str wanted = {0};
    flow_value_expect(row, &wanted);
    char *expected = flow_str_take(&wanted);
    char *value = dump(given, 15);
    if (expected == NULL || value == NULL) {
        status = no_memory(row, err);
    } else {
        const size_t size = strlen(value);
        const size_t shown = flow_utf8_cut(value, size, SHOWN_MAX);
        (void)flow_fail(err, status, "'%s' is %.*s%s; it must be %s", row->name, (int)shown, value,
                        shown < size ? "..." : "", expected);
    }
    free(expected);
    free(value);
    return status;
}

/* A string without a zero in it; NULL if it is none. */
static const char *plain_string(const json_t *given)
{
    const char *text = json_string_value(given);
    return text != NULL && strlen(text) == json_string_length(given) ? text : NULL;
}

static bool in_range(const struct flow_param *row, double number)
{
    return number >= row->min && number <= row->max;
}

static enum flow_status set_i64(const struct flow_param *row, json_t *given, int64_t *field,
                                struct flow_error *err)
{
    const double number = json_number_value(given);
    if (!json_is_number(given) || number != trunc(number))
        return refuse(row, given, FLOW_ETYPE, err);
    if (fabs(number) > (double)FLOW_PARAM_EXACT || !in_range(row, number))
        return refuse(row, given, FLOW_ERANGE, err);

    const int64_t whole = json_is_integer(given) ? json_integer_value(given) : (int64_t)number;
    if (whole > FLOW_PARAM_EXACT || whole < -FLOW_PARAM_EXACT)
        return refuse(row, given, FLOW_ERANGE, err);
    *field = whole;
    return FLOW_OK;
}

static enum flow_status set_f64(const struct flow_param *row, json_t *given, double *field,
                                struct flow_error *err)
{
    if (!json_is_number(given))
        return refuse(row, given, FLOW_ETYPE, err);
    if (!in_range(row, json_number_value(given)))
        return refuse(row, given, FLOW_ERANGE, err);
    *field = json_number_value(given);
    return FLOW_OK;
}

static enum flow_status set_bool(const struct flow_param *row, json_t *given, bool *field,
                                 struct flow_error *err)
{
    if (!json_is_boolean(given))
        return refuse(row, given, FLOW_ETYPE, err);
    *field = json_is_true(given);
    return FLOW_OK;
}

static enum flow_status set_str(const struct flow_param *row, json_t *given, char **field,
                                struct flow_error *err)
{
    const char *text = plain_string(given);
    if (text == NULL)
        return refuse(row, given, FLOW_ETYPE, err);
    char *copy = flow_strdup(text);
    if (copy == NULL)
        return no_memory(row, err);
    *field = copy;
    return FLOW_OK;
}

static enum flow_status set_size(const struct flow_param *row, json_t *given, uint64_t *field,
                                 struct flow_error *err)
{
    const char *text = plain_string(given);
    uint64_t bytes = 0;
    if (json_is_integer(given))
        bytes = (uint64_t)json_integer_value(given); /* less than 0 becomes far too much */
    else if (text == NULL || !flow_parse_size(text, &bytes))
        return refuse(row, given, FLOW_ETYPE, err);
    if (bytes > (uint64_t)FLOW_PARAM_EXACT || !in_range(row, (double)bytes))
        return refuse(row, given, FLOW_ERANGE, err);
    *field = bytes;
    return FLOW_OK;
}

static enum flow_status set_duration(const struct flow_param *row, json_t *given, int64_t *field,
                                     struct flow_error *err)
{
    const char *text = plain_string(given);
    int64_t ns = 0;
    if (text == NULL || !flow_parse_duration(text, &ns))
        return refuse(row, given, FLOW_ETYPE, err);
    if (ns > FLOW_PARAM_EXACT || !in_range(row, (double)ns))
        return refuse(row, given, FLOW_ERANGE, err);
    *field = ns;
    return FLOW_OK;
}

static enum flow_status set_enum(const struct flow_param *row, json_t *given, int *field,
                                 struct flow_error *err)
{
    const char *text = plain_string(given);
    if (text == NULL)
        return refuse(row, given, FLOW_ETYPE, err);

    const char *at = row->choices;
    size_t size;
    const char *word;
    for (int index = 0; (word = flow_value_choice(&at, &size)) != NULL; index++) {
        if (strlen(text) == size && memcmp(text, word, size) == 0) {
            *field = index;
            return FLOW_OK;
        }
    }
    return refuse(row, given, FLOW_ERANGE, err);
}

static enum flow_status set_list(const struct flow_param *row, json_t *given,
                                 struct flow_list *field, struct flow_error *err)
{
    const bool single = json_is_string(given);
    const size_t count = single ? 1 : json_array_size(given);
    if (!single && !json_is_array(given))
        return refuse(row, given, FLOW_ETYPE, err);

    enum flow_status rc = FLOW_OK;
    struct flow_list list = {.items = flow_calloc(count, sizeof(*list.items))};
    if (list.items == NULL)
        return no_memory(row, err);
    for (; list.count < count; list.count++) {
        const char *text = plain_string(single ? given : json_array_get(given, list.count));
        rc = text == NULL ? refuse(row, given, FLOW_ETYPE, err) : FLOW_OK;
        if (rc != FLOW_OK)
            goto fail;
        list.items[list.count] = flow_strdup(text);
        rc = list.items[list.count] == NULL ? no_memory(row, err) : FLOW_OK;
        if (rc != FLOW_OK)
            goto fail;
    }
    *field = list;
    return FLOW_OK;

fail:
    flow_value_clear(row, &list);
    return rc;
}

static enum flow_status set_json(const struct flow_param *row, json_t *given, char **field,
                                 struct flow_error *err)
{
    char *text = dump(given, 17); /* nothing may be lost */
    if (text == NULL)
        return no_memory(row, err);
    *field = text;
    return FLOW_OK;
}

/* FLOW_FIELD_ vouches for the types that `field` is taken for. */
enum flow_status flow_value_set(const struct flow_param *row, json_t *given, void *field,
                                struct flow_error *err)
{
    switch (row->type) {
    case FLOW_I64:
        return set_i64(row, given, field, err);
    case FLOW_F64:
        return set_f64(row, given, field, err);
    case FLOW_BOOL:
        return set_bool(row, given, field, err);
    case FLOW_STR:
        return set_str(row, given, field, err);
    case FLOW_SIZE:
        return set_size(row, given, field, err);
    case FLOW_DURATION:
        return set_duration(row, given, field, err);
    case FLOW_ENUM:
        return set_enum(row, given, field, err);
    case FLOW_LIST:
        return set_list(row, given, field, err);
    case FLOW_JSON:
        return set_json(row, given, field, err);
    }
    return flow_fail(err, FLOW_EINVAL, "parameter '%s' has no known type", row->name);
}

void flow_value_clear(const struct flow_param *row, void *field)
{
    if (row->type == FLOW_STR || row->type == FLOW_JSON) {
        char **text = field;
        free(*text);
        *text = NULL;
    } else if (row->type == FLOW_LIST) {
        struct flow_list *list = field;
        for (size_t i = 0; i < list->count; i++)
            free(list->items[i]);
        free(list->items);
        *list = (struct flow_list){0};
    }
}

/* Types whose default stands in the table as the bare string. */
static bool has_bare_default(const struct flow_param *row)
{
    return row->type == FLOW_STR || row->type == FLOW_SIZE || row->type == FLOW_DURATION ||
           row->type == FLOW_ENUM || (row->type == FLOW_LIST && row->def[0] != '[');
}

static json_t *parse_default(const struct flow_param *row, json_error_t *why)
{
    *why = (json_error_t){.text = ""};
    if (has_bare_default(row))
        return json_string_nocheck(row->def);
    return json_loads(row->def, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, why);
}

enum flow_status flow_value_default(const struct flow_param *row, json_t **value,
                                    struct flow_error *err)
{
    if (row->def == NULL || row->def == FLOW_REQUIRED) {
        *value = NULL;
        return FLOW_OK;
    }

    /* jansson takes memory that is short within a string for bad syntax: that must happen twice. */
    json_error_t why;
    json_t *json = parse_default(row, &why);
    if (json == NULL && *why.text != '\0')
        json = parse_default(row, &why);
    if (json == NULL && *why.text != '\0')
        return flow_fail(err, FLOW_EINVAL, "'%s' has the default '%s', which is not JSON: %s",
                         row->name, row->def, why.text);
    if (json == NULL)
        return no_memory(row, err);
    *value = json;
    return FLOW_OK;
}
