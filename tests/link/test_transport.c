/* SPDX-License-Identifier: MIT */
#include "link/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include "record/builder.h"
#include "support/check.h"

#define RUN 42

struct ends {
    char folder[64];
    struct flow_transport *here;  /* reads */
    struct flow_transport *there; /* writes; the same as `here` between threads */
    struct flow_inbox *inbox;
    struct flow_outbox *outbox;
    struct flow_pool *pool;
};

static struct ends open_ends(bool remote)
{
    struct ends ends = {.pool = flow_pool_new()};
    (void)snprintf(ends.folder, sizeof(ends.folder), "/tmp/flowrun-test-XXXXXX");
    assert_non_null(mkdtemp(ends.folder));
    const struct flow_transport_options options = {
        .folder = remote ? ends.folder : NULL, .run_id = RUN, .sockets = 8};
    assert_int_equal(flow_transport_new(&options, &ends.here, NULL), FLOW_OK);
    ends.there = ends.here;
    if (remote)
        assert_int_equal(flow_transport_new(&options, &ends.there, NULL), FLOW_OK);
    assert_int_equal(flow_inbox_open(ends.here, 3,
                                     FLOW_REACH_THREADS | (remote ? FLOW_REACH_PROCESSES : 0),
                                     ends.pool, &ends.inbox, NULL),
                     FLOW_OK);
    assert_int_equal(flow_outbox_open(ends.there, 3, remote, &ends.outbox, NULL), FLOW_OK);
    return ends;
}

static void close_ends(struct ends *ends)
{
    flow_outbox_close(ends->outbox, false);
    flow_inbox_close(ends->inbox);
    if (ends->there != ends->here)
        flow_transport_free(ends->there);
    flow_transport_free(ends->here);
    flow_pool_free(ends->pool);
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/r3", ends->folder);
    (void)unlink(path);
    assert_int_equal(rmdir(ends->folder), 0);
}

static enum flow_status receive(struct ends *ends, struct flow_message *message,
                                struct flow_error *err)
{
    enum flow_status rc;
    while ((rc = flow_inbox_receive(ends->inbox, message, err)) == FLOW_EAGAIN)
        (void)flow_inbox_wait(ends->inbox, NULL, 0, -1);
    return rc;
}

static struct flow_block *numbers(struct flow_pool *pool, uint32_t count)
{
    struct flow_builder builder = {.pool = pool, .target = 65536, .most = 10000, .compact = true};
    for (uint32_t i = 0; i < count; i++) {
        memcpy(flow_builder_reserve(&builder, sizeof(i), 0), &i, sizeof(i));
        flow_builder_commit(&builder, sizeof(i), NULL, 0);
    }
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);
    flow_builder_clear(&builder);
    return block;
}

static void assert_numbers(const struct flow_message *message, uint32_t from)
{
    const struct flow_batch view =
        flow_block_view(message->batch.block, message->first, message->count);
    for (uint32_t i = 0; i < view.count; i++) {
        const struct flow_record record = flow_batch_record(&view, i);
        uint32_t value;
        assert_int_equal(record.size, sizeof(value));
        memcpy(&value, record.data, sizeof(value));
        assert_int_equal(value, from + i);
    }
}

static struct flow_message batch_of(struct flow_block *block, uint16_t first, uint16_t count)
{
    return (struct flow_message){.kind = FLOW_MESSAGE_BATCH,
                                 .link = 5,
                                 .first = first,
                                 .count = count,
                                 .batch = {flow_block_ref(block), 100}};
}

TEST(a_batch_between_threads_goes_by_reference)
{
    struct ends ends = open_ends(false);
    struct flow_block *block = numbers(ends.pool, 10);
    const struct flow_message sent = batch_of(block, 2, 5);
    struct flow_message got;

    assert_int_equal(flow_outbox_send(ends.outbox, &sent, ends.pool, NULL), FLOW_OK);
    assert_int_equal(receive(&ends, &got, NULL), FLOW_OK);

    assert_ptr_equal(got.batch.block, block);
    assert_int_equal(got.count, 5);
    assert_numbers(&got, 2);
    flow_block_unref(got.batch.block);
    flow_block_unref(block);
    close_ends(&ends);
}

