/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_SAY_H
#define FLOW_TOOLS_SAY_H

#include <stdbool.h>

/*
 * "flowrun: ..." and a newline on standard error, the name in red on a terminal unless NO_COLOR is
 * set.  Returns false, so that a check and its message stay one statement.
 */
bool say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Write `text` to standard output.  Returns an exit code. */
int say_result(const char *text);

#endif /* FLOW_TOOLS_SAY_H */
