/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_MEMBER_H
#define FLOW_CONTROL_MEMBER_H

/*
 * The group's side of a channel: it does with one group what the coordinator says and reports what
 * became of it.  The same code runs on a thread of the coordinator's process and as the main thread
 * of a process of its own.
 *
 *               NEW          OPEN            START             ended
 *     waiting ──────> bound ──────> opened ───────> running ──────────┐
 *        │              │             │                │              v
 *        └──────────────┴─────────────┴────────────────┴───ABORT──> gone
 *
 * Two threads speak on the channel: this one, which answers, and threads of the group, which report
 * a failure and log.  The end of a group arrives as a callback on one of its own threads; it only
 * writes an eventfd, and this thread, which waits for that and for the channel at once, joins and
 * frees the group.  So ENDED is said when nothing of the group is left and its counters are final.
 */

#include <stdbool.h>

#include "engine/group.h"
#include "flowrun/error.h"

/* How long the threads of an aborted group may take to come back from a callback. */
#define FLOW_MEMBER_JOIN_NS ((int64_t)500 * 1000 * 1000)

struct flow_member_options {
    const struct flow_plan *plan;
    size_t group;
    struct flow_board *board;
    const struct flow_memory *memory; /* what processes share; NULL: nothing */
    const char *folder;               /* of the run's sockets; NULL: no link crosses groups */
    uint64_t run_id;
    const struct flow_checkpoints *checkpoints; /* NULL: the run takes none */
    struct flow_transport *transport;           /* taken over; NULL: the group makes its own */
    int fd;                                     /* the group's end of the channel; borrowed */
};

/*
 * Serve until the group has ended, well or not, or the coordinator has gone.  False: threads of the
 * group are stuck in a stage (STUCK was said), and what `options` points to must stay for ever.
 */
bool flow_member_serve(const struct flow_member_options *options);

#endif /* FLOW_CONTROL_MEMBER_H */
