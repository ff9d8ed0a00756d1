/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_LIMITS_H
#define FLOW_CONTROL_LIMITS_H

#include "flowrun/error.h"
#include "machine/room.h"
#include "plan/plan.h"

/*
 * Raise this process's limit of descriptors as far as the plan needs; spawned processes inherit it.
 * FLOW_EIO: the hard limit is too low; `err` has the numbers.
 */
FLOW_NODISCARD enum flow_status flow_limits_raise(const struct flow_plan *plan,
                                                  struct flow_error *err);

/* FLOW_EIO: the run may take more memory than can be had; `err` has the numbers and what to change.
 */
FLOW_NODISCARD enum flow_status flow_limits_memory(const struct flow_plan *plan,
                                                   const struct flow_room *room,
                                                   struct flow_error *err);

#endif /* FLOW_CONTROL_LIMITS_H */
