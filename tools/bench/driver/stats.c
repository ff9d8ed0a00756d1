/* SPDX-License-Identifier: MIT */
#include "driver/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/alloc.h"

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

struct bench_spread bench_spread_of(const double *values, size_t count)
{
    if (count == 0)
        return (struct bench_spread){NAN, NAN, NAN};
    double *sorted = bench_alloc(count, sizeof(*sorted));
    memcpy(sorted, values, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare);
    const struct bench_spread spread = {
        .median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2,
        .min = sorted[0],
        .max = sorted[count - 1],
    };
    free(sorted);
    return spread;
}
