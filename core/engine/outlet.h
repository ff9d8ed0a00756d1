/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_OUTLET_H
#define FLOW_ENGINE_OUTLET_H

/*
 * An outlet: one edge as one upstream replica sees it.  It shares batches among the edge's readers,
 * numbers them, keeps to the credit of each link, holds what has left the process until it is
 * acknowledged, and does what the edge's queue policy says when there is no room.
 *
 * Credit.  A link may have so many batches, records and bytes outstanding; the reader reports what
 * it has done, at the latest when half of that is used up, so that a sender with nothing left can
 * rely on a report to come.  One batch may always be outstanding, however large.  Links that hold
 * their writer back are bounded in time as well, see engine/window.h.
 *
 * Balance.  With several readers a batch is dealt out in slices, each to the link with credit and
 * the least outstanding.  A slice has as many records as the reader takes about a millisecond
 * for, by its own reports: work is handed over in small pieces where records are slow and in whole
 * batches where they are fast, so a reader is never left with a hoard while another is free.
 *
 * Acknowledgement.  A batch to another process is held until its reader reports it as acked: its
 * result has arrived one stage further.  `order` ties batches to the input they came from, see
 * flow_outlet_oldest.
 *
 * Threads: the upstream replica's own.
 */

#include <stdbool.h>
#include <stdint.h>

#include "engine/backlog.h"
#include "engine/host.h"
#include "plan/plan.h"

struct flow_outlet_link; /* private */

struct flow_outlet {
    struct flow_host *host;
    const struct flow_plan_edge *edge;
    struct flow_outlet_link *links;
    size_t first_link; /* in the plan */
    size_t link_count;
    size_t turn;       /* where the search for the least loaded link starts */
    bool deals;        /* balance among several readers: batches go out in slices */
    bool numbers;      /* the readers' results carry the numbers given here */
    uint64_t sequence; /* the next of those */
    uint64_t number;   /* records offered so far */
};

/* `edge` and `first_link`.. are the plan's; the outboxes come from `host`. */
FLOW_NODISCARD enum flow_status flow_outlet_init(struct flow_outlet *outlet, struct flow_host *host,
                                                 size_t edge, size_t first_link, size_t link_count);
void flow_outlet_clear(struct flow_outlet *outlet);

/* Does every record go to just one reader, sooner or later?  Then that may be the block's only. */
static inline bool flow_outlet_takes(const struct flow_outlet *outlet)
{
    return outlet->edge->when_full == FLOW_BLOCK && outlet->edge->share != FLOW_ALL;
}

/*
 * Send a slice to the readers that shall have it, waiting for room or dropping as the policy says.
 * `reader` is the index of the link for a keyed edge and ignored otherwise.
 */
FLOW_NODISCARD enum flow_status flow_outlet_offer(struct flow_outlet *outlet,
                                                  const struct flow_slice *slice, size_t reader);

/* Would an offer go out at once? */
bool flow_outlet_has_room(const struct flow_outlet *outlet, size_t reader);

/* How many records the next batch should have at most, so that it is dealt out in little time. */
uint32_t flow_outlet_batch(const struct flow_outlet *outlet, size_t reader);

/* A reader has reported.  FLOW_EPROTO: what it says cannot be. */
FLOW_NODISCARD enum flow_status flow_outlet_credit(struct flow_outlet *outlet, size_t reader,
                                                   const struct flow_message *message);

/* Send what waits (drop_old) as far as there is room. */
FLOW_NODISCARD enum flow_status flow_outlet_drain(struct flow_outlet *outlet);

/* Send every reader a barrier, which waits for no room, but behind what waits (drop_old). */
FLOW_NODISCARD enum flow_status flow_outlet_barrier(struct flow_outlet *outlet, uint64_t epoch);

/* Send all that waits, then tell every reader that nothing more comes; `total` for results. */
FLOW_NODISCARD enum flow_status flow_outlet_end(struct flow_outlet *outlet, uint64_t total);

/* Has every reader in another process acknowledged everything? */
bool flow_outlet_is_settled(const struct flow_outlet *outlet);

/*
 * The process of a reader has been replaced and says hello: deliver again what the former one has
 * not acknowledged.
 */
FLOW_NODISCARD enum flow_status flow_outlet_redeliver(struct flow_outlet *outlet, size_t reader,
                                                      const struct flow_message *hello);

/*
 * This process has taken another's place: say so to the readers, which answer once they read
 * nothing more of it.  When all have, go on from what the board says.  `*any` becomes true
 * if a reader needs nothing any more.
 */
FLOW_NODISCARD enum flow_status flow_outlet_greet(struct flow_outlet *outlet, uint32_t incarnation);
void flow_outlet_note_answer(struct flow_outlet *outlet, size_t reader,
                             const struct flow_message *answer);
bool flow_outlet_is_answered(struct flow_outlet *outlet);
void flow_outlet_resume(struct flow_outlet *outlet, bool *any);

/* Has every reader had the end? */
bool flow_outlet_is_ended(const struct flow_outlet *outlet);

/* The smallest `order` among batches whose arrival has not been reported; UINT64_MAX: none. */
uint64_t flow_outlet_oldest(const struct flow_outlet *outlet);

#endif /* FLOW_ENGINE_OUTLET_H */
