/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_HELP_H
#define FLOW_TOOLS_HELP_H

#include <stdio.h>

#include "arguments.h"

struct option {
    const char *name;    /* without the dashes */
    const char *value;   /* what stands for it in help, such as "NAME=VALUE"; NULL: takes none */
    const char *choices; /* "a|b|c"; NULL: any value */
    const char *help;    /* one line */
    enum option_id id;
    char letter; /* 0: none */
};

/* Ends with a row without a name. */
const struct option *all_options(void);

/* The help of a verb, or that of the program (verb NULL); each fits a screen of 24 lines. */
void print_help(FILE *to, const struct verb *verbs, const struct verb *verb);

#endif /* FLOW_TOOLS_HELP_H */
