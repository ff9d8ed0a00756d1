/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_PIN_H
#define FLOW_ENGINE_PIN_H

#include "plan/plan.h"

/*
 * Bind the calling thread to the CPUs that the plan has for a replica; nothing if it has none.
 * Memory follows, since the kernel takes it from the node of the thread that touches it first: to
 * be called before the replica allocates.  FLOW_ENOMEM; FLOW_EIO: the kernel refuses.
 */
FLOW_NODISCARD enum flow_status flow_pin_thread(const struct flow_plan *plan, size_t replica,
                                                struct flow_error *err);

#endif /* FLOW_ENGINE_PIN_H */
