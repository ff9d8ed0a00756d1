/* SPDX-License-Identifier: MIT */
#ifndef FLOWRUN_ERROR_H
#define FLOWRUN_ERROR_H

/*
 * How every fallible call reports: a status to branch on, and a flow_error for people.
 *
 * The library never prints.  A caller that wants the story passes a flow_error from its own stack
 * (NULL to decline it); tools print it once, at the top.  The first failure recorded wins, so
 * cleanup code that fails in turn cannot bury the cause.
 */

#include "flowrun/status.h"

struct flow_error {
    enum flow_status status; /* FLOW_OK until something fails: start from {0} */
    char text[1024];         /* one line, no trailing newline, cut to fit */
};

/*
 * Record a failure and return `status`, so that a check and its message stay one statement:
 *     return flow_fail(err, FLOW_ENOENT, "no stage named '%s'", name);
 */
FLOW_PRINTF(3, 4)
FLOW_EXPORT enum flow_status flow_fail(struct flow_error *err, enum flow_status status,
                                       const char *fmt, ...);

#endif /* FLOWRUN_ERROR_H */
