/* SPDX-License-Identifier: MIT */
#include "link/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/arena.h"
#include "record/builder.h"
#include "support/check.h"

/*
 * Three replicas as three processes would be, each with a transport, a pool and a mapping of its
 * own of the one memory: 0 sends to 1 and 2 by links 0 and 1, and 1 sends on to 2 by link 2.
 */

#define NODES 3
#define ARENA ((uint64_t)4 << 20)
#define RECORDS 10000u /* of 4 bytes, so a batch has 80 KB with its column */

struct node {
    struct flow_memory memory;
    struct flow_transport *transport;
    struct flow_pool *pool;
    struct flow_inbox *inbox;
    struct flow_outbox *outboxes[NODES];
};

struct world {
    char folder[64];
    struct node nodes[NODES];
};

static void open_node(struct world *world, uint32_t i, bool has_arena)
{
    const struct flow_memory_size size = {.links = 3, .arena_bytes = NODES * ARENA};
    struct node *node = &world->nodes[i];
    if (i == 0)
        assert_int_equal(flow_memory_new(&size, &node->memory, NULL), FLOW_OK);
    else
        assert_int_equal(flow_memory_open(world->nodes[0].memory.fd, &size, &node->memory, NULL),
                         FLOW_OK);
    const struct flow_transport_options options = {
        .folder = world->folder, .run_id = 5, .sockets = 8, .memory = &node->memory};
    assert_int_equal(flow_transport_new(&options, &node->transport, NULL), FLOW_OK);
    node->pool = flow_pool_new();
    if (has_arena)
        flow_pool_use_arena(node->pool, flow_arena_new(&node->memory, i * ARENA, ARENA, NULL));
    assert_int_equal(
        flow_inbox_open(node->transport, i, FLOW_REACH_PROCESSES, node->pool, &node->inbox, NULL),
        FLOW_OK);
}

static struct world *open_world(bool has_arena)
{
    struct world *world = calloc(1, sizeof(*world));
    (void)snprintf(world->folder, sizeof(world->folder), "/tmp/flowrun-test-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    for (uint32_t i = 0; i < NODES; i++)
        open_node(world, i, has_arena);
    for (size_t from = 0; from < NODES; from++) {
        for (size_t to = from + 1; to < NODES; to++)
            assert_int_equal(flow_outbox_open(world->nodes[from].transport, to, true,
                                              &world->nodes[from].outboxes[to], NULL),
                             FLOW_OK);
    }
    return world;
}

static void close_world(struct world *world)
{
    for (size_t i = 0; i < NODES; i++) {
        for (size_t to = 0; to < NODES; to++)
            flow_outbox_close(world->nodes[i].outboxes[to], false);
        flow_inbox_close(world->nodes[i].inbox);
    }
    for (size_t i = NODES; i-- > 0;) {
        flow_transport_free(world->nodes[i].transport);
        flow_pool_free(world->nodes[i].pool);
        flow_memory_close(&world->nodes[i].memory);
        char path[96];
        (void)snprintf(path, sizeof(path), "%s/r%zu", world->folder, i);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(world->folder), 0);
    free(world);
}

static struct flow_block *numbers(struct flow_pool *pool, uint32_t from, uint32_t count)
{
    struct flow_builder builder = {.pool = pool, .target = 81920, .most = 16384, .compact = true};
    for (uint32_t i = from; i < from + count; i++) {
        memcpy(flow_builder_reserve(&builder, sizeof(i), 0), &i, sizeof(i));
        flow_builder_commit(&builder, sizeof(i), NULL, 0);
    }
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);
    flow_builder_clear(&builder);
    return block;
}

/* Send records of `block`, whose reference is taken over. */
static void send_part(struct world *world, size_t from, size_t to, uint32_t link,
                      struct flow_block *block, uint16_t first, uint16_t count)
{
    const struct flow_message message = {.kind = FLOW_MESSAGE_BATCH,
                                         .first = first,
                                         .count = count,
                                         .link = link,
                                         .batch = {block, 0}};
    struct node *node = &world->nodes[from];
    assert_int_equal(flow_outbox_send(node->outboxes[to], &message, node->pool, NULL), FLOW_OK);
}

