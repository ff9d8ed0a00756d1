/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_SIGNALS_H
#define FLOW_TOOLS_SIGNALS_H

/*
 * SIGINT and SIGTERM as bytes in a pipe, which the engine reads: the first drains the run, the
 * second aborts it.  A third ends the program as if nobody had asked.
 *
 * A handler can reach nothing but globals, so the pipe is one: call this once.
 */

/* The pipe's readable end; -1: there is none, and errno says why.  Also ignores SIGPIPE. */
int signals_catch(void);

/* The last signal that came, or 0. */
int signals_last(void);

#endif /* FLOW_TOOLS_SIGNALS_H */
