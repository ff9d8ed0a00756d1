/* SPDX-License-Identifier: MIT */
#include "engine/align.h"

#include <stdlib.h>

#include "support/check.h"

static struct flow_message end_of(uint32_t link)
{
    return (struct flow_message){.kind = FLOW_MESSAGE_END, .link = link};
}

TEST(what_was_held_of_a_writer_that_died_is_let_go_and_the_rest_keeps_its_order)
{
    static const uint32_t came[] = {7, 8, 7, 9, 8};
    struct flow_align align;
    assert_int_equal(flow_align_init(&align, 3, NULL), FLOW_OK);
    assert_int_equal(flow_align_reach(&align, 0, 1, NULL), FLOW_OK);
    for (size_t i = 0; i < 5; i++) {
        const struct flow_message message = end_of(came[i]);
        assert_int_equal(flow_align_hold(&align, &message, NULL), FLOW_OK);
    }
    flow_align_drop(&align, 7);
    struct flow_message *held;
    size_t count;
    flow_align_release(&align, &held, &count);
    assert_int_equal(count, 3);
    assert_int_equal(held[0].link, 8);
    assert_int_equal(held[1].link, 9);
    assert_int_equal(held[2].link, 8);
    free(held);
    flow_align_clear(&align);
}

TEST(a_barrier_that_comes_again_is_known_as_such)
{
    struct flow_align align;
    struct flow_message *held;
    size_t count;
    assert_int_equal(flow_align_init(&align, 2, NULL), FLOW_OK);
    assert_false(flow_align_knows(&align, 0, 1));
    assert_int_equal(flow_align_reach(&align, 0, 1, NULL), FLOW_OK);
    assert_true(flow_align_knows(&align, 0, 1));
    assert_false(flow_align_knows(&align, 1, 1));
    assert_int_equal(flow_align_reach(&align, 1, 1, NULL), FLOW_OK);
    flow_align_release(&align, &held, &count);
    assert_true(flow_align_knows(&align, 0, 1));
    assert_true(flow_align_knows(&align, 1, 1));
    assert_false(flow_align_knows(&align, 1, 2));
    assert_int_equal(flow_align_reach(&align, 1, 2, NULL), FLOW_OK);
    assert_true(flow_align_knows(&align, 0, 1)); /* of the one before, which is committed */
    assert_false(flow_align_knows(&align, 0, 2));
    flow_align_clear(&align);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            what_was_held_of_a_writer_that_died_is_let_go_and_the_rest_keeps_its_order),
        cmocka_unit_test(a_barrier_that_comes_again_is_known_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
