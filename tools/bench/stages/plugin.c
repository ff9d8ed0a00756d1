/* SPDX-License-Identifier: MIT */
#include "stages/stages.h"

FLOW_PLUGIN(&bench_gen, &bench_keys, &bench_jobs, &bench_ticks, &bench_copy, &bench_copy_each,
            &bench_edit, &bench_edit_each, &bench_pass, &bench_pass_each, &bench_spin,
            &bench_sum_type, &bench_sum_each, &bench_head, &bench_text, &bench_latency);
