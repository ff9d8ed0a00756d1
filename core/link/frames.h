/* SPDX-License-Identifier: MIT */
#ifndef FLOW_LINK_FRAMES_H
#define FLOW_LINK_FRAMES_H

/*
 * Batches on their way between processes: which go as bytes and which are lent, and how what has
 * arrived becomes a block.  Private to link/; see docs/shared-memory.md.
 *
 * Threads: a socket's own.
 */

#include <zmq.h>

#include "link/fence.h"
#include "record/frame.h"
#include "record/lender.h"

/* What the readers at the other end of an outbox hold: a lender for each link that has lent. */
struct flow_loans {
    struct flow_loan_link *links;
};

/* Forget what is lent. */
void flow_loans_clear(struct flow_loans *loans);

/* Copy `size` bytes into a message and send it.  FLOW_EIO. */
FLOW_NODISCARD enum flow_status flow_frames_send_bytes(void *socket, const void *bytes, size_t size,
                                                       struct flow_error *err);

/* Send a batch with records, see flow_outbox_send. */
FLOW_NODISCARD enum flow_status flow_frames_send(void *socket, const struct flow_wire *wire,
                                                 struct flow_loans *loans,
                                                 const struct flow_message *message,
                                                 struct flow_pool *pool, struct flow_error *err);

/* How what arrives at an inbox is read. */
struct flow_frames_reader {
    const struct flow_wire *wire;
    struct flow_pool *pool;
    struct flow_fence fence;
};

/*
 * Check what has arrived; for a batch with records, make a block of `pool` for them, which takes
 * over the contents of `raw` if they lie there.  FLOW_EAGAIN: it is of a process that has been
 * replaced, and was dropped.  FLOW_EPROTO, FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_frames_accept(struct flow_frames_reader *reader,
                                                   zmq_msg_t *raw, struct flow_message *message,
                                                   struct flow_error *err);

#endif /* FLOW_LINK_FRAMES_H */
