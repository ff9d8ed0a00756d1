/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_WINDOW_H
#define FLOW_ENGINE_WINDOW_H

/*
 * How many records a link may have outstanding, so that what waits in front of a reader is little
 * time's work, whatever a record takes.  Credit (see engine/outlet.h) bounds memory; it lets a
 * reader that needs a millisecond for each of 16 bytes have half a minute in front of it, in which
 * nothing else can be done about those records.
 *
 * The reader reports what a record takes it.  A window holds WORK_NS of that and, on top, four
 * times what a report takes to come back, so that a reader whose reports are slow to arrive is
 * never left without work.  It starts with a few records and grows with what the reader has done:
 * of one that has done little, little is known, and it may be about to wait for a slow one in its
 * turn.
 *
 *     outstanding  ├───────────── records ─────────────┤ closed
 *                  ├─ slice ─┼─ slice ─┼─ slice ─┼─ ...     batches are filled to a quarter of it
 *                                      ▲ asks: report when this one is done
 *
 * Records as large as a batch are a matter of caches.  Read while its memory is still in one, a
 * record of a mebibyte costs half of what it costs later, so a window has no more of them than fit
 * in there, or than make for 250 us of work, in which the two ends need not wake each other.
 *
 * Asking.  A writer with a closed window must hear of progress, so at half of the window, and at
 * every further half, a batch asks its reader to report once it is done.  A window that is closed
 * while no batch has asked, since it has just become smaller, lets one more pass, which asks.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stdint.h>

enum flow_window_kind {
    FLOW_WINDOW_NONE,   /* the edge's queue says how much may wait, and what happens then */
    FLOW_WINDOW_DEAL,   /* several readers share by balance: small slices, bounded by credit */
    FLOW_WINDOW_STREAM, /* everything else */
    FLOW_WINDOW_MERGE,  /* read by number: a writer must be able to run ahead of the others */
};

struct flow_window {
    int64_t work_ns;       /* what may be outstanding without regard to the lag; 0: not bounded */
    int64_t slice_ns;      /* what a slice may take; 0: a quarter of the window */
    int64_t lag_ns;        /* from the end of a batch to the report of it, a moving average */
    uint64_t record_bytes; /* of a record, lately; 0: not known */
    uint32_t first;        /* what `records` grows from, at least */
    uint32_t records;      /* outstanding at most */
    uint32_t slice;        /* ... and in one batch */
    uint32_t quiet;        /* records sent since a batch asked */
    uint64_t asked;        /* batches sent when one last asked, itself included */
    uint64_t asked_out;    /* records outstanding then */
    int64_t asked_ns;
};

/* `links`: how many lead to the same reader, which share its time; `remote`: in another process. */
void flow_window_init(struct flow_window *window, enum flow_window_kind kind, uint64_t links,
                      bool remote);

/* May another batch be sent, with so many records outstanding and so many batches done? */
static inline bool flow_window_is_open(const struct flow_window *window, uint64_t out,
                                       uint64_t done)
{
    return out < window->records || window->asked <= done;
}

/* A batch of `count` records goes out as number `sent`, which makes `out` outstanding; `done` of
 * the batches are.  Must it ask for a report? */
bool flow_window_asks(struct flow_window *window, uint32_t count, uint64_t out, uint64_t sent,
                      uint64_t done);

/* The reader has reported `done` batches, of `done_records` in all; a record takes it `cost_ns` (0:
 * not known) and has about `record_bytes` (0: likewise). */
void flow_window_learn(struct flow_window *window, uint64_t done, uint64_t done_records,
                       uint32_t cost_ns, uint64_t record_bytes);

#endif /* FLOW_ENGINE_WINDOW_H */
