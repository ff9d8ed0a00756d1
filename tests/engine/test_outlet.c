/* SPDX-License-Identifier: MIT */
#include "engine/outlet_link.h"

#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/hand_graph.h"
#include "watch/rows.h"

/*
 * An outlet without a socket: the transport is the one below, which keeps what is sent, and the
 * test plays the readers.
 */

struct flow_outbox {
    size_t replica;
    bool remote;
};

static struct flow_message sent[512];
static size_t sent_count;
static uint32_t reopened; /* the incarnation that the outbox was opened to again */
static size_t waits;      /* times that the outlet wanted to sleep */
static size_t wait_limit; /* ... after which it is told to abort */

enum flow_status flow_outbox_open(struct flow_transport *transport, size_t replica, bool remote,
                                  struct flow_outbox **outbox, struct flow_error *err)
{
    (void)transport;
    (void)err;
    *outbox = calloc(1, sizeof(**outbox));
    **outbox = (struct flow_outbox){replica, remote};
    return FLOW_OK;
}

void flow_outbox_close(struct flow_outbox *outbox, bool abandon)
{
    (void)abandon;
    free(outbox);
}

void flow_outbox_doubt(struct flow_outbox *outbox)
{
    (void)outbox;
}

enum flow_status flow_outbox_reopen(struct flow_outbox *outbox, uint32_t incarnation,
                                    struct flow_error *err)
{
    (void)outbox;
    (void)err;
    reopened = incarnation;
    return FLOW_OK;
}

bool flow_outbox_is_remote(const struct flow_outbox *outbox)
{
    return outbox->remote;
}

enum flow_status flow_outbox_send(struct flow_outbox *outbox, const struct flow_message *message,
                                  struct flow_pool *pool, struct flow_error *err)
{
    (void)outbox;
    (void)pool;
    (void)err;
    assert_true(sent_count < COUNT(sent));
    sent[sent_count++] = *message;
    if (message->kind == FLOW_MESSAGE_BATCH)
        flow_block_unref(message->batch.block);
    return FLOW_OK;
}

static enum flow_status wait_room(void *waiter)
{
    (void)waiter;
    return ++waits > wait_limit ? FLOW_EABORT : FLOW_OK;
}

static enum flow_status look(void *waiter)
{
    (void)waiter;
    return FLOW_OK;
}

struct fixture {
    struct hand *hand;
    struct flow_plan *plan;
    struct flow_board board;
    struct flow_host host;
    struct flow_peers peers;
    uint64_t clock;
    struct flow_outlet outlet;
    struct flow_block *block; /* a sealed batch of 100 records of 10 bytes */
};

/* A sealed batch of 100 records of `size` bytes. */
static struct flow_block *make_block(struct flow_pool *pool, size_t size)
{
    struct flow_builder builder = {.pool = pool, .target = 4096, .most = 1000};
    for (int i = 0; i < 100; i++) {
        memset(flow_builder_reserve(&builder, size, 0), i, size);
        flow_builder_commit(&builder, size, NULL, 0);
    }
    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);
    flow_builder_clear(&builder);
    assert_int_equal(count, 100);
    return block;
}

/* A graph of one writer and `readers` readers behind one edge with this queue; returns them. */
static size_t make_graph(struct fixture *f, unsigned readers, struct flow_queue queue)
{
    *f = (struct fixture){.hand = hand_new()};
    const size_t read = hand_stage(f->hand, "read", &hand_source, 1);
    const size_t work = hand_stage(f->hand, "work", &hand_map, readers);
    f->hand->stages[work].order = FLOW_ORDER_NONE;
    hand_edge(f->hand, read, work)->queue = queue;
    return work;
}

