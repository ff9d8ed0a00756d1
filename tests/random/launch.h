/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_LAUNCH_H
#define RANDOM_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

/* One run of the flowrun program. */
struct rt_launch {
    const char *program;
    const char *graph;  /* its file */
    const char *mode;   /* "threads" or "processes" */
    const char *fuse;   /* "auto", "on" or "off" */
    const char *folder; /* where its sinks write */
    const char *err;    /* file for what it says on standard error */
    const char *state;  /* take checkpoints and keep them there; NULL: none */
    bool resumes;       /* go on from the last one */
    int timeout_ms;     /* after which it is killed */
    unsigned kills;     /* so many of its processes are killed, at moments that `moment` gives */
    uint64_t moment;
};

struct rt_outcome {
    bool hung;       /* killed for taking too long */
    int exit_code;   /* -1: ended by a signal */
    int signal;      /* the signal, or 0 */
    unsigned killed; /* so many of its processes were */
    bool left;       /* processes of its group outlived it */
};

/* Start it in a process group of its own and wait for its end.  False: see errno. */
bool rt_launch(const struct rt_launch *launch, struct rt_outcome *outcome);

#endif /* RANDOM_LAUNCH_H */
