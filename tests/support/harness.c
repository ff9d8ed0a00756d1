/* SPDX-License-Identifier: MIT */
#include "support/harness.h"

#include <string.h>

#include "stages/builtin.h"
#include "support/check.h"

void flow_harness_broken(const char *message)
{
    fail_msg("%s", message);
}

const struct flow_stage_type *harness_builtin(const char *name)
{
    for (size_t i = 0; flow_builtin_plugins[i] != NULL; i++) {
        const struct flow_stage_type *const *type = flow_builtin_plugins[i]->types;
        for (; *type != NULL; type++) {
            if (strcmp((*type)->name, name) == 0)
                return *type;
        }
    }
    fail_msg("no built-in stage type '%s'", name);
    return NULL;
}