/* The outlet of the writer of that graph. */
static void begin(struct fixture *f, unsigned readers)
{
    f->plan = flow_plan_new(&f->hand->graph, &(struct flow_plan_options){.cpus = 2}, NULL);
    assert_non_null(f->plan);
    const struct flow_board_size size = flow_board_size_of(f->plan);
    assert_int_equal(flow_board_new(&size, false, &f->board, NULL), FLOW_OK);
    f->host = (struct flow_host){.plan = f->plan,
                                 .board = &f->board,
                                 .slot = &f->board.replicas[0],
                                 .pool = flow_pool_new(),
                                 .peers = &f->peers,
                                 .clock = &f->clock,
                                 .wait_room = wait_room,
                                 .look = look};
    assert_int_equal(flow_peers_connect(&f->peers, f->plan, 0, NULL, NULL), FLOW_OK);
    assert_int_equal(flow_outlet_init(&f->outlet, &f->host, 0, 0, readers), FLOW_OK);
    f->block = make_block(f->host.pool, 10);
    sent_count = 0;
    waits = 0;
    wait_limit = 0;
}

/* One writer and `readers` readers behind one edge with this queue. */
static void set_up(struct fixture *f, unsigned readers, struct flow_queue queue, bool remote)
{
    const size_t work = make_graph(f, readers, queue);
    f->hand->stages[work].isolate = remote;
    begin(f, readers);
}

static void tear_down(struct fixture *f)
{
    flow_block_unref(f->block);
    flow_outlet_clear(&f->outlet);
    flow_peers_disconnect(&f->peers, true);
    flow_pool_free(f->host.pool);
    flow_board_close(&f->board);
    flow_plan_free(f->plan);
    hand_free(f->hand);
}

static enum flow_status offer(struct fixture *f, uint32_t first, uint32_t count)
{
    const struct flow_slice slice = {.block = f->block, .first = first, .count = count};
    return flow_outlet_offer(&f->outlet, &slice, 0);
}

static enum flow_status report(struct fixture *f, size_t reader, uint32_t done, uint32_t acked,
                               uint32_t cost_ns)
{
    const struct flow_message message = {.kind = FLOW_MESSAGE_CREDIT,
                                         .credit = {done, done, acked, cost_ns}};
    return flow_outlet_credit(&f->outlet, reader, &message);
}

/* The only reader has done much already, at this cost of a record; returns how many batches. */
static uint32_t warm_up(struct fixture *f, uint32_t cost_ns)
{
    uint32_t done = 0;
    wait_limit = SIZE_MAX;
    for (uint32_t size = 1; size < 10000; size *= 2) {
        assert_int_equal(offer(f, 0, size < 100 ? size : 100), FLOW_OK);
        done++;
        assert_int_equal(report(f, 0, done, done, cost_ns), FLOW_OK);
    }
    wait_limit = 0;
    sent_count = 0;
    return done;
}

TEST(a_single_reader_gets_whole_batches_up_to_its_credit)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, false);
    const uint32_t before = warm_up(&f, 1);
    const uint64_t number = f.outlet.number;
    for (int i = 0; i < 32; i++)
        assert_int_equal(offer(&f, 0, 100), FLOW_OK);
    assert_int_equal(sent_count, 32);
    assert_int_equal(sent[31].count, 100);
    assert_int_equal(sent[31].sequence, before + 31);
    assert_int_equal(sent[31].batch.number, number + 3100);

    assert_false(flow_outlet_has_room(&f.outlet, 0));
    assert_int_equal(offer(&f, 0, 100), FLOW_EABORT);
    assert_int_equal(waits, 1);
    assert_int_equal(report(&f, 0, before + 1, before + 1, 1), FLOW_OK);
    assert_int_equal(offer(&f, 0, 100), FLOW_OK);
    tear_down(&f);
}

TEST(a_reader_of_which_nothing_is_known_gets_eight_records)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, false);
    assert_int_equal(flow_outlet_batch(&f.outlet, 0), 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(offer(&f, i * 2, 2), FLOW_OK);
    assert_int_equal(offer(&f, 8, 2), FLOW_EABORT);
    assert_int_equal(sent_count, 4);
    assert_int_equal(sent[3].flags, FLOW_MESSAGE_ASK);
    tear_down(&f);
}

