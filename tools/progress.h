/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_PROGRESS_H
#define FLOW_TOOLS_PROGRESS_H

/*
 * What a run says on standard error while it goes: on a terminal one line that is rewritten in
 * place, between whatever stages have to say.
 */

#include <stdbool.h>

#include "flowrun/run.h"

struct status_line {
    bool wanted; /* standard error is a terminal that can rewrite a line */
    bool shown;  /* the line is there and has to be cleared before anything else */
};

struct status_line status_line_new(bool quiet);

/* For struct flow_run_options, with a struct status_line as context. */
void status_line_update(void *context, const struct flow_progress *progress);
void status_line_log(void *context, const char *text);

void status_line_clear(struct status_line *line);

#endif /* FLOW_TOOLS_PROGRESS_H */