/* The next batch there: `count` numbers from `first`. */
static struct flow_block *take(struct world *world, size_t at, uint32_t first, uint32_t count)
{
    struct flow_message message;
    struct flow_inbox *inbox = world->nodes[at].inbox;
    enum flow_status rc;
    while ((rc = flow_inbox_receive(inbox, &message, NULL)) == FLOW_EAGAIN)
        (void)flow_inbox_wait(inbox, NULL, 0, -1);
    assert_int_equal(rc, FLOW_OK);
    assert_int_equal(message.count, count);
    const struct flow_batch view =
        flow_block_view(message.batch.block, message.first, message.count);
    for (uint32_t i = 0; i < count; i++) {
        const struct flow_record record = flow_batch_record(&view, i);
        uint32_t value;
        assert_int_equal(record.size, sizeof(value));
        memcpy(&value, record.data, sizeof(value));
        assert_int_equal(value, first + i);
    }
    return message.batch.block;
}

/* Where a block's data lie in the memory, whichever mapping it is seen through; 0: not there. */
static size_t place(const struct world *world, size_t node, const struct flow_block *block)
{
    const struct flow_memory *memory = &world->nodes[node].memory;
    if (block->data < memory->map || block->data >= memory->map + memory->size)
        return 0;
    return (size_t)(block->data - memory->map);
}

TEST(a_large_batch_is_read_where_it_was_written)
{
    struct world *world = open_world(true);
    struct flow_block *sent = numbers(world->nodes[0].pool, 0, RECORDS);
    const size_t at = place(world, 0, sent);
    send_part(world, 0, 1, 0, sent, 0, RECORDS);

    struct flow_block *got = take(world, 1, 0, RECORDS);
    assert_int_not_equal(at, 0);
    assert_int_equal(place(world, 1, got), at);
    assert_false(got->writable);
    const struct flow_block column = {.data = got->top};
    assert_int_equal(place(world, 1, &column), 0); /* the reader's own */
    flow_block_unref(got);
    close_world(world);
}

TEST(small_batches_and_small_parts_travel_as_bytes)
{
    struct world *world = open_world(true);
    struct flow_block *small = numbers(world->nodes[0].pool, 0, 100);
    struct flow_block *large = numbers(world->nodes[0].pool, 0, RECORDS);
    send_part(world, 0, 1, 0, small, 0, 100);
    send_part(world, 0, 1, 0, flow_block_ref(large), 500, 100);
    send_part(world, 0, 1, 0, large, 5000, 4000);

    struct flow_block *got[3];
    got[0] = take(world, 1, 0, 100);
    got[1] = take(world, 1, 500, 100);
    got[2] = take(world, 1, 5000, 4000);
    assert_int_equal(place(world, 1, got[0]), 0);
    assert_int_equal(place(world, 1, got[1]), 0);
    assert_int_not_equal(place(world, 1, got[2]), 0);
    for (size_t i = 0; i < 3; i++)
        flow_block_unref(got[i]);
    close_world(world);
}

TEST(a_broadcast_shares_one_copy)
{
    struct world *world = open_world(true);
    struct flow_block *sent = numbers(world->nodes[0].pool, 7, RECORDS);
    send_part(world, 0, 1, 0, flow_block_ref(sent), 0, RECORDS);
    send_part(world, 0, 2, 1, sent, 0, RECORDS);

    struct flow_block *one = take(world, 1, 7, RECORDS);
    struct flow_block *two = take(world, 2, 7, RECORDS);
    assert_int_equal(place(world, 1, one), place(world, 2, two));
    flow_block_unref(one);
    flow_block_unref(two);
    close_world(world);
}

/* Take all that fits into the arena of node 0, and see whether the place is among it. */
static bool is_free(struct world *world, size_t at)
{
    struct flow_block *blocks[64];
    size_t count = 0;
    bool found = false;
    for (; count < COUNT(blocks); count++) {
        blocks[count] = flow_pool_take(world->nodes[0].pool, 81920);
        found = found || place(world, 0, blocks[count]) == at;
    }
    while (count > 0)
        flow_block_unref(blocks[--count]);
    return found;
}

TEST(what_is_passed_on_is_not_copied_and_not_reused_before_the_last_reader_is_done)
{
    struct world *world = open_world(true);
    struct flow_block *sent = numbers(world->nodes[0].pool, 0, RECORDS);
    const size_t at = place(world, 0, sent);
    send_part(world, 0, 1, 0, sent, 0, RECORDS);
    struct flow_block *middle = take(world, 1, 0, RECORDS);
    send_part(world, 1, 2, 2, middle, 1000, 9000); /* a part of it goes on */

    struct flow_block *got = take(world, 2, 1000, 9000);
    assert_int_equal(place(world, 2, got), at + 4000);
    assert_false(is_free(world, at));
    flow_block_unref(got);
    assert_false(is_free(world, at)); /* the middle has not looked yet */
    send_part(world, 1, 2, 2, numbers(world->nodes[1].pool, 0, RECORDS), 0, RECORDS);
    assert_true(is_free(world, at));
    flow_block_unref(take(world, 2, 0, RECORDS));
    close_world(world);
}