TEST(a_slow_reader_gets_little_at_a_time_and_is_asked_to_report)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, false);
    const uint32_t before = warm_up(&f, 1000000); /* a millisecond a record */
    assert_int_equal(flow_outlet_batch(&f.outlet, 0), 5);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(offer(&f, i * 5, 5), FLOW_OK);
    assert_int_equal(offer(&f, 20, 5), FLOW_EABORT); /* that were 20 ms of work */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(sent[i].flags, i % 2 == 1 ? FLOW_MESSAGE_ASK : 0);
    assert_int_equal(report(&f, 0, before + 2, before + 2, 1000000), FLOW_OK);
    assert_true(flow_outlet_has_room(&f.outlet, 0));
    tear_down(&f);
}

TEST(records_of_one_byte_weigh_what_they_take)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){.bytes = 1200}, false);
    (void)warm_up(&f, 1);
    flow_block_unref(f.block);
    f.block = make_block(f.host.pool, 1); /* 100 bytes, and four for the end of each record */
    for (int i = 0; i < 3; i++)
        assert_int_equal(offer(&f, 0, 100), FLOW_OK);
    assert_int_equal(offer(&f, 0, 100), FLOW_EABORT);
    tear_down(&f);
}

TEST(work_is_dealt_in_single_records_until_readers_say_how_fast_they_are)
{
    struct fixture f;
    set_up(&f, 2, (struct flow_queue){0}, false);
    assert_int_equal(offer(&f, 0, 100), FLOW_EABORT);

    /* Two batches for each of two readers, in turn to the one with less. */
    assert_int_equal(sent_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(sent[i].count, 1);
    assert_int_not_equal(sent[0].link, sent[1].link);
    assert_int_not_equal(sent[2].link, sent[3].link);

    /* 200 us a record: a millisecond is five of them. */
    assert_int_equal(report(&f, 1, 2, 2, 200000), FLOW_OK);
    assert_int_equal(offer(&f, 4, 96), FLOW_EABORT);
    assert_int_equal(sent_count, 6);
    assert_int_equal(sent[4].link, 1);
    assert_int_equal(sent[4].count, 5);
    assert_int_equal(sent[5].count, 5);
    tear_down(&f);
}

TEST(slices_grow_by_steps_and_never_below_one_record)
{
    struct fixture f;
    set_up(&f, 2, (struct flow_queue){0}, false);
    assert_int_equal(offer(&f, 0, 100), FLOW_EABORT);
    assert_int_equal(report(&f, 0, 2, 2, 10), FLOW_OK);
    assert_int_equal(offer(&f, 0, 100), FLOW_EABORT);
    assert_int_equal(sent[4].count, 8);
    assert_int_equal(report(&f, 0, 4, 4, 2000000000), FLOW_OK);
    assert_int_equal(offer(&f, 0, 100), FLOW_EABORT);
    assert_int_equal(sent[6].count, 1);
    tear_down(&f);
}

TEST(a_queue_of_items_bounds_the_records_under_way)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){.items = 3}, false);
    assert_int_equal(offer(&f, 0, 100), FLOW_EABORT);
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].count, 3);
    tear_down(&f);
}

TEST(one_batch_may_be_under_way_however_large)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){.bytes = 1}, false);
    const uint32_t before = warm_up(&f, 1);
    assert_int_equal(offer(&f, 0, 100), FLOW_OK);
    assert_int_equal(offer(&f, 0, 100), FLOW_EABORT);
    assert_int_equal(sent_count, 1);
    assert_int_equal(report(&f, 0, before + 1, before + 1, 1), FLOW_OK);
    assert_int_equal(offer(&f, 0, 100), FLOW_OK);
    tear_down(&f);
}

TEST(drop_new_drops_what_does_not_fit_and_counts_it)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){.items = 30, .when_full = FLOW_DROP_NEW}, false);
    assert_int_equal(offer(&f, 0, 100), FLOW_OK);
    assert_int_equal(waits, 0);
    assert_int_equal(sent[0].count, 30);
    assert_int_equal(flow_read(&f.board.links[0].dropped), 70);
    tear_down(&f);
}

