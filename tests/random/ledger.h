/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_LEDGER_H
#define RANDOM_LEDGER_H

/* The books of a run against what the reference counted. */

#include "random/compare.h"
#include "random/reference.h"

/* `said` is what the run printed on standard error with --report json. */
bool rt_ledger_agrees(const struct rt_graph *graph, const struct rt_expected *expected,
                      const char *said, struct rt_verdict *verdict);

#endif /* RANDOM_LEDGER_H */
