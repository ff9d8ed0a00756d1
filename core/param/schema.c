/* SPDX-License-Identifier: MIT */
#include "param/param.h"

#include "param/value.h"

/* A string that is replaced by a parameter of the graph or by the environment, in any value. */
#define PLACEHOLDER "\\$\\{.+\\}"
#define SIZE_PATTERN "^[0-9]+(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?$"
#define DURATION_PATTERN "^[0-9]+(ns|us|ms|s|m|h)$"

/* Limits of the row into `schema`; whole numbers are written without a fraction. */
static int set_range(const struct flow_param *row, json_t *schema)
{
    const bool whole = row->type != FLOW_F64;
    int rc = 0;
    if (flow_value_has_min(row))
        rc |= json_object_set_new(schema, "minimum",
                                  whole ? json_integer((json_int_t)row->min) : json_real(row->min));
    if (flow_value_has_max(row))
        rc |= json_object_set_new(schema, "maximum",
                                  whole ? json_integer((json_int_t)row->max) : json_real(row->max));
    return rc;
}

static json_t *number_schema(const struct flow_param *row)
{
    json_t *schema = json_pack("{s:s}", "type", row->type == FLOW_F64 ? "number" : "integer");
    if (schema == NULL)
        return NULL;
    if (row->type == FLOW_SIZE && !flow_value_has_min(row) &&
        json_object_set_new(schema, "minimum", json_integer(0)) != 0)
        goto fail;
    if (set_range(row, schema) != 0)
        goto fail;
    return schema;

fail:
    json_decref(schema);
    return NULL;
}

static json_t *choices_schema(const struct flow_param *row)
{
    json_t *words = json_array();
    const char *at = row->choices;
    size_t size;
    for (const char *word; (word = flow_value_choice(&at, &size)) != NULL;) {
        if (json_array_append_new(words, json_stringn(word, size)) != 0) {
            json_decref(words);
            return NULL;
        }
    }
    return json_pack("{s:o}", "enum", words);
}

/* The row's own kinds of value: a schema, or NULL when memory is short. */
static json_t *kind_schema(const struct flow_param *row)
{
    switch (row->type) {
    case FLOW_I64:
    case FLOW_F64:
        return number_schema(row);
    case FLOW_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case FLOW_STR:
        return json_pack("{s:s}", "type", "string");
    case FLOW_SIZE:
        return json_pack("{s:[o,{s:s,s:s}]}", "anyOf", number_schema(row), "type", "string",
                         "pattern", SIZE_PATTERN);
    case FLOW_DURATION:
        return json_pack("{s:s,s:s}", "type", "string", "pattern", DURATION_PATTERN);
    case FLOW_ENUM:
        return choices_schema(row);
    case FLOW_LIST:
        return json_pack("{s:[{s:s},{s:s,s:{s:s}}]}", "anyOf", "type", "string", "type", "array",
                         "items", "type", "string");
    case FLOW_JSON:
        return json_object();
    }
    return NULL;
}

/* Does a string fit this type anyway, so that a placeholder needs no mention? */
static bool takes_any_string(const struct flow_param *row)
{
    return row->type == FLOW_STR || row->type == FLOW_LIST || row->type == FLOW_JSON;
}

/* `schema` (taken) with a placeholder as one more kind of value. */
static json_t *or_placeholder(json_t *schema)
{
    json_t *kinds = json_object_get(schema, "anyOf");
    json_t *string = json_pack("{s:s,s:s}", "type", "string", "pattern", PLACEHOLDER);
    if (kinds == NULL)
        return json_pack("{s:[o,o]}", "anyOf", schema, string);
    if (json_array_append_new(kinds, string) != 0) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

static json_t *row_schema(const struct flow_param *row)
{
    json_t *schema = kind_schema(row);
    if (!takes_any_string(row))
        schema = or_placeholder(schema);
    if (schema == NULL || json_object_set_new(schema, "description", json_string(row->help)) != 0)
        goto fail;

    json_t *value = NULL;
    if (flow_value_default(row, &value, NULL) != FLOW_OK)
        goto fail;
    if (value != NULL && json_object_set_new(schema, "default", value) != 0)
        goto fail;
    return schema;

fail:
    json_decref(schema);
    return NULL;
}

json_t *flow_params_schema(const struct flow_param *table)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (const struct flow_param *row = table; row != NULL && row->name != NULL; row++) {
        if (json_object_set_new(properties, row->name, row_schema(row)) != 0)
            goto fail;
        if (row->def == FLOW_REQUIRED &&
            json_array_append_new(required, json_string(row->name)) != 0)
            goto fail;
    }

    json_t *schema = json_pack("{s:s,s:b,s:O}", "type", "object", "additionalProperties", 0,
                               "properties", properties);
    if (schema == NULL ||
        (json_array_size(required) > 0 && json_object_set(schema, "required", required) != 0)) {
        json_decref(schema);
        goto fail;
    }
    json_decref(properties);
    json_decref(required);
    return schema;

fail:
    json_decref(properties);
    json_decref(required);
    return NULL;
}
