/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGE_TYPE_H
#define FLOW_STAGE_TYPE_H

/* The rules of <flowrun/stage.h> that the compiler cannot check. */

#include <stdbool.h>

#include "flowrun/error.h"
#include "flowrun/stage.h"

/* "group.verb", or just "verb": words of [a-z0-9_] that begin with a letter, with dots between. */
bool flow_type_name_valid(const char *name);

/* Name, help, role and callbacks, ports, parameters.  FLOW_EINVAL names the type and the fault. */
FLOW_NODISCARD enum flow_status flow_type_check(const struct flow_stage_type *type,
                                                struct flow_error *err);

/* May it hold records in flight?  One that takes batches may only set timers. */
static inline bool flow_type_holds(const struct flow_stage_type *type)
{
    return type->ready != NULL && type->process != NULL;
}

#endif /* FLOW_STAGE_TYPE_H */
