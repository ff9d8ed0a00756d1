/* SPDX-License-Identifier: MIT */
#ifndef FLOW_LINK_TRANSPORT_H
#define FLOW_LINK_TRANSPORT_H

/*
 * How replicas reach each other: the seam between the engine and the sockets.
 *
 * Every replica has one inbox, into which everything flows that others say to it: batches from
 * upstream, credits from downstream, ends.  It sends through outboxes, one per neighbour.  So a
 * replica with any number of neighbours waits on one descriptor, and an idle look at the inbox
 * costs one system call at the most.
 *
 * Sending never blocks and never drops: what may be in flight is bounded by credits, not by the
 * transport.  Messages of one outbox arrive in order.
 *
 * Threads: an inbox or outbox belongs to one thread at a time; handing it over needs a fence.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "record/frame.h"

struct flow_transport;
struct flow_inbox;
struct flow_outbox;

struct flow_transport_options {
    const char *folder; /* private folder for the sockets between processes; NULL: there are none */
    uint64_t run_id;
    size_t sockets;                   /* the most inboxes and outboxes that will be open at once */
    const struct flow_memory *memory; /* what the run's processes share; borrowed; NULL: nothing */
    uint32_t incarnation;             /* how often this process has been replaced */
};

/* The real one: ZeroMQ, inproc between threads and ipc between processes. */
FLOW_NODISCARD enum flow_status flow_transport_new(const struct flow_transport_options *options,
                                                   struct flow_transport **transport,
                                                   struct flow_error *err);

/*
 * Start what it needs in the background, which otherwise the first inbox or outbox does: for a
 * process that will have to be quick, and does not know yet in whose place it will stand, which it
 * is told by flow_transport_become.  FLOW_EIO.
 */
FLOW_NODISCARD enum flow_status flow_transport_warm(struct flow_transport *transport,
                                                    struct flow_error *err);

/* This process is the `incarnation`th that has been put in another's place; before it sends. */
void flow_transport_become(struct flow_transport *transport, uint32_t incarnation);

/* Inboxes and outboxes must be closed; waits until what was sent to other processes has gone out.
 */
void flow_transport_free(struct flow_transport *transport);

/* Who can reach an inbox: threads of this process, other processes, or both. */
enum flow_reach {
    FLOW_REACH_THREADS = 1,
    FLOW_REACH_PROCESSES = 2,
};

/*
 * `reach` is a set of enum flow_reach: looking where nobody writes would cost a system call each
 * time.  What comes from other processes gets blocks of `pool`, which belongs to the same thread
 * and outlives them.
 */
FLOW_NODISCARD enum flow_status flow_inbox_open(struct flow_transport *transport, size_t replica,
                                                unsigned reach, struct flow_pool *pool,
                                                struct flow_inbox **inbox, struct flow_error *err);
void flow_inbox_close(struct flow_inbox *inbox);

/* The other end of this link may be replaced: what its former incarnations sent is then dropped.
 * FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_inbox_fence(struct flow_inbox *inbox, uint32_t link,
                                                 struct flow_error *err);

/* Has something that was lent by this link, which is fenced, not been returned yet? */
bool flow_inbox_holds(const struct flow_inbox *inbox, uint32_t link);

/*
 * The next message, if there is one.  FLOW_OK, FLOW_EAGAIN (nothing there), FLOW_EPROTO (bytes from
 * another process that are no frame of this run), FLOW_ENOMEM, FLOW_EIO.
 */
FLOW_NODISCARD enum flow_status flow_inbox_receive(struct flow_inbox *inbox,
                                                   struct flow_message *message,
                                                   struct flow_error *err);

/*
 * Sleep until the inbox may have a message or one of `fds` (`count` of them, at most 6) is ready,
 * at most `timeout_ns` (< 0: for ever).  To be called only after flow_inbox_receive has returned
 * FLOW_EAGAIN.  FLOW_OK or, when the time has passed, FLOW_EAGAIN.
 */
enum flow_status flow_inbox_wait(struct flow_inbox *inbox, struct pollfd *fds, size_t count,
                                 int64_t timeout_ns);

/* To the inbox of `replica`; with `remote`, in another process. */
FLOW_NODISCARD enum flow_status flow_outbox_open(struct flow_transport *transport, size_t replica,
                                                 bool remote, struct flow_outbox **outbox,
                                                 struct flow_error *err);
/* With `abandon`, what has not gone out yet is thrown away.  What was lent is forgotten, so the
 * pool must not give its memory to anybody any more. */
void flow_outbox_close(struct flow_outbox *outbox, bool abandon);

/* The process at the other end may be gone by then, since it has nothing left to do, and needs none
 * of our last words: closing waits only briefly for what has not gone out. */
void flow_outbox_doubt(struct flow_outbox *outbox);

/*
 * The process at the other end has been replaced by this incarnation: send there from now on.  What
 * the former one had not taken yet is thrown away, and what was lent to it is returned, so nobody
 * may read that any more.  Nothing is done if it is known already.  FLOW_EIO.
 */
FLOW_NODISCARD enum flow_status flow_outbox_reopen(struct flow_outbox *outbox, uint32_t incarnation,
                                                   struct flow_error *err);

bool flow_outbox_is_remote(const struct flow_outbox *outbox);

/*
 * Takes over the message's reference to its block.  To another process, records that lie in shared
 * memory are lent, if there are FLOW_SHARE_MIN bytes of them; else a block goes in place if it is
 * sent whole for the first time, or as a copy from `pool`, which is that of the writer of the link.
 * FLOW_ENOMEM or FLOW_EIO; the reference is gone also then.
 */
FLOW_NODISCARD enum flow_status flow_outbox_send(struct flow_outbox *outbox,
                                                 const struct flow_message *message,
                                                 struct flow_pool *pool, struct flow_error *err);

#endif /* FLOW_LINK_TRANSPORT_H */
