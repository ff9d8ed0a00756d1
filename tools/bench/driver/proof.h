/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PROOF_H
#define BENCH_PROOF_H

/* What a run must have printed to count: told from the workload, without running it. */

#include "common/record.h"
#include "driver/row.h"

/* What each end of the workload must have seen of `count` records. */
struct bench_tally bench_proof_expect(const struct bench_options *options, uint64_t count);

/*
 * NULL, or what is wrong with the output of a run of `count` records, in one line, for free.  Fills
 * the delays of `sample` from what an end has printed.
 */
char *bench_proof_check(const struct bench_row *row, uint64_t count, const char *output,
                        struct bench_sample *sample);

#endif /* BENCH_PROOF_H */
