/* SPDX-License-Identifier: MIT */
#include "control/limits.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/units.h"
#include "control/system.h"

/* Standard streams, the board, the job, the folder, and what the program around us may have open.
 */
#define RESERVE 64

enum flow_status flow_limits_raise(const struct flow_plan *plan, struct flow_error *err)
{
    const rlim_t needed = plan->descriptors + 3 * plan->group_count + RESERVE;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return FLOW_OK;
    if (limit.rlim_max < needed) {
        return flow_fail(
            err, FLOW_EIO,
            "the run needs %llu open descriptors in one process, and no more than %llu "
            "are allowed: raise the hard limit (ulimit -Hn), or use fewer workers",
            (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    }

    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return flow_system_fail(err, errno, "cannot raise the limit of open descriptors to %llu",
                                (unsigned long long)limit.rlim_max);
    return FLOW_OK;
}

enum flow_status flow_limits_memory(const struct flow_plan *plan, const struct flow_room *room,
                                    struct flow_error *err)
{
    char needed[32];
    char flight[32];
    char had[32];
    if (plan->needed_bytes <= room->bytes)
        return FLOW_OK;
    return flow_fail(
        err, FLOW_EIO,
        "the run may take %s of memory, %s of it for records under way%s, and %s can be had (%s): "
        "%s, or fewer workers, would help",
        flow_format_size(plan->needed_bytes, needed, sizeof(needed)),
        flow_format_size(plan->flight_bytes, flight, sizeof(flight)),
        plan->graph->memory > 0 ? " by \"memory\" in \"run\"" : " with the smallest batches",
        flow_format_size(room->bytes, had, sizeof(had)), room->what,
        plan->graph->memory > 0 ? "a smaller \"memory\"" : "more memory");
}