TEST(a_part_of_a_part_is_the_right_one)
{
    struct world *world = open_world(true);
    struct flow_block *sent = numbers(world->nodes[0].pool, 0, RECORDS);
    send_part(world, 0, 1, 0, sent, 1000, 9000);
    struct flow_block *middle = take(world, 1, 1000, 9000);
    send_part(world, 1, 2, 2, middle, 2000, 5000);

    struct flow_block *got = take(world, 2, 3000, 5000);
    assert_int_not_equal(place(world, 2, got), 0);
    flow_block_unref(got);
    close_world(world);
}

TEST(with_all_slots_or_all_room_in_use_batches_travel_as_bytes)
{
    struct world *world = open_world(true);
    struct flow_block *got[FLOW_SLOTS + 10];
    size_t lent = 0;
    for (uint32_t i = 0; i < COUNT(got); i++) { /* 4 MiB have room for 30 blocks of 128 KiB */
        send_part(world, 0, 1, 0, numbers(world->nodes[0].pool, i, RECORDS), 0, RECORDS);
        got[i] = take(world, 1, i, RECORDS);
        lent += place(world, 1, got[i]) != 0;
    }
    assert_in_range(lent, 20, 40);
    for (size_t i = 0; i < COUNT(got); i++)
        flow_block_unref(got[i]);

    struct flow_block *block = numbers(world->nodes[0].pool, 3, RECORDS);
    lent = 0;
    for (uint32_t i = 0; i < COUNT(got); i++) { /* the same one again and again */
        send_part(world, 0, 1, 0, flow_block_ref(block), 0, RECORDS);
        got[i] = take(world, 1, 3, RECORDS);
        lent += place(world, 1, got[i]) != 0;
    }
    assert_int_equal(lent, FLOW_SLOTS);
    for (size_t i = 0; i < COUNT(got); i++)
        flow_block_unref(got[i]);
    flow_block_unref(block);
    close_world(world);
}

TEST(without_an_arena_batches_travel_as_bytes)
{
    struct world *world = open_world(false);
    send_part(world, 0, 1, 0, numbers(world->nodes[0].pool, 0, RECORDS), 0, RECORDS);
    struct flow_block *middle = take(world, 1, 0, RECORDS);
    assert_int_equal(place(world, 1, middle), 0);
    send_part(world, 1, 2, 2, middle, 10, 9000);
    flow_block_unref(take(world, 2, 10, 9000));
    close_world(world);
}

TEST(what_came_as_bytes_is_lent_when_it_goes_on)
{
    struct world *world = open_world(true);
    struct flow_block *hold[64]; /* so that there is no room left to lend from */
    for (size_t i = 0; i < COUNT(hold); i++)
        hold[i] = flow_pool_take(world->nodes[0].pool, 81920);
    struct flow_block *bytes = numbers(world->nodes[0].pool, 5, RECORDS);
    send_part(world, 0, 1, 0, bytes, 0, RECORDS);
    struct flow_block *middle = take(world, 1, 5, RECORDS);
    assert_int_equal(place(world, 1, middle), 0);
    send_part(world, 1, 2, 2, middle, 0, RECORDS);

    struct flow_block *got = take(world, 2, 5, RECORDS);
    assert_int_not_equal(place(world, 2, got), 0);
    flow_block_unref(got);
    for (size_t i = 0; i < COUNT(hold); i++)
        flow_block_unref(hold[i]);
    close_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_batch_is_read_where_it_was_written),
        cmocka_unit_test(small_batches_and_small_parts_travel_as_bytes),
        cmocka_unit_test(a_broadcast_shares_one_copy),
        cmocka_unit_test(
            what_is_passed_on_is_not_copied_and_not_reused_before_the_last_reader_is_done),
        cmocka_unit_test(a_part_of_a_part_is_the_right_one),
        cmocka_unit_test(with_all_slots_or_all_room_in_use_batches_travel_as_bytes),
        cmocka_unit_test(without_an_arena_batches_travel_as_bytes),
        cmocka_unit_test(what_came_as_bytes_is_lent_when_it_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