TEST(drop_old_keeps_the_newest_and_sends_them_when_there_is_room)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){.items = 10, .when_full = FLOW_DROP_OLD}, false);
    assert_int_equal(offer(&f, 0, 100), FLOW_OK); /* 0 to 9 go out, 90 to 99 wait */
    assert_int_equal(sent_count, 1);
    assert_int_equal(flow_read(&f.board.links[0].dropped), 80);

    assert_int_equal(report(&f, 0, 1, 1, 0), FLOW_OK);
    assert_int_equal(flow_outlet_drain(&f.outlet), FLOW_OK);
    assert_int_equal(sent_count, 2);
    assert_int_equal(sent[1].first, 90);
    assert_int_equal(sent[1].count, 10);
    tear_down(&f);
}

/* The writer has passed it long since; the checkpoint's books want what it stands behind. */
TEST(a_barrier_that_has_queued_is_noted_when_it_goes_out)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){.items = 10, .when_full = FLOW_DROP_OLD}, false);
    struct flow_board_link *link = &f.board.links[0];
    assert_int_equal(offer(&f, 0, 20), FLOW_OK); /* ten go out, ten wait */
    assert_int_equal(flow_outlet_barrier(&f.outlet, 1), FLOW_OK);
    flow_set(&f.outlet.host->slot->passed_epoch, 1);
    assert_int_equal(flow_read(&link->cut_sent[1]), 0);

    assert_int_equal(report(&f, 0, 1, 1, 0), FLOW_OK);
    assert_int_equal(flow_outlet_drain(&f.outlet), FLOW_OK);
    assert_int_equal(sent[sent_count - 1].kind, FLOW_MESSAGE_BARRIER);
    assert_int_equal(flow_read(&link->cut_sent[1]), 20);
    tear_down(&f);
}

TEST(fail_says_which_edge_is_full)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){.items = 10, .when_full = FLOW_FAIL}, false);
    assert_int_equal(offer(&f, 0, 100), FLOW_ERANGE);
    assert_string_equal(f.host.err.text,
                        "the queue of its edge to 'work' is full and \"when_full\" is \"fail\"; a "
                        "larger queue, more workers of 'work', or \"block\" would help");
    tear_down(&f);
}

TEST(what_leaves_the_process_is_held_until_it_is_acknowledged)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    const uint32_t before = warm_up(&f, 1);
    assert_int_equal(offer(&f, 0, 100), FLOW_OK);
    assert_int_equal(atomic_load(&f.block->refs), 2);
    assert_false(flow_outlet_is_settled(&f.outlet));

    assert_int_equal(report(&f, 0, before + 1, before, 1),
                     FLOW_OK); /* done, but its result is not there yet */
    assert_int_equal(atomic_load(&f.block->refs), 2);
    assert_int_equal(report(&f, 0, before + 1, before + 1, 1), FLOW_OK);
    assert_int_equal(atomic_load(&f.block->refs), 1);
    assert_true(flow_outlet_is_settled(&f.outlet));
    tear_down(&f);
}

TEST(a_report_that_cannot_be_is_refused)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    const uint32_t before = warm_up(&f, 1);
    assert_int_equal(offer(&f, 0, 100), FLOW_OK);
    assert_int_equal(report(&f, 0, before + 2, before, 0), FLOW_EPROTO); /* more than was sent */
    assert_int_equal(report(&f, 0, before, before + 1, 0),
                     FLOW_EPROTO); /* acknowledged, but not done */
    assert_int_equal(report(&f, 0, before + 1, before + 1, 0), FLOW_OK);
    assert_int_equal(report(&f, 0, before, before, 0), FLOW_EPROTO); /* backwards */
    tear_down(&f);
}

TEST(the_end_tells_every_reader_what_it_was_sent)
{
    struct fixture f;
    set_up(&f, 2, (struct flow_queue){0}, false);
    assert_int_equal(offer(&f, 0, 3), FLOW_OK);
    assert_int_equal(flow_outlet_end(&f.outlet, 0), FLOW_OK);
    assert_int_equal(sent_count, 5);
    assert_int_equal(sent[3].kind, FLOW_MESSAGE_END);
    assert_int_equal(sent[3].sequence + sent[4].sequence, 3);
    tear_down(&f);
}

