/* SPDX-License-Identifier: MIT */
#ifndef FLOW_LINK_SPARE_H
#define FLOW_LINK_SPARE_H

#include <stddef.h>

#include "flowrun/error.h"

/*
 * Can this process start so many threads?  It starts them, at once, and ends them again: a library
 * that gives up the whole process when a thread cannot be started is asked to only afterwards, and
 * finds their stacks, which the system keeps for the next ones.  FLOW_ENOMEM: the limits of memory
 * or threads do not allow it.
 */
FLOW_NODISCARD enum flow_status flow_threads_spare(size_t count, struct flow_error *err);

#endif /* FLOW_LINK_SPARE_H */
