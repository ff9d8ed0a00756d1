/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_INLET_H
#define FLOW_ENGINE_INLET_H

/*
 * The reader's end of a link: private to input.c and to greet.c, which is about writers that are
 * replaced.
 */

#include "engine/input.h"

/* A batch that was processed and waits for its results to arrive. */
struct finished {
    uint64_t order; /* its results are among those begun up to this */
};

struct flow_inlet {
    uint32_t id;
    unsigned port;
    struct flow_inlet_edge *edge;
    struct flow_outbox *writer; /* NULL: it calls, and sees for itself what is done */
    struct flow_board_link *slot;
    struct flow_credit credit;
    bool prompt; /* balance among several: the writer deals by what we report, so report always */
    bool counts; /* the writer holds batches, or itself owes acknowledgements: report when idle */
    bool ended;
    bool due;                       /* the writer may be waiting for a report */
    bool recovers;                  /* the writer's process may be replaced, */
    bool greeted;                   /* ... and a new one waits for our answer */
    uint64_t stale;                 /* batches of its former process that are not processed yet, */
    uint64_t stale_settled;         /* ... or not settled */
    uint64_t sequence;              /* the last one received, to expand the next */
    uint64_t received, done, acked; /* batches */
    uint64_t settled; /* ... with nothing in flight; where acked does not follow done */
    uint64_t told_received, told_done, told_acked; /* ... as last reported */
    uint64_t quiet_records, quiet_bytes;           /* processed since the last report */
    struct finished *unacked; /* by number, from `acked` to `settled`; NULL: acked follows done */
    size_t unacked_mask;
};

struct flow_inlet_edge {
    size_t edge;
    bool merges;
    bool total_known;
    uint64_t total; /* results, once a writer has ended */
    struct flow_merge merge;
};

/* Tell the writer how far we are. */
FLOW_NODISCARD enum flow_status flow_inlet_report(struct flow_input *input,
                                                  struct flow_inlet *inlet);

/* The writer may be replaced no more: it, and who holds batches for it, may go. */
FLOW_NODISCARD enum flow_status flow_inlet_confirm_end(struct flow_input *input,
                                                       struct flow_inlet *inlet);

#endif /* FLOW_ENGINE_INLET_H */
