/* SPDX-License-Identifier: MIT */
/* A stage type out of a plugin's file, as the engine takes it. */
#include "flowrun/testing.h"
#include "stage/plugin.h"

const struct flow_stage_type *flow_harness_load(const char *path, const char *name)
{
    struct flow_opened opened = {0};
    struct flow_error err = {0};
    if (flow_plugin_open(path, &opened, &err) != FLOW_OK) {
        flow_harness_broken(err.text);
        return NULL;
    }
    const struct flow_stage_type *type =
        name != NULL ? flow_plugin_find(opened.plugin, name) : opened.plugin->types[0];
    if (type == NULL)
        (void)flow_fail(&err, FLOW_ENOENT, "plugin '%s' has no stage type '%s'", path, name);
    else if (name == NULL && opened.plugin->types[1] != NULL)
        (void)flow_fail(&err, FLOW_EINVAL, "plugin '%s' has several stage types: name one", path);
    if (err.status == FLOW_OK)
        return type;
    flow_plugin_close(&opened);
    flow_harness_broken(err.text);
    return NULL;
}