/* ---- replaced processes ---- */

static void make_recovering(struct fixture *f)
{
    f->outlet.links[0].recovers = true;
}

TEST(a_new_reader_gets_what_the_old_one_had_not_acknowledged)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    make_recovering(&f);
    (void)warm_up(&f, 1);
    const struct flow_outlet_link *link = &f.outlet.links[0];
    const uint64_t acked = link->acked;
    assert_int_equal(offer(&f, 0, 40), FLOW_OK);
    assert_int_equal(offer(&f, 40, 60), FLOW_OK);
    const uint64_t number = f.outlet.number;
    sent_count = 0;

    const struct flow_message hello = {.kind = FLOW_MESSAGE_HELLO, .sequence = 3};
    assert_int_equal(flow_outlet_redeliver(&f.outlet, 0, &hello), FLOW_OK);
    assert_int_equal(reopened, 3);
    assert_int_equal(sent_count, 3);
    assert_int_equal(sent[0].kind, FLOW_MESSAGE_HELLO);
    assert_int_equal(sent[0].batch.number, acked);
    assert_int_equal(sent[1].first, 0);
    assert_int_equal(sent[1].count, 40);
    assert_int_equal(sent[1].sequence, acked);
    assert_int_equal(sent[2].first, 40);
    assert_int_equal(sent[2].count, 60);
    assert_int_equal(sent[2].batch.number, number - 60);
    assert_int_equal(flow_read(&link->slot->redelivered), 100);

    /* It counts from there on. */
    assert_int_equal(report(&f, 0, 2, 2, 1000), FLOW_OK);
    assert_int_equal(link->acked, acked + 2);
    assert_int_equal(atomic_load(&f.block->refs), 1);
    assert_false(flow_outlet_is_settled(&f.outlet));
    flow_set(&f.board.links[0].ended, 1);
    assert_true(flow_outlet_is_settled(&f.outlet));
    tear_down(&f);
}

TEST(a_new_reader_hears_of_the_end_too)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    make_recovering(&f);
    assert_int_equal(offer(&f, 0, 8), FLOW_OK);
    assert_int_equal(flow_outlet_end(&f.outlet, 0), FLOW_OK);
    sent_count = 0;
    const struct flow_message hello = {.kind = FLOW_MESSAGE_HELLO, .sequence = 1};
    assert_int_equal(flow_outlet_redeliver(&f.outlet, 0, &hello), FLOW_OK);
    assert_int_equal(sent[sent_count - 1].kind, FLOW_MESSAGE_END);
    assert_int_equal(sent[sent_count - 1].sequence, sent_count - 2);
    tear_down(&f);
}

TEST(a_reader_that_stays_cannot_be_new)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    const struct flow_message hello = {.kind = FLOW_MESSAGE_HELLO, .sequence = 1};
    assert_int_equal(flow_outlet_redeliver(&f.outlet, 0, &hello), FLOW_EPROTO);
    tear_down(&f);
}

static const struct flow_message answer_of_1us = {.kind = FLOW_MESSAGE_HELLO, .sequence = 1000};

TEST(a_new_writer_is_told_how_fast_its_reader_is)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    bool any = false;
    assert_int_equal(flow_outlet_batch(&f.outlet, 0), 2);
    flow_set(&f.board.links[0].received, 5000);
    flow_set(&f.board.links[0].sent, 5000);
    flow_outlet_note_answer(&f.outlet, 0, &answer_of_1us);
    flow_outlet_resume(&f.outlet, &any);
    assert_int_equal(flow_outlet_batch(&f.outlet, 0), 5000); /* a quarter of 20 ms */
    tear_down(&f);
}

