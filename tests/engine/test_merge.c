/* SPDX-License-Identifier: MIT */
#include "engine/merge.h"

#include "support/check.h"

static struct flow_arrival part(uint64_t sequence, uint16_t tag, bool last)
{
    return (struct flow_arrival){
        .message = {.kind = FLOW_MESSAGE_BATCH,
                    .flags = last ? FLOW_MESSAGE_LAST : 0,
                    .unused = tag},
        .sequence = sequence,
    };
}

static void put(struct flow_merge *merge, uint64_t sequence, uint16_t tag, bool last)
{
    const struct flow_arrival arrival = part(sequence, tag, last);
    assert_int_equal(flow_merge_put(merge, &arrival, NULL), FLOW_OK);
}

static void assert_takes(struct flow_merge *merge, uint64_t sequence, uint16_t tag)
{
    struct flow_arrival arrival;
    assert_true(flow_merge_take(merge, &arrival));
    assert_int_equal(arrival.sequence, sequence);
    assert_int_equal(arrival.message.unused, tag);
}

static void assert_empty(struct flow_merge *merge)
{
    struct flow_arrival arrival;
    assert_false(flow_merge_take(merge, &arrival));
}

TEST(results_are_taken_by_number)
{
    struct flow_merge merge;
    assert_int_equal(flow_merge_init(&merge, NULL), FLOW_OK);
    put(&merge, 2, 20, true);
    put(&merge, 1, 10, true);
    assert_empty(&merge);
    put(&merge, 0, 0, true);

    assert_takes(&merge, 0, 0);
    assert_takes(&merge, 1, 10);
    assert_takes(&merge, 2, 20);
    assert_empty(&merge);
    assert_int_equal(merge.held, 0);
    flow_merge_clear(&merge);
}

TEST(parts_of_the_next_result_are_taken_before_it_is_complete)
{
    struct flow_merge merge;
    assert_int_equal(flow_merge_init(&merge, NULL), FLOW_OK);
    put(&merge, 0, 1, false);
    put(&merge, 1, 9, true);
    assert_takes(&merge, 0, 1);
    assert_empty(&merge);
    put(&merge, 0, 2, false);
    put(&merge, 0, 3, true);
    assert_takes(&merge, 0, 2);
    assert_takes(&merge, 0, 3);
    assert_takes(&merge, 1, 9);
    flow_merge_clear(&merge);
}

/* A batch of `count` records, the numbers from `first` on. */
static struct flow_block *block_of(struct flow_pool *pool, uint8_t first, uint8_t count)
{
    struct flow_builder builder = {.pool = pool, .target = 4096, .most = 100};
    for (uint8_t i = 0; i < count; i++) {
        uint8_t *at = flow_builder_reserve(&builder, 1, 0);
        assert_non_null(at);
        *at = (uint8_t)(first + i);
        flow_builder_commit(&builder, 1, NULL, 0);
    }
    uint32_t sealed;
    struct flow_block *block = flow_builder_seal(&builder, 0, &sealed);
    flow_builder_clear(&builder);
    assert_non_null(block);
    return block;
}

TEST(what_waits_and_has_come_by_one_link_can_be_copied)
{
    struct flow_pool *lent = flow_pool_new();
    struct flow_pool *own = flow_pool_new();
    struct flow_merge merge;
    struct flow_arrival arrival;
    assert_int_equal(flow_merge_init(&merge, NULL), FLOW_OK);
    struct flow_block *blocks[2] = {block_of(lent, 10, 5), block_of(own, 20, 5)};
    for (uint32_t link = 0; link < 2; link++) {
        arrival = part(link + 1, (uint16_t)link, true);
        arrival.link = link;
        arrival.message.first = 2;
        arrival.message.count = 3;
        arrival.message.batch.block = blocks[link];
        assert_int_equal(flow_merge_put(&merge, &arrival, NULL), FLOW_OK);
    }
    arrival = part(3, 3, true); /* without records */
    assert_int_equal(flow_merge_put(&merge, &arrival, NULL), FLOW_OK);

    assert_int_equal(flow_merge_copy(&merge, 0, own, NULL), FLOW_OK);
    flow_pool_free(lent); /* nothing of it is in use */

    put(&merge, 0, 9, true);
    assert_takes(&merge, 0, 9);
    for (uint32_t link = 0; link < 2; link++) {
        assert_true(flow_merge_take(&merge, &arrival));
        const struct flow_message *message = &arrival.message;
        assert_int_equal(message->batch.block == blocks[link], link == 1);
        const struct flow_batch view =
            flow_block_view(message->batch.block, message->first, message->count);
        for (uint32_t i = 0; i < 3; i++) {
            const struct flow_record record = flow_batch_record(&view, i);
            assert_int_equal(*(const uint8_t *)record.data, 10 * (link + 1) + 2 + i);
        }
        flow_block_unref(message->batch.block);
    }
    assert_takes(&merge, 3, 3);
    flow_merge_clear(&merge);
    flow_pool_free(own);
}

TEST(the_window_widens_to_what_arrives)
{
    struct flow_merge merge;
    assert_int_equal(flow_merge_init(&merge, NULL), FLOW_OK);
    for (uint64_t n = 5000; n-- > 1;)
        put(&merge, n, (uint16_t)n, true);
    assert_empty(&merge);
    put(&merge, 0, 0, true);
    for (uint64_t n = 0; n < 5000; n++)
        assert_takes(&merge, n, (uint16_t)n);
    flow_merge_clear(&merge);
}

TEST(a_number_that_cannot_be_is_refused)
{
    struct flow_merge merge;
    struct flow_error err = {0};
    assert_int_equal(flow_merge_init(&merge, NULL), FLOW_OK);
    put(&merge, 0, 0, true);
    assert_takes(&merge, 0, 0);

    const struct flow_arrival again = part(0, 0, true);
    assert_int_equal(flow_merge_put(&merge, &again, &err), FLOW_EPROTO);
    assert_string_equal(err.text, "result 0 has come twice");
    const struct flow_arrival far = part(1u << 30, 0, true);
    err = (struct flow_error){0};
    assert_int_equal(flow_merge_put(&merge, &far, &err), FLOW_EPROTO);
    assert_string_equal(err.text, "a result is 1073741823 batches ahead of the next one");
    flow_merge_clear(&merge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_taken_by_number),
        cmocka_unit_test(parts_of_the_next_result_are_taken_before_it_is_complete),
        cmocka_unit_test(what_waits_and_has_come_by_one_link_can_be_copied),
        cmocka_unit_test(the_window_widens_to_what_arrives),
        cmocka_unit_test(a_number_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
