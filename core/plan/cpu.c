/* SPDX-License-Identifier: MIT */
#include "plan/cpu.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "machine/cgroup.h"
#include "plan/plan.h"

static unsigned cores(long long quota_us, long long period_us)
{
    if (quota_us <= 0 || period_us <= 0)
        return 0;
    const long long whole = quota_us / period_us + (quota_us % period_us != 0);
    return whole < UINT_MAX ? (unsigned)whole : 0;
}

static unsigned least(unsigned a, unsigned b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* Version 2: "50000 100000", or "max 100000" for no quota. */
static void see_v2(void *context, const char *folder)
{
    long long numbers[2];
    unsigned *found = context;
    if (flow_cgroup_numbers(folder, "cpu.max", numbers) == 2)
        *found = least(*found, cores(numbers[0], numbers[1]));
}

/* Version 1: a quota of -1 is none. */
static void see_v1(void *context, const char *folder)
{
    long long quota[2];
    long long period[2];
    unsigned *found = context;
    if (flow_cgroup_numbers(folder, "cpu.cfs_quota_us", quota) > 0 &&
        flow_cgroup_numbers(folder, "cpu.cfs_period_us", period) > 0)
        *found = least(*found, cores(quota[0], period[0]));
}

unsigned flow_cpu_quota(const char *root)
{
    static const char *const mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", NULL};
    unsigned found = 0;
    const struct flow_cgroup_look look = {.controller = "cpu",
                                          .mounts_v1 = mounts,
                                          .see_v2 = see_v2,
                                          .see_v1 = see_v1,
                                          .context = &found};
    flow_cgroup_walk(root, &look);
    return found;
}

/* The mask of the kernel has an unknown size: EINVAL says that ours is too small. */
static unsigned affinity(void)
{
    for (size_t size = sizeof(cpu_set_t); size <= sizeof(cpu_set_t) << 10; size *= 2) {
        cpu_set_t *set = flow_alloc(size);
        if (set == NULL)
            return 0;
        const int rc = sched_getaffinity(0, size, set);
        const int fault = errno;
        const int count = rc == 0 ? CPU_COUNT_S(size, set) : 0;
        free(set);
        if (rc == 0 || fault != EINVAL)
            return (unsigned)count;
    }
    return 0;
}

unsigned flow_cpu_count(void)
{
    unsigned count = affinity();
    if (count == 0) {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        count = online > 0 ? (unsigned)online : 1;
    }
    return least(count, flow_cpu_quota(""));
}
