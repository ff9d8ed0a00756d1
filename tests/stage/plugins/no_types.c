/* SPDX-License-Identifier: MIT */
/* A plugin without a type. */
#include <flowrun/stage.h>

static const struct flow_stage_type *const none[] = {NULL};

FLOW_EXPORT extern const struct flow_plugin flow_plugin;
FLOW_EXPORT const struct flow_plugin flow_plugin = {FLOW_PLUGIN_LAYOUT, .types = none};
