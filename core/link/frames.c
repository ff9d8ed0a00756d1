/* SPDX-License-Identifier: MIT */
#include "link/frames.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/order.h"
#include "record/builder.h"

/* A block whose bytes are a received message keeps the message where its frame would begin. */
_Static_assert(sizeof(zmq_msg_t) <= FLOW_FRAME_HEADER, "a message fits into the header of a block");

struct flow_loan_link {
    struct flow_lender lender;
    struct flow_loan_link *next;
    struct flow_pool *pool; /* of the link's writer, which knows the lender */
    uint32_t link;
};

void flow_loans_clear(struct flow_loans *loans)
{
    while (loans->links != NULL) {
        struct flow_loan_link *link = loans->links;
        loans->links = link->next;
        flow_pool_remove_lender(link->pool, &link->lender);
        flow_lender_clear(&link->lender);
        free(link);
    }
}

enum flow_status flow_frames_send_bytes(void *socket, const void *bytes, size_t size,
                                        struct flow_error *err)
{
    int sent;
    do {
        sent = zmq_send(socket, bytes, size, ZMQ_DONTWAIT);
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

/* The link's lender; NULL when memory is short. */
static struct flow_lender *lender_of(struct flow_loans *loans, const struct flow_memory *memory,
                                     uint32_t id, struct flow_pool *pool)
{
    struct flow_loan_link *link = loans->links;
    while (link != NULL && link->link != id)
        link = link->next;
    if (link == NULL) {
        link = flow_alloc(sizeof(*link));
        if (link == NULL)
            return NULL;
        flow_lender_init(&link->lender, flow_memory_slots(memory, id));
        flow_pool_add_lender(pool, &link->lender);
        link->pool = pool;
        link->link = id;
        link->next = loans->links;
        loans->links = link;
    }
    return &link->lender;
}

/* Do the records lie in shared memory, enough of them that it pays? */
static bool can_lend(const struct flow_message *message)
{
    const struct flow_block *block = message->batch.block;
    return (block->shared || block->lease.data != NULL) &&
           flow_block_weight(block, message->first, message->count) >= FLOW_SHARE_MIN;
}

/* Lend the records, taking over the message's reference; false: not possible, it stays. */
static bool lend(struct flow_lender *lender, const struct flow_message *message,
                 struct flow_block *view)
{
    struct flow_block *block = message->batch.block;
    *view = (struct flow_block){
        .keyed = block->keyed,
        .size = flow_block_span(block, message->first, message->count),
        .count = message->count,
        .lease = block->lease,
    };
    if (block->lease.data == NULL)
        view->lease = (struct flow_lease){.data = block->data, .top = block->top};
    view->lease.first += message->first;
    FLOW_PUBLISH(view->lease.data);

    uint32_t slot;
    (void)flow_lender_poll(lender);
    if (!flow_lender_lend(lender, block, &slot, &view->lease.tag))
        return false;
    view->lease.slot = lender->slots + slot;
    return true;
}

/* Can the block itself become the frame?  It must be ours, whole, and not on its way already. */
static bool is_frame(const struct flow_message *message, const struct flow_pool *pool)
{
    const struct flow_block *block = message->batch.block;
    const size_t column = block->count * sizeof(uint32_t) * flow_block_step(block);
    const size_t data = (block->size + 3) & ~(size_t)3;
    return block->pool == pool && block->release == NULL && !block->framed &&
           message->count == block->count && block->top == block->data + data + column;
}

static enum flow_status send_block(void *socket, const struct flow_message *whole,
                                   const struct flow_wire *wire, struct flow_error *err)
{
    struct flow_block *block = whole->batch.block;
    block->framed = true;
    const size_t size = flow_frame_seal(whole, wire);
    zmq_msg_t raw;
    if (zmq_msg_init_data(&raw, block->frame, size, let_go, block) != 0) {
        flow_block_unref(block);
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a frame");
    }
    int sent;
    do {
        sent = zmq_msg_send(&raw, socket, ZMQ_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        const int error = errno;
        (void)zmq_msg_close(&raw);
        return flow_fail(err, FLOW_EIO, "cannot send: %s", zmq_strerror(error));
    }
    return FLOW_OK;
}

/*
 * As a frame in place, or as a copy.  The copy of what could not be lent for want of a slot, or
 * because it lies in private memory, is itself in shared memory if there is room: it may be lent.
 */
static enum flow_status copy_unless_frame(struct flow_message *message, struct flow_pool *pool,
                                          struct flow_error *err)
{
    if (is_frame(message, pool))
        return FLOW_OK;
    struct flow_block *block = message->batch.block;
    message->batch.block = flow_block_copy(pool, block, message->first, message->count);
    message->first = 0;
    flow_block_unref(block);
    if (message->batch.block == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a frame");
    return FLOW_OK;
}

enum flow_status flow_frames_send(void *socket, const struct flow_wire *wire,
                                  struct flow_loans *loans, const struct flow_message *message,
                                  struct flow_pool *pool, struct flow_error *err)
{
    struct flow_message now = *message;
    struct flow_lender *lender =
        wire->memory != NULL ? lender_of(loans, wire->memory, message->link, pool) : NULL;
    struct flow_block view;
    bool lent = lender != NULL && can_lend(&now) && lend(lender, &now, &view);
    if (!lent) {
        const enum flow_status rc = copy_unless_frame(&now, pool, err);
        if (rc != FLOW_OK)
            return rc;
        lent = lender != NULL && can_lend(&now) && lend(lender, &now, &view);
    }
    if (!lent)
        return send_block(socket, &now, wire, err);

    uint8_t frame[FLOW_FRAME_LEASE];
    flow_frame_write_lease(&now, wire, &view, frame);
    return flow_frames_send_bytes(socket, frame, sizeof(frame), err);
}

static zmq_msg_t *message_of(struct flow_block *block)
{
    return (zmq_msg_t *)(void *)block->frame;
}

/*
 * libzmq receives small messages into memory that it takes again once they are closed, in whichever
 * thread: what a stage wrote there, editing in place, comes before what is received next.
 */
static const char taken_again;

static void release_message(struct flow_block *block)
{
    FLOW_PUBLISH(&taken_again);
    (void)zmq_msg_close(message_of(block));
    flow_pool_put(block);
}

/* Tell the lender; whatever was read there has been read before. */
static void return_lease(struct flow_block *block)
{
    FLOW_PUBLISH(block->lease.data);
    atomic_store_explicit(block->lease.slot, block->lease.tag, memory_order_release);
    flow_pool_put(block);
}

/* Let a block of ours stand for the records of `view`. */
static void adopt_view(struct flow_block *block, const struct flow_block *view)
{
    block->keyed = view->keyed;
    block->data = view->data;
    block->top = view->top;
    block->size = view->size;
    block->count = view->count;
    block->lease = view->lease;
}

/* Records inside the message: the block keeps it. */
static struct flow_block *adopt_message(struct flow_pool *pool, zmq_msg_t *raw,
                                        const struct flow_block *view, struct flow_error *err)
{
    struct flow_block *block = flow_pool_take_private(pool, 0);
    if (block == NULL) {
        (void)flow_fail(err, FLOW_ENOMEM, "out of memory for a batch");
        return NULL;
    }
    /* Only messages that are too small for a frame lie inside zmq_msg_t and move with it. */
    (void)zmq_msg_init(message_of(block));
    (void)zmq_msg_move(message_of(block), raw);
    adopt_view(block, view);
    block->release = release_message;
    return block;
}

/* Records in shared memory: the block has a column of its own. */
static struct flow_block *adopt_lease(struct flow_pool *pool, const struct flow_memory *memory,
                                      struct flow_block *view, struct flow_error *err)
{
    const size_t column = flow_frame_column(view);
    struct flow_block *block = flow_pool_take_private(pool, column);
    if (block == NULL) {
        (void)flow_fail(err, FLOW_ENOMEM, "out of memory for a batch");
        return NULL;
    }
    FLOW_OBSERVE(view->lease.data);
    uint8_t *top = block->frame + FLOW_FRAME_HEADER + column;
    if (flow_frame_copy_column(view, memory, top, err) != FLOW_OK) {
        flow_block_unref(block);
        return NULL;
    }
    adopt_view(block, view);
    block->writable = false;
    block->release = return_lease;
    return block;
}

static enum flow_status make_block(struct flow_frames_reader *reader, zmq_msg_t *raw,
                                   struct flow_message *message, struct flow_block *view,
                                   struct flow_error *err)
{
    const struct flow_memory *memory = reader->wire->memory;
    if (view->lease.data == NULL) {
        message->batch.block = adopt_message(reader->pool, raw, view, err);
    } else {
        const struct flow_lease lease = view->lease;
        message->batch.block = adopt_lease(reader->pool, memory, view, err);
        if (message->batch.block != NULL)
            flow_fence_note(&reader->fence, message->link, &lease, memory);
    }
    return message->batch.block != NULL ? FLOW_OK : err->status;
}

static enum flow_status accept(struct flow_frames_reader *reader, zmq_msg_t *raw,
                               struct flow_message *message, struct flow_error *err)
{
    struct flow_block view = {0};
    const uint8_t *frame = zmq_msg_data(raw);
    const enum flow_status rc =
        flow_frame_read(frame, zmq_msg_size(raw), reader->wire, message, &view, err);
    if (rc != FLOW_OK)
        return rc;
    const uint32_t incarnation = flow_frame_incarnation(frame);
    switch (flow_fence_judge(&reader->fence, message, incarnation)) {
    case FLOW_FENCE_PASS:
        break;
    case FLOW_FENCE_DROP:
        return FLOW_EAGAIN;
    case FLOW_FENCE_STRANGE:
        return flow_fail(err, FLOW_EPROTO,
                         "a frame by link %u is of incarnation %u, which is not known there",
                         message->link, incarnation);
    }
    if (message->kind != FLOW_MESSAGE_BATCH || message->count == 0)
        return FLOW_OK;
    return make_block(reader, raw, message, &view, err);
}

enum flow_status flow_frames_accept(struct flow_frames_reader *reader, zmq_msg_t *raw,
                                    struct flow_message *message, struct flow_error *err)
{
    if (zmq_msg_more(raw))
        return flow_fail(err, FLOW_EPROTO, "a message of several frames has arrived");

    FLOW_OBSERVE(&taken_again);
    struct flow_error why = {0};
    const enum flow_status rc = accept(reader, raw, message, &why);
    return rc == FLOW_OK || rc == FLOW_EAGAIN ? rc : flow_fail(err, rc, "%s", why.text);
}