TEST(a_new_writer_counts_what_the_reader_has_had_and_does_not_send_it)
{
    struct fixture f;
    bool any = false;
    set_up(&f, 1, (struct flow_queue){0}, true);
    struct flow_board_link *slot = &f.board.links[0];
    flow_set(&slot->sent, 100);
    flow_set(&slot->received, 106);
    assert_false(flow_outlet_is_answered(&f.outlet));
    flow_outlet_note_answer(&f.outlet, 0, &answer_of_1us);
    assert_true(flow_outlet_is_answered(&f.outlet));
    flow_outlet_resume(&f.outlet, &any);
    assert_false(any);

    assert_int_equal(offer(&f, 0, 4), FLOW_OK);
    assert_int_equal(sent_count, 0);
    assert_int_equal(offer(&f, 4, 4), FLOW_OK);
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].first, 6);
    assert_int_equal(sent[0].count, 2);
    assert_int_equal(sent[0].batch.number, 106);
    assert_int_equal(offer(&f, 8, 1), FLOW_OK);
    assert_int_equal(sent[1].first, 8);
    assert_int_equal(sent[1].batch.number, 108);
    assert_int_equal(flow_read(&slot->sent), 109);
    tear_down(&f);
}

/* Else the writer would wait for ever to acknowledge what it has made its results from. */
TEST(a_reader_that_died_when_it_was_done_owes_no_acknowledgement)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    make_recovering(&f);
    assert_int_equal(offer(&f, 0, 8), FLOW_OK);
    assert_true(flow_outlet_oldest(&f.outlet) < UINT64_MAX);
    flow_set(&f.board.links[0].ended, 1);
    assert_true(flow_outlet_oldest(&f.outlet) == UINT64_MAX);
    tear_down(&f);
}

TEST(a_report_of_what_the_former_writer_sent_is_not_for_the_new_one)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    assert_int_equal(flow_outlet_greet(&f.outlet, 1), FLOW_OK);
    assert_int_equal(report(&f, 0, 5, 5, 1000), FLOW_OK);
    assert_int_equal(f.outlet.links[0].received, 0);
    const struct flow_message answer = {.kind = FLOW_MESSAGE_HELLO};
    flow_outlet_note_answer(&f.outlet, 0, &answer);
    assert_int_equal(report(&f, 0, 5, 5, 1000), FLOW_EPROTO);
    assert_non_null(strstr(f.host.err.text, "reports more than was sent to it: 5 of 0 batches"));
    tear_down(&f);
}

TEST(a_reader_that_had_the_end_is_left_alone)
{
    struct fixture f;
    bool any = false;
    set_up(&f, 1, (struct flow_queue){0}, true);
    flow_set(&f.board.links[0].ended, 1);
    assert_int_equal(flow_outlet_greet(&f.outlet, 1), FLOW_OK);
    assert_true(flow_outlet_is_answered(&f.outlet));
    flow_outlet_resume(&f.outlet, &any);
    assert_true(any);
    assert_int_equal(offer(&f, 0, 8), FLOW_OK);
    assert_int_equal(flow_outlet_end(&f.outlet, 0), FLOW_OK);
    assert_int_equal(sent_count, 0);
    tear_down(&f);
}

