/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_STAGES_PLUGIN_TYPE_H
#define FLOW_TESTS_STAGES_PLUGIN_TYPE_H

#include <dlfcn.h>
#include <stdio.h>

#include "support/check.h"
#include "support/harness.h"

/* A stage type that is a shared object. */
static inline const struct flow_stage_type *plugin_type(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/stages/%s.so", FLOW_BINARY_DIR, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    return plugin->types[0];
}

#endif /* FLOW_TESTS_STAGES_PLUGIN_TYPE_H */
