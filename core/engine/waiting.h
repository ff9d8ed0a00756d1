/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_WAITING_H
#define FLOW_ENGINE_WAITING_H

/*
 * The loop of a stage that waits without blocking: it is handed records as long as it may have more
 * in flight, and called when a descriptor or a timer that it watches is ready.
 *
 * Threads: the replica's own.
 */

#include "engine/hold.h"

/* Hand the batch in hand to the stage, which may have some of it in flight afterwards. */
FLOW_NODISCARD enum flow_status flow_waiting_process(struct flow_replica *replica);

/* While records keep coming: those in flight have their turn, and what is done goes on. */
FLOW_NODISCARD enum flow_status flow_waiting_look(struct flow_replica *replica);

/*
 * The input pauses, or has ended (`last`): have the stage flush, and wait until nothing is in
 * flight.  Nothing happens if the stage has no `ready`.
 */
FLOW_NODISCARD enum flow_status flow_waiting_drain(struct flow_replica *replica, bool last);

/* Nothing is ready and the inbox is empty: call the stage if something of its own is, or sleep. */
FLOW_NODISCARD enum flow_status flow_waiting_sleep(struct flow_replica *replica);

/* ---- watch.c ---- */

/* Call the stage for whatever is ready, without waiting; `*any`: something was. */
FLOW_NODISCARD enum flow_status flow_watch_dispatch(struct flow_replica *replica, bool *any);

/* Until the next timer [ns]; < 0: there is none. */
int64_t flow_watch_timeout(const struct flow_hold *hold);

/* See <flowrun/stage.h>. */
FLOW_NODISCARD enum flow_status flow_watch_add(struct flow_replica *replica, int fd,
                                               unsigned events, uint64_t tag);
void flow_watch_remove(struct flow_hold *hold, int fd);

#endif /* FLOW_ENGINE_WAITING_H */