TEST(what_a_new_reader_gets_again_keeps_to_its_credit)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    make_recovering(&f);
    const uint32_t before = warm_up(&f, 1);
    struct flow_outlet_link *link = &f.outlet.links[0];
    const uint32_t credit = link->credit.batches;
    for (uint32_t i = 0; i < credit; i++)
        assert_int_equal(offer(&f, 0, 10), FLOW_OK);
    /* What was done is held on, since its results have not arrived: so more may be sent. */
    assert_int_equal(report(&f, 0, before + credit, before, 1), FLOW_OK);
    for (uint32_t i = 0; i < credit; i++)
        assert_int_equal(offer(&f, 10, 10), FLOW_OK);
    assert_int_equal(flow_outlet_end(&f.outlet, 0), FLOW_OK);
    sent_count = 0;

    const struct flow_message hello = {.kind = FLOW_MESSAGE_HELLO, .sequence = 1};
    assert_int_equal(flow_outlet_redeliver(&f.outlet, 0, &hello), FLOW_OK);
    assert_int_equal(sent_count, 1 + credit);
    assert_int_equal(link->sent - link->done, 2 * credit);
    assert_false(flow_outlet_has_room(&f.outlet, 0));
    assert_int_equal(report(&f, 0, credit + 1, 0, 1), FLOW_EPROTO); /* not sent yet */
    f.host.err = (struct flow_error){0};

    assert_int_equal(report(&f, 0, 3, 0, 1), FLOW_OK);
    assert_int_equal(sent_count, 1 + credit + 3);
    assert_int_equal(sent[sent_count - 1].sequence, before + credit + 2);
    assert_int_equal(report(&f, 0, credit, credit, 1), FLOW_OK);
    assert_int_equal(sent_count, 1 + 2 * credit + 1);
    assert_int_equal(sent[sent_count - 1].kind, FLOW_MESSAGE_END);
    assert_int_equal(sent[sent_count - 1].sequence, 2 * credit);
    assert_int_equal(flow_read(&link->slot->redelivered), 20 * credit);
    tear_down(&f);
}

TEST(a_barrier_goes_behind_what_a_new_reader_gets_again)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    make_recovering(&f);
    const uint32_t before = warm_up(&f, 1);
    const uint32_t credit = f.outlet.links[0].credit.batches;
    for (uint32_t i = 0; i < credit; i++)
        assert_int_equal(offer(&f, 0, 10), FLOW_OK);
    assert_int_equal(report(&f, 0, before + credit, before, 1), FLOW_OK);
    for (uint32_t i = 0; i < credit; i++)
        assert_int_equal(offer(&f, 10, 10), FLOW_OK);
    const struct flow_message hello = {.kind = FLOW_MESSAGE_HELLO, .sequence = 1};
    assert_int_equal(flow_outlet_redeliver(&f.outlet, 0, &hello), FLOW_OK);
    sent_count = 0;
    assert_int_equal(flow_outlet_barrier(&f.outlet, 1), FLOW_OK);
    assert_int_equal(sent_count, credit + 1);
    assert_int_equal(sent[credit].kind, FLOW_MESSAGE_BARRIER);
    tear_down(&f);
}

/* The old one had done more, of which nothing came, and may have died with the barrier in hand. */
TEST(a_new_reader_gets_the_last_barrier_again_though_what_was_behind_it_is_acknowledged)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    make_recovering(&f);
    const uint32_t before = warm_up(&f, 1);
    assert_int_equal(flow_outlet_barrier(&f.outlet, 1), FLOW_OK);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(offer(&f, 10 * i, 10), FLOW_OK);
    assert_int_equal(report(&f, 0, before + 3, before + 2, 1), FLOW_OK);
    const struct flow_message hello = {.kind = FLOW_MESSAGE_HELLO, .sequence = 1};
    sent_count = 0;
    assert_int_equal(flow_outlet_redeliver(&f.outlet, 0, &hello), FLOW_OK);
    assert_int_equal(sent_count, 3); /* hello, the barrier, and the third batch */
    assert_int_equal(sent[1].kind, FLOW_MESSAGE_BARRIER);
    assert_int_equal(sent[1].batch.number, 1);
    assert_int_equal(sent[2].first, 20);
    tear_down(&f);
}

TEST(a_writer_that_may_be_replaced_leaves_when_its_reader_has_had_the_end)
{
    struct fixture f;
    set_up(&f, 1, (struct flow_queue){0}, true);
    assert_int_equal(offer(&f, 0, 4), FLOW_OK);
    assert_int_equal(flow_outlet_end(&f.outlet, 0), FLOW_OK);
    assert_false(flow_outlet_is_settled(&f.outlet));
    assert_true(flow_outlet_oldest(&f.outlet) != UINT64_MAX);
    flow_set(&f.board.links[0].ended, 1); /* and may be gone, with its last report */
    assert_true(flow_outlet_is_settled(&f.outlet));
    assert_true(flow_outlet_oldest(&f.outlet) == UINT64_MAX);
    tear_down(&f);
}

