/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_LAUNCH_H
#define FLOW_CONTROL_LAUNCH_H

/*
 * How a group is brought to life: as a thread of this process, or as a process of its own.  What
 * the two have in common is the channel; whoever speaks on it need not know which launcher was
 * used.
 *
 * Threads: all calls come from the coordinator's thread.
 */

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/death.h"
#include "control/rounds.h"
#include "engine/epochs.h"
#include "flowrun/error.h"
#include "plan/plan.h"
#include "record/memory.h"
#include "watch/board.h"

/* What all groups of a run share; borrowed for the run (for ever, if a thread is stuck). */
struct flow_launch {
    const struct flow_plan *plan;
    struct flow_board *board;
    const struct flow_memory *memory; /* what processes share; NULL: nothing */
    const char *folder;               /* of the run's sockets; NULL: no link crosses groups */
    uint64_t run_id;
    const struct flow_checkpoints *checkpoints; /* NULL: the run takes none; these groups of
                                                   this process use them, others the job's */
    struct flow_rounds *rounds;                 /* likewise NULL */
    const char *program;                        /* what is started for a spawned group */
    int job_fd;                                 /* see control/job.h; -1 when no group is spawned */
    /*
     * Make all that the groups share anew, as it was at the last checkpoint, when none of them is
     * there any more; `died_ns`: since when.  NULL: the run takes no checkpoints.
     */
    enum flow_status (*renew)(void *context, int64_t died_ns, struct flow_error *err);
    void *context;
    const char *no_way_back; /* why that would lose records; NULL: it would not */
};

/* The coordinator's handle of a group. */
struct flow_crew {
    const struct flow_launcher *launcher;
    size_t group;
    int fd;                 /* the coordinator's end of the channel; -1: closed */
    pid_t pid;              /* of a process */
    pthread_t thread;       /* of a thread, ... */
    struct flow_body *body; /* ... and what it works with */
};

struct flow_launcher {
    /* Start crew->group and fill in the rest of `crew`.  FLOW_EIO, FLOW_ENOMEM: nothing started. */
    enum flow_status (*start)(const struct flow_launch *launch, struct flow_crew *crew,
                              struct flow_error *err);
    /*
     * Its channel is closed, or it has said that it is stuck: wait for the little that is left of
     * it and release what `start` took, the channel's end too.  `death` is untouched for a thread.
     */
    void (*collect)(struct flow_crew *crew, struct flow_death *death);
    /* End it by force.  False: that cannot be; it is left to itself, and the channel is closed. */
    bool (*force)(struct flow_crew *crew);
};

extern const struct flow_launcher flow_thread_launcher;
extern const struct flow_launcher flow_process_launcher;

/* As crew->group for flow_process_launcher: the process makes others, see control/nursery.h. */
#define FLOW_NURSERY_GROUP FLOW_NONE

/* The first argument that tells a program that it was started for a group; see worker.c. */
#define FLOW_WORKER_FLAG "--flowrun-worker"

#endif /* FLOW_CONTROL_LAUNCH_H */
