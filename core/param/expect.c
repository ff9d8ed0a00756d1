/* SPDX-License-Identifier: MIT */
#include "param/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

struct unit {
    const char *name;
    uint64_t value;
};

bool flow_value_has_min(const struct flow_param *row)
{
    if (row->type == FLOW_SIZE || row->type == FLOW_DURATION)
        return row->min > 0;
    if (row->type == FLOW_F64)
        return row->min > -1e300;
    return row->type == FLOW_I64 && row->min > (double)-FLOW_PARAM_EXACT;
}

bool flow_value_has_max(const struct flow_param *row)
{
    if (row->type == FLOW_F64)
        return row->max < 1e300;
    const bool whole =
        row->type == FLOW_I64 || row->type == FLOW_SIZE || row->type == FLOW_DURATION;
    return whole && row->max < (double)FLOW_PARAM_EXACT;
}

/* The largest unit that gives a whole number; `units` goes from large to small and ends with 1. */
static void add_exact(struct flow_str *out, double limit, const struct unit *units)
{
    const uint64_t value = (uint64_t)limit;
    while (value % units->value != 0)
        units++;
    flow_str_addf(out, "%llu%s", (unsigned long long)(value / units->value), units->name);
}

/* In as few digits as give the same number again. */
static void add_number(struct flow_str *out, double number)
{
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    flow_str_add(out, text);
}

void flow_value_limit(const struct flow_param *row, double limit, struct flow_str *out)
{
    static const struct unit sizes[] = {
        {"TiB", (uint64_t)1 << 40},
        {"GiB", (uint64_t)1 << 30},
        {"MiB", (uint64_t)1 << 20},
        {"KiB", (uint64_t)1 << 10},
        {"B", 1},
    };
    static const struct unit durations[] = {
        {"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000},
        {"ms", 1000000},      {"us", 1000},       {"ns", 1},
    };

    if (row->type == FLOW_SIZE)
        add_exact(out, limit, sizes);
    else if (row->type == FLOW_DURATION)
        add_exact(out, limit, durations);
    else if (row->type == FLOW_I64)
        flow_str_addf(out, "%lld", (long long)limit);
    else
        add_number(out, limit);
}

const char *flow_value_choice(const char **at, size_t *size)
{
    const char *word = *at;
    if (word == NULL)
        return NULL;
    *size = strcspn(word, "|");
    *at = word[*size] == '|' ? word + *size + 1 : NULL;
    return word;
}

static void add_range(const struct flow_param *row, struct flow_str *out)
{
    const bool low = flow_value_has_min(row);
    const bool high = flow_value_has_max(row);
    if (low) {
        flow_str_add(out, high ? " from " : " of at least ");
        flow_value_limit(row, row->min, out);
    }
    if (high) {
        flow_str_add(out, low ? " to " : " of at most ");
        flow_value_limit(row, row->max, out);
    }
}

static void add_choices(const struct flow_param *row, struct flow_str *out)
{
    const char *at = row->choices;
    const char *before = "one of ";
    size_t size;
    for (const char *word; (word = flow_value_choice(&at, &size)) != NULL; before = ", ")
        flow_str_addf(out, "%s\"%.*s\"", before, (int)size, word);
}

void flow_value_expect(const struct flow_param *row, struct flow_str *out)
{
    static const char *const kinds[] = {
        [FLOW_I64] = "an integer",
        [FLOW_F64] = "a number",
        [FLOW_BOOL] = "true or false",
        [FLOW_STR] = "a string",
        [FLOW_SIZE] = "a size (such as 4096 or \"64KiB\")",
        [FLOW_DURATION] = "a duration (such as \"250ms\")",
        [FLOW_LIST] = "a string or a list of strings",
        [FLOW_JSON] = "a JSON value",
    };

    if (row->type == FLOW_ENUM)
        add_choices(row, out);
    else
        flow_str_add(out, kinds[row->type]);
    add_range(row, out);
}
