/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_BENCH_NEAR_H
#define FLOW_TESTS_BENCH_NEAR_H

/* cmocka of Debian 12 compares floats, but no doubles. */

#include <math.h>

#include "support/check.h"

static inline void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%.17g is not %.17g", value, expected);
}

#endif /* FLOW_TESTS_BENCH_NEAR_H */
