/* SPDX-License-Identifier: MIT */
#include "param/param.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "param/value.h"

/* What a field of each type takes, and how it must be aligned. */
static const struct {
    size_t size, align;
} fields[] = {
    [FLOW_I64] = {sizeof(int64_t), _Alignof(int64_t)},
    [FLOW_F64] = {sizeof(double), _Alignof(double)},
    [FLOW_BOOL] = {sizeof(bool), _Alignof(bool)},
    [FLOW_STR] = {sizeof(char *), _Alignof(char *)},
    [FLOW_SIZE] = {sizeof(uint64_t), _Alignof(uint64_t)},
    [FLOW_DURATION] = {sizeof(int64_t), _Alignof(int64_t)},
    [FLOW_ENUM] = {sizeof(int), _Alignof(int)},
    [FLOW_LIST] = {sizeof(struct flow_list), _Alignof(struct flow_list)},
    [FLOW_JSON] = {sizeof(char *), _Alignof(char *)},
};

static bool is_name(const char *text)
{
    if (*text < 'a' || *text > 'z')
        return false;
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static enum flow_status check_name(const struct flow_param *table, const struct flow_param *row,
                                   struct flow_error *err)
{
    if (!is_name(row->name)) {
        return flow_fail(err, FLOW_EINVAL,
                         "parameter %zu is named '%s'; a name has lower-case letters, digits "
                         "and '_', and begins with a letter",
                         (size_t)(row - table), row->name);
    }
    for (const struct flow_param *other = table; other != row; other++)
        if (strcmp(other->name, row->name) == 0)
            return flow_fail(err, FLOW_EINVAL, "parameter '%s' is declared twice", row->name);
    if (row->help == NULL || *row->help == '\0' || strchr(row->help, '\n') != NULL ||
        !flow_utf8_valid(row->help, strlen(row->help)))
        return flow_fail(err, FLOW_EINVAL, "parameter '%s' needs a line of help in UTF-8",
                         row->name);
    return FLOW_OK;
}

static enum flow_status check_field(const struct flow_param *table, const struct flow_param *row,
                                    size_t state_size, struct flow_error *err)
{
    if ((unsigned)row->type > FLOW_JSON)
        return flow_fail(err, FLOW_EINVAL, "parameter '%s' has the unknown type %d", row->name,
                         (int)row->type);
    const size_t size = fields[row->type].size;
    if (size > state_size || row->offset > state_size - size) {
        return flow_fail(err, FLOW_EINVAL,
                         "the field of parameter '%s' lies at %zu, outside the state of %zu bytes",
                         row->name, row->offset, state_size);
    }
    if (row->offset % fields[row->type].align != 0)
        return flow_fail(err, FLOW_EINVAL, "the field of parameter '%s' lies at %zu, unaligned",
                         row->name, row->offset);
    for (const struct flow_param *other = table; other != row; other++) {
        if (other->offset < row->offset + size &&
            row->offset < other->offset + fields[other->type].size)
            return flow_fail(err, FLOW_EINVAL, "parameters '%s' and '%s' share a field",
                             other->name, row->name);
    }
    return FLOW_OK;
}

static enum flow_status check_choices(const struct flow_param *row, struct flow_error *err)
{
    if (row->choices == NULL || !flow_utf8_valid(row->choices, strlen(row->choices)))
        return flow_fail(err, FLOW_EINVAL, "parameter '%s' has no choices in UTF-8", row->name);

    const char *at = row->choices;
    size_t size;
    for (const char *word; (word = flow_value_choice(&at, &size)) != NULL;) {
        if (size == 0)
            return flow_fail(err, FLOW_EINVAL, "parameter '%s' has an empty choice in \"%s\"",
                             row->name, row->choices);
        const char *later = at;
        size_t later_size;
        for (const char *same; (same = flow_value_choice(&later, &later_size)) != NULL;) {
            if (later_size == size && memcmp(same, word, size) == 0)
                return flow_fail(err, FLOW_EINVAL, "parameter '%s' has a choice twice in \"%s\"",
                                 row->name, row->choices);
        }
    }
    return FLOW_OK;
}

static enum flow_status check_range(const struct flow_param *row, struct flow_error *err)
{
    const bool whole = row->type != FLOW_F64;
    const double exact = (double)FLOW_PARAM_EXACT;
    const double least = row->type == FLOW_SIZE || row->type == FLOW_DURATION ? 0 : -exact;
    const bool inside = !whole || (row->min >= least && row->max <= exact &&
                                   row->min == trunc(row->min) && row->max == trunc(row->max));
    if (isnan(row->min) || isnan(row->max) || row->min > row->max || !inside)
        return flow_fail(err, FLOW_EINVAL, "parameter '%s' has the impossible range %.17g to %.17g",
                         row->name, row->min, row->max);
    return FLOW_OK;
}

static enum flow_status check_default(const struct flow_param *row, struct flow_error *err)
{
    const bool may_be_absent =
        row->type == FLOW_STR || row->type == FLOW_LIST || row->type == FLOW_JSON;
    if (row->def == FLOW_REQUIRED || (row->def == NULL && may_be_absent))
        return FLOW_OK;
    if (row->def == NULL)
        return flow_fail(err, FLOW_EINVAL, "parameter '%s' needs a default, or FLOW_REQUIRED",
                         row->name);
    if (!flow_utf8_valid(row->def, strlen(row->def)))
        return flow_fail(err, FLOW_EINVAL, "the default of parameter '%s' is not UTF-8", row->name);

    struct flow_error why = {0};
    union flow_value scratch = {0};
    json_t *value = NULL;
    enum flow_status rc = flow_value_default(row, &value, &why);
    if (rc == FLOW_OK)
        rc = flow_value_set(row, value, &scratch, &why);
    json_decref(value);
    flow_value_clear(row, &scratch);
    if (rc == FLOW_ENOMEM || rc == FLOW_OK)
        return rc == FLOW_OK ? FLOW_OK : flow_fail(err, rc, "%s", why.text);
    return flow_fail(err, FLOW_EINVAL, "the default does not fit: %s", why.text);
}

static enum flow_status check_row(const struct flow_param *table, const struct flow_param *row,
                                  size_t state_size, struct flow_error *err)
{
    enum flow_status rc = check_name(table, row, err);
    if (rc == FLOW_OK)
        rc = check_field(table, row, state_size, err);
    if (rc == FLOW_OK && row->type == FLOW_ENUM)
        rc = check_choices(row, err);
    if (rc == FLOW_OK)
        rc = check_range(row, err);
    if (rc == FLOW_OK)
        rc = check_default(row, err);
    return rc;
}

enum flow_status flow_params_validate(const struct flow_param *table, size_t state_size,
                                      struct flow_error *err)
{
    enum flow_status rc = FLOW_OK;
    for (const struct flow_param *row = table; row != NULL && row->name != NULL && rc == FLOW_OK;
         row++)
        rc = check_row(table, row, state_size, err);
    return rc;
}
