/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

/*
 * Work for a processor that can be proved to have been done: so many steps of a linear congruential
 * generator, each of which needs the one before.  Whoever knows the number of steps can tell the
 * result in a few dozen operations, whoever works has to take them all.
 *
 * A job is a record of three words: its number, its steps, and room for the result.
 */

#include "common/record.h"

#define BENCH_JOB_SIZE 24
#define BENCH_STEP_FACTOR UINT64_C(6364136223846793005) /* Knuth, MMIX */
#define BENCH_STEP_ADD UINT64_C(1442695040888963407)

static inline uint64_t bench_work(uint64_t x, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        x = x * BENCH_STEP_FACTOR + BENCH_STEP_ADD;
#if defined(__GNUC__)
        __asm__ volatile("" : "+r"(x)); /* no unrolling into fewer, larger steps */
#endif
    }
    return x;
}

/* The same in O(log steps): the step applied to itself by squaring. */
static inline uint64_t bench_work_told(uint64_t x, uint64_t steps)
{
    uint64_t factor = BENCH_STEP_FACTOR;
    uint64_t add = BENCH_STEP_ADD;
    for (; steps > 0; steps /= 2) {
        if (steps % 2 == 1)
            x = x * factor + add;
        add = add * factor + add;
        factor = factor * factor;
    }
    return x;
}

/* One job in `every` is long; which, only a mix of its number tells.  0: none is. */
struct bench_jobs {
    uint64_t steps, long_steps, every;
};

static inline uint64_t bench_job_steps(const struct bench_jobs *jobs, uint64_t number)
{
    const int is_long = jobs->every > 0 && bench_mix(number) % jobs->every == 0;
    return is_long ? jobs->long_steps : jobs->steps;
}

static inline void bench_job_write(void *out, const struct bench_jobs *jobs, uint64_t number)
{
    bench_set_word(out, 0, number);
    bench_set_word(out, 1, bench_job_steps(jobs, number));
    bench_set_word(out, 2, 0);
}

static inline void bench_job_do(void *job)
{
    bench_set_word(job, 2, bench_work(bench_word(job, 0), bench_word(job, 1)));
}

#endif /* BENCH_WORK_H */
