/* SPDX-License-Identifier: MIT */

/* What Python programs would have in C, too, called by ctypes: the sum of a record and the work of
 * a job.  Calling it lets other threads of Python run. */

#include "common/work.h"

__attribute__((visibility("default"))) uint64_t bench_python_sum(const void *data, size_t size);
__attribute__((visibility("default"))) void bench_python_work(void *job);

uint64_t bench_python_sum(const void *data, size_t size)
{
    return bench_sum(data, size);
}

void bench_python_work(void *job)
{
    bench_job_do(job);
}
