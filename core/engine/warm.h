/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_WARM_H
#define FLOW_ENGINE_WARM_H

/*
 * The transport of a group, and one that is made before it is known which group it will be: for a
 * process that waits to take another's place.
 *
 * Threads: one owner.
 */

#include "engine/group.h"
#include "link/transport.h"

/* For the group of the options.  Errors as flow_transport_new. */
FLOW_NODISCARD enum flow_status flow_transport_of_group(const struct flow_group_options *options,
                                                        struct flow_transport **transport,
                                                        struct flow_error *err);

/* For any group of the plan, and started; `group`, `incarnation` and `events` do not matter. */
FLOW_NODISCARD enum flow_status flow_transport_of_any(const struct flow_group_options *options,
                                                      struct flow_transport **transport,
                                                      struct flow_error *err);

#endif /* FLOW_ENGINE_WARM_H */
