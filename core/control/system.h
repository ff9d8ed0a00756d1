/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_SYSTEM_H
#define FLOW_CONTROL_SYSTEM_H

#include "flowrun/error.h"

/*
 * Record what the system refused, with the reason of the errno `cause` after it, and return
 * FLOW_EIO: return flow_system_fail(err, errno, "cannot open '%s'", path);
 */
FLOW_PRINTF(3, 4)
enum flow_status flow_system_fail(struct flow_error *err, int cause, const char *fmt, ...);

#endif /* FLOW_CONTROL_SYSTEM_H */
