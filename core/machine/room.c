/* SPDX-License-Identifier: MIT */
#include "machine/room.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "machine/cgroup.h"

#define KIB 1024

static void limit(struct flow_room *room, uint64_t bytes, const char *what)
{
    if (bytes < room->bytes)
        *room = (struct flow_room){bytes, what};
}

static uint64_t left_of(long long most, long long used, long long idle)
{
    const long long taken = used > idle ? used - idle : 0;
    return most > taken ? (uint64_t)(most - taken) : 0;
}

/* "max" is no number: no limit. */
static void see_v2(void *context, const char *folder)
{
    long long most[2];
    long long used[2];
    if (flow_cgroup_numbers(folder, "memory.max", most) == 0 ||
        flow_cgroup_numbers(folder, "memory.current", used) == 0)
        return;
    limit(context,
          left_of(most[0], used[0], flow_cgroup_entry(folder, "memory.stat", "inactive_file")),
          "memory.max of the control group");
}

/* No limit is a number that no machine can have: it is larger than what the others leave. */
static void see_v1(void *context, const char *folder)
{
    long long most[2];
    long long used[2];
    if (flow_cgroup_numbers(folder, "memory.limit_in_bytes", most) == 0 ||
        flow_cgroup_numbers(folder, "memory.usage_in_bytes", used) == 0)
        return;
    limit(
        context,
        left_of(most[0], used[0], flow_cgroup_entry(folder, "memory.stat", "total_inactive_file")),
        "memory.limit_in_bytes of the control group");
}

static void see_machine(const char *root, struct flow_room *room)
{
    char folder[512];
    if (snprintf(folder, sizeof(folder), "%s/proc", root) >= (int)sizeof(folder))
        return;
    const long long free = flow_cgroup_entry(folder, "meminfo", "MemAvailable");
    const long long swap = flow_cgroup_entry(folder, "meminfo", "SwapFree");
    if (free > 0)
        limit(room, (uint64_t)(free + swap) * KIB, "what the machine has available");
}

static void see_addresses(const char *root, struct flow_room *room)
{
    char folder[512];
    long long pages[2];
    struct rlimit address;
    if (getrlimit(RLIMIT_AS, &address) != 0 || address.rlim_cur == RLIM_INFINITY ||
        snprintf(folder, sizeof(folder), "%s/proc/self", root) >= (int)sizeof(folder) ||
        flow_cgroup_numbers(folder, "statm", pages) == 0)
        return;
    const uint64_t used = (uint64_t)pages[0] * (uint64_t)sysconf(_SC_PAGESIZE);
    limit(room, address.rlim_cur > used ? address.rlim_cur - used : 0, "ulimit -v");
}

struct flow_room flow_room_find(const char *root, bool in_one_process)
{
    static const char *const mounts[] = {"/sys/fs/cgroup/memory", NULL};
    struct flow_room room = {UINT64_MAX, "nothing"};
    const struct flow_cgroup_look look = {.controller = "memory",
                                          .mounts_v1 = mounts,
                                          .see_v2 = see_v2,
                                          .see_v1 = see_v1,
                                          .context = &room};
    see_machine(root, &room);
    flow_cgroup_walk(root, &look);
    if (in_one_process)
        see_addresses(root, &room);
    return room;
}
