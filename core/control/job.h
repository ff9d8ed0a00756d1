/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_JOB_H
#define FLOW_CONTROL_JOB_H

/*
 * What a spawned process of a run is told: enough to read, check and plan the same graph again, and
 * a digest to see that it came to the same plan.  It travels in a memfd that is sealed, so that all
 * processes of the run can read the one copy and none can change it:
 *
 *     "flowjob1", then run id, digest, cpus and room_bytes as 64-bit numbers, the topology (how
 * many CPUs, and for each the fields of struct flow_cpu), then the texts in the order of the
 * struct.  A text is its size (64 bits; all ones: NULL) and its bytes, a list of texts their number
 * (likewise) and the texts.  Numbers have the low byte first.
 *
 * Memory: flow_job_write borrows all; what flow_job_read fills in is released by flow_job_clear.
 */

#include <stdint.h>

#include "control/origin.h"
#include "machine/topology.h"

struct flow_job {
    uint64_t run_id;
    uint64_t digest;               /* of the plan */
    uint64_t cpus;                 /* what "auto" stood for */
    uint64_t room_bytes;           /* memory that could be had */
    struct flow_topology topology; /* that replicas were placed by; empty: they were not */
    struct flow_graph_origin *origin;
    char **plugin_folders; /* all of them, in the order of the search */
    char *folder;          /* of the run's sockets; NULL: no link crosses groups */
    char *state;           /* the state folder; NULL: the run takes no checkpoints */
    uint64_t session;      /* the checkpoint that the run goes on from; 0: none */
};

/* A new sealed memfd, close-on-exec.  FLOW_EIO, FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_job_write(const struct flow_job *job, int *fd,
                                               struct flow_error *err);

/* FLOW_EPROTO: not a sealed job; FLOW_EIO, FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_job_read(int fd, struct flow_job *job, struct flow_error *err);

/* Release what flow_job_read filled in.  Safe on a zeroed job. */
void flow_job_clear(struct flow_job *job);

#endif /* FLOW_CONTROL_JOB_H */
