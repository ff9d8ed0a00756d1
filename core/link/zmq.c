/* SPDX-License-Identifier: MIT */
#include "link/transport.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/mem.h"
#include "base/order.h"
#include "link/frames.h"
#include "link/spare.h"

/*
 * Between threads a message is a struct flow_message, 32 bytes, which ZeroMQ keeps inside its own
 * message; between processes it is a frame.  The two arrive at sockets of their own, since a frame
 * must never be taken for a message with a pointer in it.
 *
 * High-water marks are off: credits bound what is in flight, so a pipe is never full.
 */

#define LINGER_MS 2000    /* for what was sent to another process and is still on its way */
#define DOUBT_MS 50       /* ... which may be gone, and can do without */
#define SPARE_SOCKETS 256 /* closed ones count until another thread has seen to them */
#define POLL_MOST 8
#define ENDPOINT_SIZE 160

struct flow_transport {
    void *context;
    char *folder; /* NULL: no other processes */
    struct flow_wire wire;
};

struct flow_inbox {
    struct flow_transport *transport;
    struct flow_frames_reader reader;
    void *local;  /* PULL, from threads of this process; NULL: there are none */
    void *remote; /* PULL, from other processes; NULL: there are none */
    int local_fd, remote_fd;
    bool remote_first; /* whose turn it is */
};

struct flow_outbox {
    struct flow_transport *transport;
    void *socket; /* PUSH */
    size_t replica;
    uint32_t incarnation; /* of the process at the other end */
    bool remote;
    bool doubts;             /* the other end may be gone when it is closed */
    struct flow_loans loans; /* remote: what its readers hold */
};

enum flow_status flow_transport_new(const struct flow_transport_options *options,
                                    struct flow_transport **transport, struct flow_error *err)
{
    struct flow_transport *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for the transport");

    made->wire = (struct flow_wire){options->run_id, options->memory, options->incarnation};
    const int io_threads = options->folder != NULL ? 1 : 0;
    made->context = zmq_ctx_new();
    /* libzmq aborts the process when it cannot start its threads, which are one more than these. */
    if (made->context == NULL || flow_threads_spare((size_t)io_threads + 1, err) != FLOW_OK)
        goto fail;
    const int sockets = (int)(options->sockets + SPARE_SOCKETS);
    if (zmq_ctx_set(made->context, ZMQ_IO_THREADS, io_threads) != 0 ||
        zmq_ctx_set(made->context, ZMQ_MAX_SOCKETS, sockets) != 0) {
        (void)flow_fail(err, FLOW_EIO, "%d sockets in one process: %s", sockets,
                        zmq_strerror(errno));
        goto fail;
    }
    if (options->folder != NULL) {
        made->folder = flow_strdup(options->folder);
        if (made->folder == NULL)
            goto fail;
    }
    *transport = made;
    return FLOW_OK;

fail:
    flow_transport_free(made);
    return flow_fail(err, FLOW_ENOMEM, "out of memory for the transport");
}

void flow_transport_free(struct flow_transport *transport)
{
    if (transport == NULL)
        return;
    if (transport->context != NULL) {
        while (zmq_ctx_term(transport->context) != 0 && errno == EINTR)
            ;
    }
    free(transport->folder);
    free(transport);
}

static void *open_socket(struct flow_transport *transport, int type, struct flow_error *err)
{
    void *socket = zmq_socket(transport->context, type);
    if (socket == NULL) {
        (void)flow_fail(err, FLOW_EIO,
                        "cannot open a socket: %s; a larger limit on open files (ulimit -n) or "
                        "fewer stages would help",
                        zmq_strerror(errno));
        return NULL;
    }
    const int unlimited = 0;
    const int linger = 0;
    const int64_t largest = (int64_t)(2 * FLOW_RECORD_MAX);
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof(unlimited));
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof(unlimited));
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    (void)zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest));
    return socket;
}

enum flow_status flow_transport_warm(struct flow_transport *transport, struct flow_error *err)
{
    void *socket = open_socket(transport, ZMQ_PUSH, err);
    if (socket == NULL)
        return FLOW_EIO;
    (void)zmq_close(socket);
    return FLOW_OK;
}

