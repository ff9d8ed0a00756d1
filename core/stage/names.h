/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGE_NAMES_H
#define FLOW_STAGE_NAMES_H

/* The names of stage types that can be had without a path. */

#include "flowrun/stage.h"

/*
 * The types of the plugins `builtin` (NULL: none) and, from the names of the files alone, of those
 * in `folders`: sorted, each once, NULL ends the list.  A folder that cannot be read adds nothing.
 * NULL when memory is short.  Release with flow_names_free.
 */
char **flow_names_list(const struct flow_plugin *const *builtin, const char *const *folders);

void flow_names_free(char **names);

#endif /* FLOW_STAGE_NAMES_H */
