/* SPDX-License-Identifier: MIT */
#ifndef FLOWRUN_WHY_H
#define FLOWRUN_WHY_H

/*
 * Ask a live run what it waits for.  Any process of the same user (or of root) may ask; the run
 * answers without being held up.  Runs in another network namespace, as in most containers, are not
 * seen.
 *
 * Threads: any.  Memory: what is returned is the caller's, to be released as said.
 */

#include <stddef.h>

#include "flowrun/error.h"

struct flow_live_run {
    long process;
    char id[17]; /* 16 hexadecimal digits */
};

/*
 * The live runs of this user, `count` of them, oldest process first; to be released with free().
 * FLOW_EIO: the system does not tell; FLOW_ENOMEM.
 */
FLOW_EXPORT FLOW_NODISCARD enum flow_status flow_live_runs(struct flow_live_run **runs,
                                                           size_t *count, struct flow_error *err);

/* One that does not come back from a callback, or is stopped. */
struct flow_stuck {
    long process, thread; /* the kernel's numbers */
    char *name;           /* "words[2]" */
};

struct flow_why_answer {
    char *graph;   /* its file */
    char *text;    /* one line: "nothing has moved for at least 31 s: stage 'work' ..." */
    char *details; /* lines, each with its newline: what every replica waits for */
    char *json;    /* all of it, with a newline at the end */
    struct flow_stuck *stuck;
    size_t stuck_count;
};

/*
 * Ask; takes about a third of a second, since only two looks tell whether something moves.
 * FLOW_ENOENT: there is no such run any more.  FLOW_EAGAIN: it does not answer within three
 * seconds. FLOW_EPROTO: what answers there is no run of this user.  FLOW_EIO, FLOW_ENOMEM.
 */
FLOW_EXPORT FLOW_NODISCARD enum flow_status flow_why_ask(const struct flow_live_run *run,
                                                         struct flow_why_answer *answer,
                                                         struct flow_error *err);
FLOW_EXPORT void flow_why_answer_clear(struct flow_why_answer *answer);

#endif /* FLOWRUN_WHY_H */