void flow_transport_become(struct flow_transport *transport, uint32_t incarnation)
{
    transport->wire.incarnation = incarnation;
}

/* A second listener at the path of a socket would take it from the first: each has its own. */
static enum flow_status endpoint_of(const struct flow_transport *transport, size_t replica,
                                    const uint32_t *incarnation, char endpoint[ENDPOINT_SIZE],
                                    struct flow_error *err)
{
    char again[16] = "";
    if (incarnation != NULL && *incarnation > 0)
        (void)snprintf(again, sizeof(again), ".%" PRIu32, *incarnation);
    const int size = incarnation != NULL
                         ? snprintf(endpoint, ENDPOINT_SIZE, "ipc://%s/r%zu%s", transport->folder,
                                    replica, again)
                         : snprintf(endpoint, ENDPOINT_SIZE, "inproc://r%zu", replica);
    if (size < 0 || size >= ENDPOINT_SIZE)
        return flow_fail(err, FLOW_EIO, "the path of a socket, '%s/r%zu', is too long",
                         transport->folder, replica);
    return FLOW_OK;
}

/* Who has been replaced has left the file of its socket behind. */
static void remove_former(const struct flow_transport *transport, size_t replica)
{
    char endpoint[ENDPOINT_SIZE];
    const uint32_t former = transport->wire.incarnation - 1;
    if (transport->wire.incarnation > 0 &&
        endpoint_of(transport, replica, &former, endpoint, NULL) == FLOW_OK)
        (void)unlink(endpoint + strlen("ipc://"));
}

static enum flow_status bind_inbox(struct flow_transport *transport, size_t replica, bool remote,
                                   void **socket, int *fd, struct flow_error *err)
{
    char endpoint[ENDPOINT_SIZE];
    const uint32_t *incarnation = remote ? &transport->wire.incarnation : NULL;
    enum flow_status rc = endpoint_of(transport, replica, incarnation, endpoint, err);
    if (rc != FLOW_OK)
        return rc;

    *socket = open_socket(transport, ZMQ_PULL, err);
    if (*socket == NULL)
        return FLOW_EIO;
    if (remote)
        remove_former(transport, replica);
    if (zmq_bind(*socket, endpoint) != 0)
        return flow_fail(err, FLOW_EIO, "cannot listen at %s: %s", endpoint, zmq_strerror(errno));
    size_t size = sizeof(*fd);
    if (zmq_getsockopt(*socket, ZMQ_FD, fd, &size) != 0)
        return flow_fail(err, FLOW_EIO, "no descriptor for %s: %s", endpoint, zmq_strerror(errno));
    return FLOW_OK;
}

enum flow_status flow_inbox_open(struct flow_transport *transport, size_t replica, unsigned reach,
                                 struct flow_pool *pool, struct flow_inbox **inbox,
                                 struct flow_error *err)
{
    struct flow_inbox *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for an inbox");

    made->transport = transport;
    made->reader = (struct flow_frames_reader){.wire = &transport->wire, .pool = pool};
    enum flow_status rc = FLOW_OK;
    if ((reach & FLOW_REACH_THREADS) != 0)
        rc = bind_inbox(transport, replica, false, &made->local, &made->local_fd, err);
    if (rc == FLOW_OK && (reach & FLOW_REACH_PROCESSES) != 0)
        rc = bind_inbox(transport, replica, true, &made->remote, &made->remote_fd, err);
    if (rc != FLOW_OK) {
        flow_inbox_close(made);
        return rc;
    }
    *inbox = made;
    return FLOW_OK;
}

/* Let go of the blocks that nobody will read. */
static void discard_local(struct flow_inbox *inbox)
{
    struct flow_message message;
    while (zmq_recv(inbox->local, &message, sizeof(message), ZMQ_DONTWAIT) == sizeof(message)) {
        if (message.kind != FLOW_MESSAGE_BATCH)
            continue;
        FLOW_OBSERVE(message.batch.block);
        flow_block_unref(message.batch.block);
    }
}

