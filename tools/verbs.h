/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_VERBS_H
#define FLOW_TOOLS_VERBS_H

/* The verbs, as struct verb wants them. */

#include "arguments.h"

int run_graph(const struct arguments *arguments);
int check_graph(const struct arguments *arguments);
int explain_graph(const struct arguments *arguments);
int draw_graph(const struct arguments *arguments);
int list_stages(const struct arguments *arguments);
int describe_stage(const struct arguments *arguments);
int print_schema(const struct arguments *arguments);
int test_graph(const struct arguments *arguments);
int write_new(const struct arguments *arguments);
int advise_on(const struct arguments *arguments);
int tell_why(const struct arguments *arguments);

#endif /* FLOW_TOOLS_VERBS_H */