/* What is done and not acknowledged takes no credit, so it ends with the room to keep account. */
static void fill(struct fixture *f, unsigned readers)
{
    while (flow_outlet_has_room(&f->outlet, 0)) {
        assert_int_equal(offer(f, 0, 1), FLOW_OK);
        for (size_t i = 0; i < readers; i++)
            assert_int_equal(report(f, i, (uint32_t)f->outlet.links[i].sent, 0, 1), FLOW_OK);
    }
}

/* ... and the row of the last batch that was acknowledged, which a successor may begin from. */
TEST(a_worker_has_rows_for_all_that_its_writer_may_hold)
{
    for (uint64_t i = 0; i < 20; i++) {
        struct fixture f;
        const unsigned readers = 1 + (unsigned)(i % 2);
        const size_t work = make_graph(&f, readers, (struct flow_queue){.items = i / 2});
        f.hand->graph.mode = FLOW_PROCESSES;
        f.hand->stages[work].restart.on = true;
        (void)hand_edge(f.hand, work, hand_stage(f.hand, "print", &hand_sink, 1));
        begin(&f, readers);
        fill(&f, readers);
        for (size_t k = 0; k < readers; k++) {
            const uint64_t held = f.outlet.links[k].sent;
            assert_int_equal(held, flow_plan_link_keeps(&f.plan->links[k]));
            assert_true(flow_rows_of(f.plan, &f.board, f.plan->links[k].to).count >= held + 1);
        }
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_reader_gets_whole_batches_up_to_its_credit),
        cmocka_unit_test(a_reader_of_which_nothing_is_known_gets_eight_records),
        cmocka_unit_test(a_slow_reader_gets_little_at_a_time_and_is_asked_to_report),
        cmocka_unit_test(records_of_one_byte_weigh_what_they_take),
        cmocka_unit_test(work_is_dealt_in_single_records_until_readers_say_how_fast_they_are),
        cmocka_unit_test(slices_grow_by_steps_and_never_below_one_record),
        cmocka_unit_test(a_queue_of_items_bounds_the_records_under_way),
        cmocka_unit_test(one_batch_may_be_under_way_however_large),
        cmocka_unit_test(drop_new_drops_what_does_not_fit_and_counts_it),
        cmocka_unit_test(drop_old_keeps_the_newest_and_sends_them_when_there_is_room),
        cmocka_unit_test(a_barrier_that_has_queued_is_noted_when_it_goes_out),
        cmocka_unit_test(fail_says_which_edge_is_full),
        cmocka_unit_test(what_leaves_the_process_is_held_until_it_is_acknowledged),
        cmocka_unit_test(a_new_reader_gets_what_the_old_one_had_not_acknowledged),
        cmocka_unit_test(a_new_reader_hears_of_the_end_too),
        cmocka_unit_test(a_reader_that_stays_cannot_be_new),
        cmocka_unit_test(a_new_writer_is_told_how_fast_its_reader_is),
        cmocka_unit_test(a_new_writer_counts_what_the_reader_has_had_and_does_not_send_it),
        cmocka_unit_test(a_reader_that_died_when_it_was_done_owes_no_acknowledgement),
        cmocka_unit_test(a_report_of_what_the_former_writer_sent_is_not_for_the_new_one),
        cmocka_unit_test(a_reader_that_had_the_end_is_left_alone),
        cmocka_unit_test(a_report_that_cannot_be_is_refused),
        cmocka_unit_test(the_end_tells_every_reader_what_it_was_sent),
        cmocka_unit_test(what_a_new_reader_gets_again_keeps_to_its_credit),
        cmocka_unit_test(a_barrier_goes_behind_what_a_new_reader_gets_again),
        cmocka_unit_test(
            a_new_reader_gets_the_last_barrier_again_though_what_was_behind_it_is_acknowledged),
        cmocka_unit_test(a_writer_that_may_be_replaced_leaves_when_its_reader_has_had_the_end),
        cmocka_unit_test(a_worker_has_rows_for_all_that_its_writer_may_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
