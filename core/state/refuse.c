/* SPDX-License-Identifier: MIT */
#include "state/refuse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum flow_status flow_state_refuse(struct flow_error *err, int cause, const char *fmt, ...)
{
    char what[512];
    char reason[128];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return flow_fail(err, cause == ENOMEM ? FLOW_ENOMEM : FLOW_EIO, "%s: %s", what,
                     strerror_r(cause, reason, sizeof(reason)));
}
