/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

/* What the figures were taken on. */

#include <jansson.h>

#include "driver/lineup.h"

/* An object of strings and numbers, in the order in which they are to be read; for json_decref. */
json_t *bench_machine_describe(const struct bench_setup *setup);

/* How long a step of common/work.h takes here [ns]. */
double bench_machine_step_ns(void);

#endif /* BENCH_MACHINE_H */