void flow_inbox_close(struct flow_inbox *inbox)
{
    if (inbox == NULL)
        return;
    if (inbox->local != NULL) {
        discard_local(inbox);
        (void)zmq_close(inbox->local);
    }
    if (inbox->remote != NULL)
        (void)zmq_close(inbox->remote);
    flow_fence_clear(&inbox->reader.fence);
    free(inbox);
}

enum flow_status flow_inbox_fence(struct flow_inbox *inbox, uint32_t link, struct flow_error *err)
{
    return flow_fence_add(&inbox->reader.fence, link, err);
}

bool flow_inbox_holds(const struct flow_inbox *inbox, uint32_t link)
{
    return flow_fence_holds(&inbox->reader.fence, link, inbox->transport->wire.memory);
}

static enum flow_status receive_local(struct flow_inbox *inbox, struct flow_message *message,
                                      struct flow_error *err)
{
    for (;;) {
        const int size = zmq_recv(inbox->local, message, sizeof(*message), ZMQ_DONTWAIT);
        if (size == sizeof(*message)) {
            if (message->kind == FLOW_MESSAGE_BATCH)
                FLOW_OBSERVE(message->batch.block);
            return FLOW_OK;
        }
        if (size >= 0)
            return flow_fail(err, FLOW_EPROTO, "a message between threads has %d bytes", size);
        if (errno == EAGAIN)
            return FLOW_EAGAIN;
        if (errno != EINTR)
            return flow_fail(err, FLOW_EIO, "cannot receive: %s", zmq_strerror(errno));
    }
}

/* FLOW_EAGAIN with `*more`: it was not for us, look again. */
static enum flow_status receive_one(struct flow_inbox *inbox, struct flow_message *message,
                                    bool *more, struct flow_error *err)
{
    zmq_msg_t raw;
    (void)zmq_msg_init(&raw);
    int size;
    do {
        size = zmq_msg_recv(&raw, inbox->remote, ZMQ_DONTWAIT);
    } while (size < 0 && errno == EINTR);

    enum flow_status rc;
    *more = size >= 0;
    if (size >= 0)
        rc = flow_frames_accept(&inbox->reader, &raw, message, err);
    else if (errno == EAGAIN)
        rc = FLOW_EAGAIN;
    else
        rc = flow_fail(err, FLOW_EIO, "cannot receive: %s", zmq_strerror(errno));
    (void)zmq_msg_close(&raw);
    return rc;
}

static enum flow_status receive_remote(struct flow_inbox *inbox, struct flow_message *message,
                                       struct flow_error *err)
{
    bool more = true;
    enum flow_status rc = FLOW_EAGAIN;
    while (rc == FLOW_EAGAIN && more)
        rc = receive_one(inbox, message, &more, err);
    return rc;
}

enum flow_status flow_inbox_receive(struct flow_inbox *inbox, struct flow_message *message,
                                    struct flow_error *err)
{
    if (inbox->remote == NULL)
        return inbox->local != NULL ? receive_local(inbox, message, err) : FLOW_EAGAIN;
    if (inbox->local == NULL)
        return receive_remote(inbox, message, err);

    inbox->remote_first = !inbox->remote_first;
    enum flow_status rc = inbox->remote_first ? receive_remote(inbox, message, err)
                                              : receive_local(inbox, message, err);
    if (rc == FLOW_EAGAIN)
        rc = inbox->remote_first ? receive_local(inbox, message, err)
                                 : receive_remote(inbox, message, err);
    return rc;
}

