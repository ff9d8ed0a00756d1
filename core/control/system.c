/* SPDX-License-Identifier: MIT */
#include "control/system.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum flow_status flow_system_fail(struct flow_error *err, int cause, const char *fmt, ...)
{
    char what[sizeof(err->text)];
    char why[128];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return flow_fail(err, FLOW_EIO, "%s: %s", what, strerror_r(cause, why, sizeof(why)));
}
