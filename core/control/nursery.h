/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_NURSERY_H
#define FLOW_CONTROL_NURSERY_H

/*
 * Where the processes come from that take the place of dead ones: in a moment, since what a process
 * has to do before it can be of use was done beforehand.
 *
 *     coordinator ══ channel ══ nursery     has read the graph, planned it, loaded all plugins
 *          ║                       │ clone
 *          ╚════════ channel ══ spare       the same, and waits to hear which group it is
 *
 * The nursery is a process of the run like any other (launch_process.c), but without a group, and
 * without a thread or a socket of ZeroMQ, of which a copy would be of no use.  What it makes is a
 * child of the coordinator, not its own (CLONE_PARENT), so that nobody else can tell the
 * difference.  One spare is kept; when it has been given away, the next is asked for.
 *
 * It is not needed for anything: who finds no spare starts the program as ever.  So it begins when
 * the first process has died, runs in which none does pay nothing, and when it dies itself, or
 * cannot do its work (a plugin has started a thread, the system has no such call), nothing is lost
 * but some milliseconds.
 *
 * Threads: the coordinator's.
 */

#include "control/launch.h"

struct flow_nursery {
    struct flow_crew home;  /* its process; fd -1: there is none */
    struct flow_crew spare; /* pid 0: it has been asked for; fd -1: there is none */
    bool ready;             /* it can make processes */
    bool useless;           /* it cannot, and another one could not either */
};

#define FLOW_NURSERY_NONE                                                                          \
    {                                                                                              \
        .home = {.fd = -1}, .spare = {.fd = -1 }                                                   \
    }

/* Begin, unless there is one. */
void flow_nursery_open(struct flow_nursery *nursery, const struct flow_launch *launch);

/* What to poll for input, then call flow_nursery_hear; -1: nothing. */
int flow_nursery_fd(const struct flow_nursery *nursery);
void flow_nursery_hear(struct flow_nursery *nursery);

/* A process for crew->group, as flow_process_launcher.start gives.  False: there is none. */
bool flow_nursery_give(struct flow_nursery *nursery, struct flow_crew *crew);

/* End its process, and the one that it keeps. */
void flow_nursery_close(struct flow_nursery *nursery);

#endif /* FLOW_CONTROL_NURSERY_H */
