/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_JSON_NUMBER_H
#define FLOW_STAGES_JSON_NUMBER_H

/*
 * The value of a JSON number: exact where it is whole and has up to 18 digits, else the nearest
 * double.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct flow_json_number {
    bool whole; /* `integer` is exact */
    int64_t integer;
    double real; /* always */
};

/*
 * The value of a valid number, which has a byte behind it that belongs to no number.  Up to 15
 * digits and 22 powers of ten a double is exact after one multiplication or division (Clinger: How
 * to read floating point numbers accurately, 1990); the rest is strtod's.
 */
static inline struct flow_json_number flow_json_read_number(const char *at, const char *end)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *c = at + (*at == '-');
    int64_t digits = 0;
    int count = 0;
    int shift = 0; /* digits behind the point */
    bool point = false;
    for (; c < end && count < 18 && (*c == '.' || (*c >= '0' && *c <= '9')); c++) {
        if (*c == '.') {
            point = true;
            continue;
        }
        digits = digits * 10 + (*c - '0');
        count += digits > 0;
        shift += point;
    }
    const int64_t value = *at == '-' ? -digits : digits;
    if (c == end && !point)
        return (struct flow_json_number){true, value, (double)value};
    if (c == end && count <= 15 && shift <= 22) {
        const double real = (double)digits / powers[shift];
        return (struct flow_json_number){false, 0, *at == '-' ? -real : real};
    }
    return (struct flow_json_number){false, 0, strtod(at, NULL)};
}

/* Negative, 0 or positive, as a is smaller than, equal to, or larger than b. */
static inline int flow_json_compare_numbers(const struct flow_json_number *a,
                                            const struct flow_json_number *b)
{
    if (a->whole && b->whole)
        return (a->integer > b->integer) - (a->integer < b->integer);
    return (a->real > b->real) - (a->real < b->real);
}

#endif /* FLOW_STAGES_JSON_NUMBER_H */
