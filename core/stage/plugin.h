/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGE_PLUGIN_H
#define FLOW_STAGE_PLUGIN_H

/* One plugin: a shared object taken in after every check, or refused and unloaded. */

#include "flowrun/error.h"
#include "flowrun/stage.h"

struct flow_opened {
    void *handle; /* of dlopen */
    const struct flow_plugin *plugin;
};

/*
 * ABI and sizes first, before anything else of the plugin is believed, then every type. FLOW_EPROTO
 * or FLOW_EINVAL; `path` is for the message ("built in" where there is no file).
 */
FLOW_NODISCARD enum flow_status flow_plugin_check(const struct flow_plugin *plugin,
                                                  const char *path, struct flow_error *err);

/*
 * Load the file at `path` and check it.  `opened` is filled on success alone; on failure the file
 * is unloaded.  FLOW_EIO: no file, no library; FLOW_EPROTO, FLOW_EINVAL: as above.
 */
FLOW_NODISCARD enum flow_status flow_plugin_open(const char *path, struct flow_opened *opened,
                                                 struct flow_error *err);

void flow_plugin_close(struct flow_opened *opened);

/* The type of that name, or NULL. */
const struct flow_stage_type *flow_plugin_find(const struct flow_plugin *plugin, const char *name);

#endif /* FLOW_STAGE_PLUGIN_H */
