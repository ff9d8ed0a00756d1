/* SPDX-License-Identifier: MIT */
/* libFuzzer writes the job that a process of a run is handed: it is refused, or read whole. */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/job.h"
#include "fuzz.h"

/* What was read can be written, and read again as the same. */
static void check_job(const struct flow_job *job)
{
    int fd = -1;
    struct flow_job again = {0};
    MUST_HOLD(flow_job_write(job, &fd, NULL) == FLOW_OK);
    MUST_HOLD(flow_job_read(fd, &again, NULL) == FLOW_OK);
    MUST_HOLD(again.digest == job->digest && again.topology.count == job->topology.count);
    MUST_HOLD(strcmp(again.origin->path, job->origin->path) == 0);
    MUST_HOLD(again.origin->size == job->origin->size);
    flow_job_clear(&again);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int fd = memfd_create("fuzz", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    MUST_HOLD(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    if (size == 0 || data[0] != 's')
        MUST_HOLD(
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0);
    struct flow_job job = {0};
    struct flow_error err = {0};
    fuzz_short_memory(data, size);
    const enum flow_status rc = flow_job_read(fd, &job, &err);
    flow_mem_fail_at(-1);
    MUST_HOLD((rc == FLOW_OK) == (err.text[0] == '\0'));
    if (rc == FLOW_OK)
        check_job(&job);
    flow_job_clear(&job);
    close(fd);
    return 0;
}
