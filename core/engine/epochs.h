/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_EPOCHS_H
#define FLOW_ENGINE_EPOCHS_H

/*
 * What the tasks of a group know of the run's checkpoints: which has begun, which is there, and
 * where states go and come from.
 *
 * Threads: the group's owner writes the atomic fields, its tasks read them; the rest is constant
 * while tasks run.
 */

#include <stdatomic.h>

#include "state/state.h"

/* Where states lie, and which of them a run goes on from. */
struct flow_checkpoints {
    int folder; /* a descriptor of the state folder */
    const struct flow_disk *disk;
    const struct flow_manifest *from; /* NULL: the run begins anew, or the process takes another's
                                         place, and goes on from where that was */
    uint64_t session;                 /* the epoch that the run goes on from; 0: none */
};

struct flow_epochs {
    const struct flow_checkpoints *options;
    uint64_t session;               /* the epoch that the run goes on from; 0: none */
    atomic_uint_fast64_t begun;     /* producers are to send its barrier */
    atomic_uint_fast64_t committed; /* can no longer be lost */
    atomic_bool last;               /* ... and with it all that the run does is done */
    void *context;
    /* A replica has saved its state, at `epoch` or, finished, for all epochs to come. */
    void (*saved)(void *context, size_t replica, uint64_t epoch,
                  const struct flow_manifest_replica *saved);
};

#endif /* FLOW_ENGINE_EPOCHS_H */
