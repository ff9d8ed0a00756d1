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
        cmocka_unit_test(the_window_widens_to_what_arrives),
        cmocka_unit_test(a_number_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