TEST(batches_between_processes_arrive_whole_and_in_order)
{
    struct ends ends = open_ends(true);
    struct flow_block *block = numbers(ends.pool, 1000);
    struct flow_message got;

    for (int twice = 0; twice < 2; twice++) { /* in place the first time, a copy the second */
        const struct flow_message sent = batch_of(block, 0, 1000);
        assert_int_equal(flow_outbox_send(ends.outbox, &sent, ends.pool, NULL), FLOW_OK);
    }
    const struct flow_message part = batch_of(block, 990, 10);
    assert_int_equal(flow_outbox_send(ends.outbox, &part, ends.pool, NULL), FLOW_OK);
    flow_block_unref(block);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(receive(&ends, &got, NULL), FLOW_OK);
        assert_int_equal(got.count, i < 2 ? 1000 : 10);
        assert_int_equal(got.batch.number, 100);
        assert_numbers(&got, i < 2 ? 0 : 990);
        flow_block_unref(got.batch.block);
    }
    close_ends(&ends);
}

/* Send raw bytes to the inbox as a stranger would, in `parts` frames. */
static void send_raw(const struct ends *ends, const void *bytes, size_t size, int parts)
{
    char endpoint[96];
    (void)snprintf(endpoint, sizeof(endpoint), "ipc://%s/r3", ends->folder);
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_PUSH);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    for (int i = 1; i <= parts; i++)
        assert_int_equal(zmq_send(socket, bytes, size, i < parts ? ZMQ_SNDMORE : 0), size);
    assert_int_equal(zmq_close(socket), 0);
    assert_int_equal(zmq_ctx_term(context), 0);
}

TEST(a_strangers_bytes_are_refused)
{
    struct ends ends = open_ends(true);
    struct flow_message got;
    struct flow_error err = {0};

    /* As large as a message between threads: it must not be taken for one, with its pointer. */
    struct flow_message forged = {.kind = FLOW_MESSAGE_BATCH, .count = 1};
    forged.batch.block = (struct flow_block *)&forged;
    send_raw(&ends, &forged, sizeof(forged), 1);

    assert_int_equal(receive(&ends, &got, &err), FLOW_EPROTO);
    assert_string_equal(err.text, "a frame of 32 bytes is shorter than its header");
    close_ends(&ends);
}

TEST(a_message_of_several_frames_is_refused)
{
    struct ends ends = open_ends(true);
    struct flow_message got;
    struct flow_error err = {0};
    uint8_t frame[FLOW_FRAME_HEADER];
    const struct flow_message end = {.kind = FLOW_MESSAGE_END};
    flow_frame_write(&end, &(struct flow_wire){.run_id = RUN}, frame);

    send_raw(&ends, frame, sizeof(frame), 2);

    assert_int_equal(receive(&ends, &got, &err), FLOW_EPROTO);
    assert_string_equal(err.text, "a message of several frames has arrived");
    close_ends(&ends);
}

TEST(waiting_ends_with_a_descriptor_or_with_time)
{
    struct ends ends = open_ends(false);
    struct flow_message got;
    struct pollfd fd = {.fd = eventfd(1, 0), .events = POLLIN};

    assert_int_equal(flow_inbox_receive(ends.inbox, &got, NULL), FLOW_EAGAIN);
    assert_int_equal(flow_inbox_wait(ends.inbox, &fd, 1, -1), FLOW_OK);
    assert_int_equal(fd.revents, POLLIN);
    assert_int_equal(flow_inbox_wait(ends.inbox, NULL, 0, 1000), FLOW_EAGAIN);
    (void)close(fd.fd);
    close_ends(&ends);
}

TEST(unread_batches_go_back_when_an_inbox_closes)
{
    struct ends ends = open_ends(false);
    struct flow_block *block = numbers(ends.pool, 1);
    const struct flow_message sent = batch_of(block, 0, 1);
    assert_int_equal(flow_outbox_send(ends.outbox, &sent, ends.pool, NULL), FLOW_OK);
    flow_block_unref(block);
    close_ends(&ends); /* flow_pool_free asserts that every block came back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_between_threads_goes_by_reference),
        cmocka_unit_test(batches_between_processes_arrive_whole_and_in_order),
        cmocka_unit_test(a_strangers_bytes_are_refused),
        cmocka_unit_test(a_message_of_several_frames_is_refused),
        cmocka_unit_test(waiting_ends_with_a_descriptor_or_with_time),
        cmocka_unit_test(unread_batches_go_back_when_an_inbox_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
