/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_SESSION_H
#define FLOW_CONTROL_SESSION_H

/* The body of a session, for the files of control/. */

#include "flowrun/run.h"
#include "graph/graph.h"
#include "stage/catalog.h"

struct flow_session {
    struct flow_catalog *catalog;
    struct flow_types types; /* the catalogue as graph/ wants it */
    char **plugin_folders;   /* in the order of the search; NULL ends the list */
    char *worker_program;    /* NULL: this executable */
};

/* A session with just these plugin folders, which are copied: that of a spawned process. */
struct flow_session *flow_session_new_exact(const struct flow_plugin *const *builtin,
                                            const char *const *plugin_folders,
                                            struct flow_error *err);

#endif /* FLOW_CONTROL_SESSION_H */
