/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_STACK_H
#define FLOW_TOOLS_STACK_H

/*
 * Print the stack of one thread of another process, with eu-stack or else gdb, whichever is
 * installed; both stop the process for a moment.  False: neither is, or it was not allowed.
 */

#include <stdbool.h>

bool stack_print(long process, long thread);

#endif /* FLOW_TOOLS_STACK_H */
