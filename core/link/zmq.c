/* SPDX-License-Identifier: MIT */
#include "link/transport.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

#define LINGER_MS 2000 /* for what was sent to another process and is still on its way */
#define SPARE_SOCKETS 8
#define POLL_MOST 8
#define ENDPOINT_SIZE 160

struct flow_transport {
    void *context;
    char *folder; /* NULL: no other processes */
    struct flow_wire wire;
};

struct flow_inbox {
    struct flow_transport *transport;
    struct flow_pool *pool;
    void *local;  /* PULL, from threads of this process; NULL: there are none */
    void *remote; /* PULL, from other processes; NULL: there are none */
    int local_fd, remote_fd;
    bool remote_first; /* whose turn it is */
};

struct flow_outbox {
    struct flow_transport *transport;
    void *socket; /* PUSH */
    bool remote;
    struct flow_loans loans; /* remote: what its readers hold */
};

enum flow_status flow_transport_new(const struct flow_transport_options *options,
                                    struct flow_transport **transport, struct flow_error *err)
{
    struct flow_transport *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for the transport");

    made->wire = (struct flow_wire){options->run_id, options->memory};
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

static enum flow_status endpoint_of(const struct flow_transport *transport, size_t replica,
                                    bool remote, char endpoint[ENDPOINT_SIZE],
                                    struct flow_error *err)
{
    const int size =
        remote ? snprintf(endpoint, ENDPOINT_SIZE, "ipc://%s/r%zu", transport->folder, replica)
               : snprintf(endpoint, ENDPOINT_SIZE, "inproc://r%zu", replica);
    if (size < 0 || size >= ENDPOINT_SIZE)
        return flow_fail(err, FLOW_EIO, "the path of a socket, '%s/r%zu', is too long",
                         transport->folder, replica);
    return FLOW_OK;
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

static enum flow_status bind_inbox(struct flow_transport *transport, size_t replica, bool remote,
                                   void **socket, int *fd, struct flow_error *err)
{
    char endpoint[ENDPOINT_SIZE];
    enum flow_status rc = endpoint_of(transport, replica, remote, endpoint, err);
    if (rc != FLOW_OK)
        return rc;

    *socket = open_socket(transport, ZMQ_PULL, err);
    if (*socket == NULL)
        return FLOW_EIO;
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
    made->pool = pool;
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
    free(inbox);
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

static enum flow_status receive_remote(struct flow_inbox *inbox, struct flow_message *message,
                                       struct flow_error *err)
{
    zmq_msg_t raw;
    (void)zmq_msg_init(&raw);
    int size;
    do {
        size = zmq_msg_recv(&raw, inbox->remote, ZMQ_DONTWAIT);
    } while (size < 0 && errno == EINTR);

    enum flow_status rc;
    if (size >= 0)
        rc = flow_frames_accept(&raw, &inbox->transport->wire, inbox->pool, message, err);
    else if (errno == EAGAIN)
        rc = FLOW_EAGAIN;
    else
        rc = flow_fail(err, FLOW_EIO, "cannot receive: %s", zmq_strerror(errno));
    (void)zmq_msg_close(&raw);
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

enum flow_status flow_outbox_open(struct flow_transport *transport, size_t replica, bool remote,
                                  struct flow_outbox **outbox, struct flow_error *err)
{
    char endpoint[ENDPOINT_SIZE];
    enum flow_status rc = endpoint_of(transport, replica, remote, endpoint, err);
    if (rc != FLOW_OK)
        return rc;

    struct flow_outbox *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for an outbox");
    made->transport = transport;
    made->remote = remote;
    made->socket = open_socket(transport, ZMQ_PUSH, err);
    if (made->socket == NULL) {
        rc = FLOW_EIO;
    } else if (zmq_connect(made->socket, endpoint) != 0) {
        rc = flow_fail(err, FLOW_EIO, "cannot connect to %s: %s", endpoint, zmq_strerror(errno));
    }
    if (rc != FLOW_OK) {
        flow_outbox_close(made, true);
        return rc;
    }
    *outbox = made;
    return FLOW_OK;
}

void flow_outbox_close(struct flow_outbox *outbox, bool abandon)
{
    if (outbox == NULL)
        return;
    flow_loans_clear(&outbox->loans);
    if (outbox->socket != NULL) {
        const int linger = abandon || !outbox->remote ? 0 : LINGER_MS;
        (void)zmq_setsockopt(outbox->socket, ZMQ_LINGER, &linger, sizeof(linger));
        (void)zmq_close(outbox->socket);
    }
    free(outbox);
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
    flow_frame_write(message, outbox->transport->wire.run_id, frame);
    return flow_frames_send_bytes(outbox->socket, frame, sizeof(frame), err);
}
