/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGE_CATALOG_H
#define FLOW_STAGE_CATALOG_H

/*
 * The stage types that a graph can use: those built in, those of installed plugins, and those of
 * plugins named by path.  All pass the same checks before they are known: the ABI version and the
 * struct sizes, the names, the ports, the parameter table, the callbacks that the role needs.  A
 * plugin that fails one is refused with the reason and unloaded.
 *
 * "text.grep" that is not built in is looked for as text.grep.so in the plugin folders.
 *
 * Threads: not thread-safe; use it from one thread before a run.  Memory: types live as long as the
 * catalogue.
 */

#include "flowrun/error.h"
#include "flowrun/stage.h"

struct flow_catalog;

/*
 * builtin   plugins linked into the program, NULL ends the list; borrowed for ever
 * folders   where installed plugins lie, NULL ends the list; copied
 */
struct flow_catalog *flow_catalog_new(const struct flow_plugin *const *builtin,
                                      const char *const *folders, struct flow_error *err);
void flow_catalog_free(struct flow_catalog *catalog);

/*
 * The type that `use` names: "type", "./plugin.so" (with exactly one type) or "./plugin.so:type",
 * paths relative to `folder`.  NULL: FLOW_ENOENT (unknown), FLOW_EIO (cannot be loaded),
 * FLOW_EPROTO (not a plugin of this ABI), FLOW_EINVAL (a table in it is wrong); `err` says what and
 * where.
 */
const struct flow_stage_type *flow_catalog_find(struct flow_catalog *catalog, const char *use,
                                                const char *folder, struct flow_error *err);

/* The names of all types, built in and installed: sorted, NULL at the end, owned by `catalog`. */
const char *const *flow_catalog_names(struct flow_catalog *catalog);

#endif /* FLOW_STAGE_CATALOG_H */
