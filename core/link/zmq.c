/* SPDX-License-Identifier: MIT */
#include "link/transport.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/mem.h"
#include "record/builder.h"

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

/*
 * ThreadSanitizer does not see how ZeroMQ hands a message from thread to thread (its pipes are lock
 * free and it is not instrumented), so we tell it: all that was written to a block before the send
 * is seen after the receive.
 */
#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifdef TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define PUBLISH(address) __tsan_release(address)
#define OBSERVE(address) __tsan_acquire(address)
#else
#define PUBLISH(address) ((void)(address))
#define OBSERVE(address) ((void)(address))
#endif

struct flow_transport {
    void *context;
    char *folder; /* NULL: no other processes */
    uint64_t run_id;
};

struct flow_inbox {
    struct flow_transport *transport;
    void *local;  /* PULL, from threads of this process */
    void *remote; /* PULL, from other processes; NULL: there are none */
    int local_fd, remote_fd;
    bool remote_first; /* whose turn it is */
};

struct flow_outbox {
    struct flow_transport *transport;
    void *socket; /* PUSH */
    bool remote;
};

/* A block whose memory is a received message. */
struct received {
    struct flow_block block;
    zmq_msg_t message;
};

enum flow_status flow_transport_new(const struct flow_transport_options *options,
                                    struct flow_transport **transport, struct flow_error *err)
{
    struct flow_transport *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for the transport");

    made->run_id = options->run_id;
    made->context = zmq_ctx_new();
    if (made->context == NULL)
        goto fail;
    const int sockets = (int)(options->sockets + SPARE_SOCKETS);
    if (zmq_ctx_set(made->context, ZMQ_IO_THREADS, options->folder != NULL ? 1 : 0) != 0 ||
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

enum flow_status flow_inbox_open(struct flow_transport *transport, size_t replica, bool remote,
                                 struct flow_inbox **inbox, struct flow_error *err)
{
    struct flow_inbox *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for an inbox");

    made->transport = transport;
    enum flow_status rc = bind_inbox(transport, replica, false, &made->local, &made->local_fd, err);
    if (rc == FLOW_OK && remote)
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
        OBSERVE(message.batch.block);
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
                OBSERVE(message->batch.block);
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

static void release_received(struct flow_block *block)
{
    struct received *received = (struct received *)block;
    (void)zmq_msg_close(&received->message);
    free(received);
}

/* Check the frame in `raw`; for a batch, let a block take its memory over. */
static enum flow_status adopt_frame(const struct flow_transport *transport, zmq_msg_t *raw,
                                    struct flow_message *message, struct flow_error *err)
{
    struct received *received = flow_alloc_aligned(64, sizeof(*received));
    if (received == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a batch");
    received->block = (struct flow_block){.refs = 1, .writable = true, .release = release_received};
    if (zmq_msg_more(raw)) {
        free(received);
        return flow_fail(err, FLOW_EPROTO, "a message of several frames has arrived");
    }

    /* Small messages lie inside zmq_msg_t: move first, then look at the address. */
    (void)zmq_msg_init(&received->message);
    (void)zmq_msg_move(&received->message, raw);
    const enum flow_status rc =
        flow_frame_read(zmq_msg_data(&received->message), zmq_msg_size(&received->message),
                        transport->run_id, message, &received->block, err);
    if (rc == FLOW_OK && message->kind == FLOW_MESSAGE_BATCH && message->count > 0)
        message->batch.block = &received->block;
    else
        release_received(&received->block);
    return rc;
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
        rc = adopt_frame(inbox->transport, &raw, message, err);
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
        return receive_local(inbox, message, err);

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

static enum flow_status send_bytes(struct flow_outbox *outbox, const void *bytes, size_t size,
                                   struct flow_error *err)
{
    int sent;
    do {
        sent = zmq_send(outbox->socket, bytes, size, ZMQ_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return flow_fail(err, FLOW_EIO, "cannot send: %s", zmq_strerror(errno));
    return FLOW_OK;
}

static void let_go(void *data, void *hint)
{
    (void)data;
    flow_block_unref(hint);
}

/* Can the block itself become the frame?  It must be ours, whole, and not on its way already. */
static bool is_frame(const struct flow_message *message, const struct flow_pool *pool)
{
    const struct flow_block *block = message->batch.block;
    const size_t column = block->count * sizeof(uint32_t) * flow_block_step(block);
    const size_t data = (block->size + 3) & ~(size_t)3;
    return block->pool == pool && !block->framed && message->count == block->count &&
           block->top == block->data + data + column;
}

static enum flow_status send_frame(struct flow_outbox *outbox, const struct flow_message *message,
                                   struct flow_pool *pool, struct flow_error *err)
{
    struct flow_message whole = *message;
    if (!is_frame(message, pool)) {
        struct flow_block *block = message->batch.block;
        whole.batch.block = flow_block_copy(pool, block, message->first, message->count);
        flow_block_unref(block);
        if (whole.batch.block == NULL)
            return flow_fail(err, FLOW_ENOMEM, "out of memory for a frame");
    }

    struct flow_block *block = whole.batch.block;
    block->framed = true;
    const size_t size = flow_frame_seal(&whole, outbox->transport->run_id);
    zmq_msg_t raw;
    if (zmq_msg_init_data(&raw, block->frame, size, let_go, block) != 0) {
        flow_block_unref(block);
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a frame");
    }
    int sent;
    do {
        sent = zmq_msg_send(&raw, outbox->socket, ZMQ_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        const int error = errno;
        (void)zmq_msg_close(&raw);
        return flow_fail(err, FLOW_EIO, "cannot send: %s", zmq_strerror(error));
    }
    return FLOW_OK;
}

enum flow_status flow_outbox_send(struct flow_outbox *outbox, const struct flow_message *message,
                                  struct flow_pool *pool, struct flow_error *err)
{
    const bool has_records = message->kind == FLOW_MESSAGE_BATCH && message->count > 0;
    if (!outbox->remote) {
        if (message->kind == FLOW_MESSAGE_BATCH)
            PUBLISH(message->batch.block);
        const enum flow_status rc = send_bytes(outbox, message, sizeof(*message), err);
        if (rc != FLOW_OK && has_records)
            flow_block_unref(message->batch.block);
        return rc;
    }
    if (has_records)
        return send_frame(outbox, message, pool, err);

    uint8_t frame[FLOW_FRAME_HEADER];
    flow_frame_write(message, outbox->transport->run_id, frame);
    return send_bytes(outbox, frame, sizeof(frame), err);
}
