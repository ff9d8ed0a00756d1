/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_INPUT_H
#define FLOW_ENGINE_INPUT_H

/*
 * The input side of a replica: what has arrived and is to be processed, in which order; what the
 * writers must be told of it; and whether there can be more.
 *
 * Everything that is ready lies in one queue, first come, first served, whatever edge it came by;
 * credits keep any one writer from filling it.  Batches of a numbered edge pass an ordered merge
 * before they get there.
 *
 * End of stream is counted: a link has ended when its writer has said so and everything that it
 * says to have sent has arrived; the input is complete when that holds for every link and nothing
 * waits.
 *
 * Threads: the replica's own.
 */

#include "engine/align.h"
#include "engine/host.h"
#include "engine/merge.h"

struct flow_keep;
struct flow_inlet; /* private: the reader's end of a link, see engine/inlet.h */
struct flow_inlet_edge;

struct flow_input {
    struct flow_host *host;
    struct flow_inlet *links; /* as in the plan's replica->in */
    size_t link_count;
    struct flow_inlet_edge *edges;
    size_t edge_count;
    size_t ended; /* links */
    struct flow_align align;
    struct flow_arrival *ready; /* a ring */
    size_t ready_first, ready_count, ready_capacity;
    uint64_t results; /* numbered input: how many input batches there are in all, once known */
    uint32_t cost_ns; /* a record's time, a moving average */
    uint64_t taken;   /* records processed */
    bool due;         /* some writer may be waiting to hear */
    bool disturbed;   /* a reader was replaced while the batch in hand waited for it */
    double pace_ns;   /* a record's time at the slowest reader downstream; 0: not known */
    uint32_t pace_link;
    size_t greeted;         /* new writers that wait for an answer */
    struct flow_keep *keep; /* of a replica that may be replaced; borrowed; else NULL */
};

/* A batch to be processed. */
struct flow_item {
    uint32_t link; /* for flow_input_done */
    unsigned port;
    struct flow_block *block; /* the caller's reference; NULL: no records */
    uint32_t first, count;
    uint64_t number;   /* of the first record */
    uint64_t sequence; /* of the batch, on its edge */
    bool asks;         /* its writer waits to hear that it is done */
    uint64_t barrier;  /* no batch, but the barrier of this epoch, which all links have reached */
};

FLOW_NODISCARD enum flow_status flow_input_init(struct flow_input *input, struct flow_host *host);
void flow_input_clear(struct flow_input *input);

/* Take a batch, an end or a barrier from the inbox; its block reference is taken over, also on
 * failure. */
FLOW_NODISCARD enum flow_status flow_input_accept(struct flow_input *input,
                                                  const struct flow_message *message);

/* The next batch to process; false: none is ready. */
bool flow_input_next(struct flow_input *input, struct flow_item *item);

/*
 * All of a batch has been handed to the stage; `elapsed_ns` is the time it took, waiting for room
 * included.  Tells the writer if it may be waiting to hear: that is due from then on.
 */
FLOW_NODISCARD enum flow_status flow_input_done(struct flow_input *input,
                                                const struct flow_item *item, int64_t elapsed_ns);

/*
 * The next batch of a link, `sequence`, is settled: none of its records is in flight, and all that
 * was emitted for it was begun up to `*host->clock`.
 */
FLOW_NODISCARD enum flow_status flow_input_settle(struct flow_input *input, uint32_t link,
                                                  uint64_t sequence);

/*
 * Tell the writers whom it is due to.  To be called before the next batch is taken in hand, and
 * before sleeping; what was emitted for the last one goes first, since that is what somebody may
 * be waiting for.
 */
FLOW_NODISCARD enum flow_status flow_input_report(struct flow_input *input);

/*
 * Everything emitted before `oldest` has arrived: acknowledge the input it came from.  To be
 * called when the replica is about to sleep, or has heard of arrivals; `all` tells every writer
 * everything, else only those that keep count.
 */
FLOW_NODISCARD enum flow_status flow_input_acknowledge(struct flow_input *input, uint64_t oldest,
                                                       bool all);

/*
 * The reader of an output link takes `work_ns` for all that it was sent.  A stage is no faster than
 * those that it waits for, so that is what its writers hear too.
 */
void flow_input_keep_pace(struct flow_input *input, uint32_t link, double work_ns);

/* Has everything arrived and been taken? */
bool flow_input_is_complete(const struct flow_input *input);

/* Is everything acknowledged that came from other processes? */
bool flow_input_is_settled(const struct flow_input *input);

/* ---- replaced processes; see docs/recovery.md ---- */

/* A new process says hello as the writer of a link, `message->link`: count anew.  It is answered by
 * flow_input_answer. */
FLOW_NODISCARD enum flow_status flow_input_greet(struct flow_input *input,
                                                 const struct flow_message *message);

/* Answer those of whose former processes nothing is being read any more. */
FLOW_NODISCARD enum flow_status flow_input_answer(struct flow_input *input,
                                                  const struct flow_inbox *inbox);

/* This process is new, and its writer answers with the sequence that it goes on from. */
FLOW_NODISCARD enum flow_status flow_input_welcome(struct flow_input *input,
                                                   const struct flow_message *message);

/* Say hello to the writer. */
FLOW_NODISCARD enum flow_status flow_input_hello(struct flow_input *input, uint32_t incarnation);

/* No process that might take the place of this one would need the writer any more: note it on the
 * board, where the writer looks. */
void flow_input_release(struct flow_input *input);

/* Wake the writer, which may wait for that. */
FLOW_NODISCARD enum flow_status flow_input_nudge(struct flow_input *input);

#endif /* FLOW_ENGINE_INPUT_H */
