/* SPDX-License-Identifier: MIT */
#include "link/fence.h"

#include "support/check.h"

static struct flow_fence fence_of(uint32_t link)
{
    struct flow_fence fence = {0};
    assert_int_equal(flow_fence_add(&fence, link + 5, NULL), FLOW_OK);
    assert_int_equal(flow_fence_add(&fence, link, NULL), FLOW_OK);
    assert_int_equal(flow_fence_add(&fence, link + 9, NULL), FLOW_OK);
    return fence;
}

static enum flow_fence_verdict judge(struct flow_fence *fence, uint8_t kind, uint32_t incarnation)
{
    const struct flow_message message = {.kind = kind, .link = 7};
    return flow_fence_judge(fence, &message, incarnation);
}

TEST(what_a_replaced_process_has_sent_is_dropped_from_the_hello_of_the_next_one_on)
{
    struct flow_fence fence = fence_of(7);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_BATCH, 0), FLOW_FENCE_PASS);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_HELLO, 2), FLOW_FENCE_PASS);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_BATCH, 0), FLOW_FENCE_DROP);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_END, 1), FLOW_FENCE_DROP);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_HELLO, 1), FLOW_FENCE_DROP);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_BATCH, 2), FLOW_FENCE_PASS);
    flow_fence_clear(&fence);
}

TEST(a_new_process_must_say_hello_first)
{
    struct flow_fence fence = fence_of(7);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_BATCH, 1), FLOW_FENCE_STRANGE);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_CREDIT, 1), FLOW_FENCE_STRANGE);
    flow_fence_clear(&fence);
}

TEST(by_a_link_that_is_not_fenced_nobody_new_can_come)
{
    struct flow_fence fence = fence_of(8);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_BATCH, 0), FLOW_FENCE_PASS);
    assert_int_equal(judge(&fence, FLOW_MESSAGE_HELLO, 1), FLOW_FENCE_STRANGE);
    flow_fence_clear(&fence);
}

TEST(a_link_holds_what_it_was_lent_until_all_of_it_is_returned)
{
    struct flow_memory memory;
    const struct flow_memory_size size = {.links = 20, .arena_bytes = FLOW_MEMORY_GRAIN};
    assert_int_equal(flow_memory_new(&size, &memory, NULL), FLOW_OK);
    _Atomic uint32_t *slots = flow_memory_slots(&memory, 7);
    struct flow_fence fence = fence_of(7);
    assert_false(flow_fence_holds(&fence, 7, &memory));

    flow_fence_note(&fence, 7, &(struct flow_lease){.slot = slots + 3, .tag = 1}, &memory);
    flow_fence_note(&fence, 7, &(struct flow_lease){.slot = slots + 63, .tag = 4}, &memory);
    assert_true(flow_fence_holds(&fence, 7, &memory));
    assert_false(flow_fence_holds(&fence, 12, &memory));
    atomic_store(slots + 3, 1);
    assert_true(flow_fence_holds(&fence, 7, &memory));
    atomic_store(slots + 63, 4);
    assert_false(flow_fence_holds(&fence, 7, &memory));

    flow_fence_note(&fence, 7, &(struct flow_lease){.slot = slots + 3, .tag = 2}, &memory);
    assert_true(flow_fence_holds(&fence, 7, &memory));
    flow_fence_clear(&fence);
    flow_memory_close(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            what_a_replaced_process_has_sent_is_dropped_from_the_hello_of_the_next_one_on),
        cmocka_unit_test(a_new_process_must_say_hello_first),
        cmocka_unit_test(by_a_link_that_is_not_fenced_nobody_new_can_come),
        cmocka_unit_test(a_link_holds_what_it_was_lent_until_all_of_it_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
