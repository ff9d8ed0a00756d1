/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STATE_REFUSE_H
#define FLOW_STATE_REFUSE_H

#include "flowrun/error.h"

/* Record what the system refused, with the reason of the errno `cause`: FLOW_EIO or FLOW_ENOMEM. */
FLOW_PRINTF(3, 4)
enum flow_status flow_state_refuse(struct flow_error *err, int cause, const char *fmt, ...);

#endif /* FLOW_STATE_REFUSE_H */
