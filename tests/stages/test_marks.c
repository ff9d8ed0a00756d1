/* SPDX-License-Identifier: MIT */

/* The places of a byte, against memchr. */

#include <stdlib.h>

#include "shared/marks.h"
#include "support/check.h"

/* All places in a copy that ends where its memory does. */
static void check_places(const char *text, size_t size, char mark)
{
    char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    memcpy(bytes + 1, text, size);
    struct flow_marks marks = flow_marks_begin(bytes + 1, size, (uint8_t)mark);
    const char *at = bytes + 1;
    const char *end = bytes + 1 + size;
    for (;;) {
        const char *expected = at < end ? memchr(at, mark, (size_t)(end - at)) : NULL;
        const char *found = flow_marks_next(&marks);
        assert_ptr_equal(found, expected);
        if (found == NULL)
            break;
        at = found + 1;
    }
    assert_null(flow_marks_next(&marks));
    free(bytes);
}

TEST(every_place_is_found_once_at_any_distance_and_size)
{
    char text[400];
    for (size_t distance = 1; distance < 200; distance++) {
        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = i % distance == 0 ? '\n' : 'x';
        for (size_t size = 0; size < sizeof(text); size += 7)
            check_places(text, size, '\n');
    }
}

TEST(bytes_that_differ_in_one_bit_are_others)
{
    char text[256];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    for (int mark = 0; mark < 256; mark++)
        check_places(text, sizeof(text), (char)mark);
}

TEST(a_mark_in_the_place_of_each_byte_and_nowhere_else_is_found)
{
    char text[150];
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 0, sizeof(text));
        text[at] = 1;
        check_places(text, sizeof(text), 1);
        check_places(text, sizeof(text), 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_is_found_once_at_any_distance_and_size),
        cmocka_unit_test(bytes_that_differ_in_one_bit_are_others),
        cmocka_unit_test(a_mark_in_the_place_of_each_byte_and_nowhere_else_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
