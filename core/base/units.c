/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t value;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", (uint64_t)1 << 10},
    {"MiB", (uint64_t)1 << 20},
    {"GiB", (uint64_t)1 << 30},
    {"TiB", (uint64_t)1 << 40},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
    {NULL, 0},
};

static const struct unit duration_units[] = {
    {"ns", 1},          {"us", 1000},         {"ms", 1000000}, {"s", 1000000000},
    {"m", 60000000000}, {"h", 3600000000000}, {NULL, 0},
};

/* Digits and one of `units`, with nothing before, between or after; at most `most`. */
static bool parse_quantity(const char *text, const struct unit *units, uint64_t most, uint64_t *out)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (number > (most - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (at == text)
        return false;

    while (units->name != NULL && strcmp(units->name, at) != 0)
        units++;
    if (units->name == NULL || number > most / units->value)
        return false;
    *out = number * units->value;
    return true;
}

bool flow_parse_size(const char *text, uint64_t *bytes)
{
    return parse_quantity(text, size_units, UINT64_MAX, bytes);
}

bool flow_parse_duration(const char *text, int64_t *ns)
{
    uint64_t value = 0;
    if (!parse_quantity(text, duration_units, INT64_MAX, &value))
        return false;
    *ns = (int64_t)value;
    return true;
}

/*
 * `value` with one decimal in the largest of `units` that it fills, and in the smallest without,
 * unless it is a fraction of that.  What rounds up to the next unit is shown in it.
 */
static char *format(double value, const struct unit *units, char *buf, size_t buf_size)
{
    const struct unit *unit = units;
    while (unit[1].name != NULL &&
           round(fabs(value) / (double)unit->value * 10) * (double)unit->value >=
               (double)unit[1].value * 10)
        unit++;

    const double shown = value / (double)unit->value;
    const int decimals = unit == units && shown == trunc(shown) ? 0 : 1;
    (void)snprintf(buf, buf_size, "%.*f%s%s", decimals, shown, *unit->name != '\0' ? " " : "",
                   unit->name);
    return buf;
}

char *flow_format_size(uint64_t bytes, char *buf, size_t buf_size)
{
    static const struct unit units[] = {
        {"B", 1},
        {"KiB", (uint64_t)1 << 10},
        {"MiB", (uint64_t)1 << 20},
        {"GiB", (uint64_t)1 << 30},
        {"TiB", (uint64_t)1 << 40},
        {NULL, 0},
    };
    return format((double)bytes, units, buf, buf_size);
}

char *flow_format_duration(int64_t ns, char *buf, size_t buf_size)
{
    return format((double)ns, duration_units, buf, buf_size);
}

char *flow_format_count(double count, char *buf, size_t buf_size)
{
    static const struct unit units[] = {
        {"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000}, {"T", 1000000000000}, {NULL, 0},
    };
    return format(count, units, buf, buf_size);
}