enum flow_status flow_inbox_wait(struct flow_inbox *inbox, struct pollfd *fds, size_t count,
                                 int64_t timeout_ns)
{
    struct pollfd all[POLL_MOST];
    size_t used = 0;
    for (; used < count; used++)
        all[used] = fds[used];
    if (inbox->local != NULL)
        all[used++] = (struct pollfd){.fd = inbox->local_fd, .events = POLLIN};
    if (inbox->remote != NULL)
        all[used++] = (struct pollfd){.fd = inbox->remote_fd, .events = POLLIN};

    const struct timespec limit = {.tv_sec = timeout_ns / 1000000000,
                                   .tv_nsec = timeout_ns % 1000000000};
    const int ready = ppoll(all, used, timeout_ns < 0 ? NULL : &limit, NULL);
    for (size_t i = 0; i < count; i++)
        fds[i].revents = ready > 0 ? all[i].revents : 0;
    return ready == 0 ? FLOW_EAGAIN : FLOW_OK;
}

static enum flow_status connect_outbox(struct flow_outbox *outbox, struct flow_error *err)
{
    char endpoint[ENDPOINT_SIZE];
    const enum flow_status rc =
        endpoint_of(outbox->transport, outbox->replica,
                    outbox->remote ? &outbox->incarnation : NULL, endpoint, err);
    if (rc != FLOW_OK)
        return rc;
    outbox->socket = open_socket(outbox->transport, ZMQ_PUSH, err);
    if (outbox->socket == NULL)
        return FLOW_EIO;
    if (zmq_connect(outbox->socket, endpoint) != 0)
        return flow_fail(err, FLOW_EIO, "cannot connect to %s: %s", endpoint, zmq_strerror(errno));
    return FLOW_OK;
}

enum flow_status flow_outbox_open(struct flow_transport *transport, size_t replica, bool remote,
                                  struct flow_outbox **outbox, struct flow_error *err)
{
    struct flow_outbox *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for an outbox");
    made->transport = transport;
    made->replica = replica;
    made->remote = remote;
    const enum flow_status rc = connect_outbox(made, err);
    if (rc != FLOW_OK) {
        flow_outbox_close(made, true);
        return rc;
    }
    *outbox = made;
    return FLOW_OK;
}

enum flow_status flow_outbox_reopen(struct flow_outbox *outbox, uint32_t incarnation,
                                    struct flow_error *err)
{
    if (incarnation <= outbox->incarnation || !outbox->remote)
        return FLOW_OK;
    flow_loans_clear(&outbox->loans);
    (void)zmq_close(outbox->socket); /* which does not linger */
    outbox->socket = NULL;
    outbox->incarnation = incarnation;
    return connect_outbox(outbox, err);
}

void flow_outbox_close(struct flow_outbox *outbox, bool abandon)
{
    if (outbox == NULL)
        return;
    flow_loans_clear(&outbox->loans);
    if (outbox->socket != NULL) {
        const int wait = outbox->doubts ? DOUBT_MS : LINGER_MS;
        const int linger = abandon || !outbox->remote ? 0 : wait;
        (void)zmq_setsockopt(outbox->socket, ZMQ_LINGER, &linger, sizeof(linger));
        (void)zmq_close(outbox->socket);
    }
    free(outbox);
}

void flow_outbox_doubt(struct flow_outbox *outbox)
{
    outbox->doubts = true;
}

bool flow_outbox_is_remote(const struct flow_outbox *outbox)
{
    return outbox->remote;
}

enum flow_status flow_outbox_send(struct flow_outbox *outbox, const struct flow_message *message,
                                  struct flow_pool *pool, struct flow_error *err)
{
    const bool has_records = message->kind == FLOW_MESSAGE_BATCH && message->count > 0;
    if (!outbox->remote) {
        if (message->kind == FLOW_MESSAGE_BATCH)
            FLOW_PUBLISH(message->batch.block);
        const enum flow_status rc =
            flow_frames_send_bytes(outbox->socket, message, sizeof(*message), err);
        if (rc != FLOW_OK && has_records)
            flow_block_unref(message->batch.block);
        return rc;
    }
    if (has_records)
        return flow_frames_send(outbox->socket, &outbox->transport->wire, &outbox->loans, message,
                                pool, err);

    uint8_t frame[FLOW_FRAME_HEADER];
    flow_frame_write(message, &outbox->transport->wire, frame);
    return flow_frames_send_bytes(outbox->socket, frame, sizeof(frame), err);
}
