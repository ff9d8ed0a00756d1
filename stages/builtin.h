/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_BUILTIN_H
#define FLOW_STAGES_BUILTIN_H

/* The stages of this folder that are linked into a program, each as a plugin of its own. */

#include <flowrun/stage.h>

/* NULL ends the list. */
extern const struct flow_plugin *const flow_builtin_plugins[];

#endif /* FLOW_STAGES_BUILTIN_H */
