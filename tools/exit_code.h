/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_EXIT_CODE_H
#define FLOW_TOOLS_EXIT_CODE_H

/* How flowrun ends; docs/exit-codes.md tells users. */

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* the run failed, or what was asked for could not be written */
    EXIT_USAGE = 2,       /* the command line is wrong */
    EXIT_GRAPH = 3,       /* the graph is wrong, or cannot be read */
    EXIT_ENVIRONMENT = 5, /* a missing library or program, no memory, no descriptors */
    EXIT_SIGNAL = 128,    /* and the number of the signal */
};

#endif /* FLOW_TOOLS_EXIT_CODE_H */
