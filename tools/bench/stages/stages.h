/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STAGES_H
#define BENCH_STAGES_H

/* The stage types of the plugin bench.so. */

#include <flowrun/stage.h>

extern const struct flow_stage_type bench_gen, bench_keys, bench_jobs, bench_ticks;
extern const struct flow_stage_type bench_copy, bench_copy_each, bench_edit, bench_edit_each;
extern const struct flow_stage_type bench_pass, bench_pass_each, bench_spin;
extern const struct flow_stage_type bench_sum_type, bench_sum_each, bench_head, bench_text;
extern const struct flow_stage_type bench_latency;

#endif /* BENCH_STAGES_H */
