/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "support/check.h"

TEST(memory_comes_zeroed_and_nothing_is_still_a_place)
{
    unsigned char *bytes = flow_alloc(4096);
    assert_non_null(bytes);
    for (size_t i = 0; i < 4096; i++)
        assert_int_equal(bytes[i], 0);
    free(bytes);

    void *none = flow_calloc(0, 8);
    assert_non_null(none);
    free(none);
}

TEST(aligned_memory_lies_where_it_was_asked_to)
{
    for (size_t alignment = sizeof(void *); alignment <= 4096; alignment *= 2) {
        void *memory = flow_alloc_aligned(alignment, 3 * alignment + 1);
        assert_int_equal((uintptr_t)memory % alignment, 0);
        memset(memory, 1, 3 * alignment + 1);
        free(memory);
    }
    free(flow_alloc_aligned(64, 0));
}

TEST(a_product_that_overflows_is_refused)
{
    /* Through a volatile, or the compiler warns of what is meant here. */
    volatile size_t many = SIZE_MAX / 2;
    assert_null(flow_calloc(many, 4));
}

TEST(a_copy_of_bytes_ends_with_a_zero)
{
    char *copy = flow_strndup("a\0bc", 3);
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
    copy = flow_strdup("");
    assert_string_equal(copy, "");
    free(copy);
}

TEST(each_call_fails_when_it_is_told_to_and_only_once)
{
    char *old = flow_strdup("kept");
    for (int n = 0; n < 6; n++) {
        flow_mem_fail_at(n);
        void *got[] = {flow_alloc(1), flow_calloc(1, 1), flow_strdup("a"), flow_strndup("a", 1),
                       flow_alloc_aligned(64, 1)};
        char *grown = flow_realloc(old, 64);
        if (grown != NULL)
            old = grown;
        for (int i = 0; i < 5; i++) {
            assert_int_equal(got[i] == NULL, i == n);
            free(got[i]);
        }
        assert_int_equal(grown == NULL, n == 5);
        assert_string_equal(old, "kept");
    }
    free(old);

    flow_mem_fail_at(0);
    flow_mem_fail_at(-1);
    void *disarmed = flow_alloc(1);
    assert_non_null(disarmed);
    free(disarmed);
}

TEST(an_array_grows_by_doubling_and_keeps_its_elements)
{
    int *items = NULL;
    size_t capacity = 0;
    size_t moves = 0;
    for (size_t i = 0; i < 1000; i++) {
        const size_t before = capacity;
        assert_true(flow_grow(&items, &capacity, i + 1, sizeof(*items)));
        assert_true(capacity > i);
        moves += capacity != before;
        items[i] = (int)i;
    }
    assert_true(moves < 12);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    free(items);
}

TEST(an_array_that_cannot_grow_stays_as_it_is)
{
    int *items = NULL;
    size_t capacity = 0;
    assert_true(flow_grow(&items, &capacity, 4, sizeof(*items)));
    int *const before = items;
    const size_t room = capacity;

    flow_mem_fail_at(0);
    assert_false(flow_grow(&items, &capacity, room + 1, sizeof(*items)));
    assert_false(flow_grow(&items, &capacity, SIZE_MAX / 2, sizeof(*items)));
    assert_ptr_equal(items, before);
    assert_int_equal(capacity, room);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_comes_zeroed_and_nothing_is_still_a_place),
        cmocka_unit_test(aligned_memory_lies_where_it_was_asked_to),
        cmocka_unit_test(a_product_that_overflows_is_refused),
        cmocka_unit_test(a_copy_of_bytes_ends_with_a_zero),
        cmocka_unit_test(each_call_fails_when_it_is_told_to_and_only_once),
        cmocka_unit_test(an_array_grows_by_doubling_and_keeps_its_elements),
        cmocka_unit_test(an_array_that_cannot_grow_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
