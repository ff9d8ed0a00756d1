/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_OUTLET_LINK_H
#define FLOW_ENGINE_OUTLET_LINK_H

/*
 * The writer's end of a link: private to outlet_link.c, which keeps account of what is under way,
 * to outlet.c, which sends, and to redeliver.c, which is about the ends that are replaced.
 */

#include "engine/outlet.h"
#include "engine/window.h"

/* What a batch was sent as. */
struct flow_position {
    uint64_t sequence;
    uint64_t number; /* of its first record */
};

/* A batch on its way, or held. */
struct sent_batch {
    uint32_t records;
    uint32_t first; /* in `held` */
    uint64_t bytes; /* its weight, as all bytes that are bounded below */
    uint64_t order;
    struct flow_block *held; /* NULL: the reader is in this process */
    struct flow_position at; /* where the reader may be replaced */
};

/* All counts are of batches since the run began: acked <= done, received <= sent, done <= received.
 */
struct flow_outlet_link {
    uint32_t id;
    bool remote;
    bool fused;             /* the reader is called, and done when the call returns */
    bool recovers;          /* the reader may be replaced */
    bool ended;             /* the end has been sent, */
    uint64_t last;          /* ... with this number */
    uint64_t barrier_epoch; /* of the last barrier, 0: none, */
    uint64_t barrier_at;    /* ... behind so many batches */
    struct flow_credit credit;
    struct flow_outbox *outbox;
    struct flow_board_link *slot;
    uint64_t sent, received, done, acked;
    uint64_t base;                   /* what the reader counts from: it has been replaced */
    uint64_t again;                  /* from here to `sent` is still to be delivered again */
    uint64_t out_records, out_bytes; /* sent and not done */
    uint64_t done_records;
    uint64_t held_bytes;       /* sent and not acked */
    struct flow_window window; /* in records, by the time that they take the reader */
    struct sent_batch *ring;   /* by number, from `acked` to `sent` */
    uint64_t ring_mask;
    struct flow_backlog waiting; /* drop_old; a balance edge uses that of its first link alone */
    /* Of a process that has taken another's place: what the reader has had from that one. */
    bool withholds;
    bool greets;      /* it has such a place, */
    bool answered;    /* ... and the reader will read nothing more of the former process */
    uint32_t cost_ns; /* ... and says what a record takes it; 0: it does not know */
    bool complete;    /* the reader had its end */
    uint64_t had;     /* records that are not to be sent again */
    uint64_t closed;  /* results below this one are complete there */
};

/* May it have one batch more outstanding? */
bool flow_outlet_link_has_room(const struct flow_outlet_link *link);

FLOW_NODISCARD enum flow_status flow_outlet_send(struct flow_outlet *outlet,
                                                 struct flow_outlet_link *link,
                                                 const struct flow_message *message);

/* Send the barrier of an epoch; a reader that has had the end needs none. */
FLOW_NODISCARD enum flow_status flow_outlet_send_barrier(struct flow_outlet *outlet,
                                                         struct flow_outlet_link *link,
                                                         uint64_t epoch);

/* Tell the reader that nothing more comes. */
FLOW_NODISCARD enum flow_status flow_outlet_send_end(struct flow_outlet *outlet,
                                                     struct flow_outlet_link *link);

/* Deliver again what the credit of a new reader permits, or with `all` everything, and then the end
 * if it was sent. */
FLOW_NODISCARD enum flow_status flow_outlet_send_again(struct flow_outlet *outlet,
                                                       struct flow_outlet_link *link, bool all);

/* Take off a slice what the reader has had; true: nothing is left to be sent. */
bool flow_outlet_withhold(struct flow_outlet_link *link, struct flow_slice *slice);

#endif /* FLOW_ENGINE_OUTLET_LINK_H */
