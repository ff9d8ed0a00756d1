/* SPDX-License-Identifier: MIT */
#ifndef FLOWRUN_ADVISE_H
#define FLOWRUN_ADVISE_H

/*
 * Does a graph need concurrency at all, and of which kind?  Runs it for a moment, in a few forms,
 * and says what each stage does with its time, what would make the graph faster and by how much.
 *
 * The samples are runs: what stages read, write and send is really read, written and sent.  A
 * sample that has not come to its end in time is aborted, so files that only appear when they are
 * complete do not.  Checkpoints are neither taken nor touched.
 */

#include "flowrun/run.h"

struct flow_advise_options {
    int64_t sample_ns; /* how long each sample may take; 0: 2 s */
    int stop_fd;       /* becomes readable when somebody wants it to end; -1: nobody will */
    void *context;
    void (*log)(void *context, const char *line); /* what stages say; NULL: not wanted */
};

struct flow_advise_result {
    char *text; /* lines; the caller's */
    char *json; /* one object and a newline; the caller's */
};

/*
 * `path` and `load` as for flow_graph_load; `load` may be NULL.  FLOW_EINVAL: the graph is wrong,
 * and `messages` says how, as there.  FLOW_EABORT: somebody wanted it to end.  Else as flow_run.
 */
FLOW_EXPORT FLOW_NODISCARD enum flow_status flow_advise(struct flow_session *session,
                                                        const char *path,
                                                        const struct flow_load_options *load,
                                                        const struct flow_advise_options *options,
                                                        struct flow_advise_result *result,
                                                        char **messages, struct flow_error *err);

#endif /* FLOWRUN_ADVISE_H */
