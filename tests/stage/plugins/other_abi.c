/* SPDX-License-Identifier: MIT */
/* A plugin of another ABI.  Its `types` point nowhere: nobody may look at them. */
#include <flowrun/stage.h>

FLOW_EXPORT extern const struct flow_plugin flow_plugin;
FLOW_EXPORT const struct flow_plugin flow_plugin = {
    .abi = FLOW_ABI + 1,
    .type_size = 8,
    .types = (const struct flow_stage_type *const *)(uintptr_t)16,
};
