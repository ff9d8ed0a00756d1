/* SPDX-License-Identifier: MIT */
#ifndef FLOW_RECORD_FRAME_H
#define FLOW_RECORD_FRAME_H

/*
 * What travels between processes: one frame, a header of 64 bytes and, for a batch, its data and
 * its column, or, for one that lies in shared memory, the lease: where it lies and how it is
 * returned.  All numbers are in the byte order of the machine, since both ends run on one.
 *
 *      0 magic  4 version  6 kind  7 flags  8 link  12 count  16 run  24 sequence  32 number
 *     40 data size  44 frame size  48 epoch  52 incarnation  56 reserved, 0  60 checksum
 *
 *     a lease: 64 data  72 top of the column  80 first record  84 slot  88 tag  92 reserved, 0
 *
 * A credit frame puts received, done, acked and cost in place of sequence, number; see frame.c.
 * `incarnation` is how often the sender's process has been replaced; `epoch` is 0.
 *
 * The decoder trusts nothing: a frame that is not exactly as described here, down to every end in
 * the column, is refused before a record of it is looked at.  The column of a batch that is lent
 * can be changed by its writer at any time, so it is copied first and the copy is what is checked
 * and used.
 */

#include <stddef.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "record/block.h"
#include "record/memory.h"

enum flow_message_kind {
    FLOW_MESSAGE_BATCH = 1, /* records, from upstream */
    FLOW_MESSAGE_CREDIT,    /* what the reader has done, from downstream */
    FLOW_MESSAGE_END,       /* nothing more on this link; `sequence` says how much there was */
    FLOW_MESSAGE_HELLO,     /* the sender's process has taken the place of another, its incarnation
                               is `sequence`; or the answer, from where batch.number says */
    FLOW_MESSAGE_BARRIER,   /* of checkpoint batch.number; `sequence` batches lie before it */
};

enum flow_message_flag {
    FLOW_MESSAGE_LAST = 1, /* the result of input batch `sequence` is complete */
    FLOW_MESSAGE_ASK = 2,  /* the writer wants a report as soon as this batch is done */
};

/*
 * What one end of a link says to the other.  It is small, so that between threads it fits into a
 * message of ZeroMQ without a further allocation; the batch goes by reference.
 */
struct flow_message {
    uint8_t kind;
    uint8_t flags;
    uint16_t first; /* batch: the part of the block that is meant */
    uint16_t count;
    uint16_t unused;
    uint32_t link;
    uint32_t sequence; /* low half; see flow_sequence_expand */
    union {
        struct {
            struct flow_block *block; /* NULL when count is 0; a reference goes with the message */
            uint64_t number;          /* of the first record, on this edge */
        } batch;
        struct {
            uint32_t received; /* batches that have arrived, low half of their count */
            uint32_t done;     /* ... that have been processed: their room is free again */
            uint32_t acked;    /* ... whose result has arrived further down */
            uint32_t cost_ns;  /* time per record lately, 0: not known */
        } credit;
    };
};

/* The 64-bit number near `near` whose low half is `low`. */
static inline uint64_t flow_sequence_expand(uint64_t near, uint32_t low)
{
    return near + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)near);
}

/* The most records in one batch. */
#define FLOW_BATCH_RECORDS_MAX 16384u

/* What the frames of a run have in common. */
struct flow_wire {
    uint64_t run_id;
    const struct flow_memory *memory; /* NULL: nothing is lent in this run */
    uint32_t incarnation;             /* of this process */
};

/*
 * Write the header of a batch into its block, which has no gap before its column, and return the
 * frame's size; the frame starts at block->frame.  The whole block is sent: message->first is 0.
 */
size_t flow_frame_seal(const struct flow_message *message, const struct flow_wire *wire);

/* Write a message without records into `frame`, FLOW_FRAME_HEADER bytes. */
void flow_frame_write(const struct flow_message *message, const struct flow_wire *wire,
                      uint8_t *frame);

#define FLOW_FRAME_LEASE (FLOW_FRAME_HEADER + 32u)

/*
 * Write the frame of records that are lent: `view` has their count, size and keyed, and a lease
 * that points into wire->memory.
 */
void flow_frame_write_lease(const struct flow_message *message, const struct flow_wire *wire,
                            const struct flow_block *view, uint8_t frame[FLOW_FRAME_LEASE]);

/* Bytes of the column of `view`'s records. */
static inline size_t flow_frame_column(const struct flow_block *view)
{
    return view->count * flow_block_step(view) * sizeof(uint32_t);
}

/*
 * Copy the column of a view that is lent to right below `top`, check the copy, and complete the
 * view with it.  FLOW_EPROTO.
 */
FLOW_NODISCARD enum flow_status flow_frame_copy_column(struct flow_block *view,
                                                       const struct flow_memory *memory,
                                                       uint8_t *top, struct flow_error *err);

/*
 * Read a frame of `size` bytes.  For a batch with records, `view` gets where they lie inside
 * `frame` (data, top, size, count, keyed) and message->batch.block is NULL: the caller makes the
 * block.  If they are lent (view->lease.data is not NULL), data and top are yet to come from
 * flow_frame_copy_column.  FLOW_EPROTO says what is wrong.
 */
FLOW_NODISCARD enum flow_status flow_frame_read(const uint8_t *frame, size_t size,
                                                const struct flow_wire *wire,
                                                struct flow_message *message,
                                                struct flow_block *view, struct flow_error *err);

/* The incarnation of the sender of a frame that flow_frame_read has accepted. */
uint32_t flow_frame_incarnation(const uint8_t *frame);

#endif /* FLOW_RECORD_FRAME_H */
