/* SPDX-License-Identifier: MIT */
#include "engine/keys.h"

#include <stdio.h>
#include <string.h>

#include "support/check.h"

static struct flow_piece piece_of(const char *data, const char *key)
{
    return (struct flow_piece){data, strlen(data), key, key != NULL ? strlen(key) : 0};
}

TEST(equal_keys_have_one_reader_whatever_the_record)
{
    const struct flow_piece a = piece_of("first", "k");
    const struct flow_piece b = piece_of("second", "k");
    for (size_t readers = 1; readers < 20; readers++)
        assert_int_equal(flow_key_reader(&a, readers), flow_key_reader(&b, readers));
}

TEST(a_record_without_a_key_is_its_own_key)
{
    const struct flow_piece bare = piece_of("k", NULL);
    const struct flow_piece keyed = piece_of("other", "k");
    assert_int_equal(flow_key_reader(&bare, 97), flow_key_reader(&keyed, 97));
}

TEST(short_keys_spread_over_the_readers)
{
    size_t hits[4] = {0};
    for (int i = 0; i < 1000; i++) {
        char key[8];
        (void)snprintf(key, sizeof(key), "%d", i);
        const struct flow_piece record = piece_of("x", key);
        hits[flow_key_reader(&record, 4)]++;
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(hits[i], 180, 320);
}

TEST(a_pointer_finds_its_value_or_says_what_is_wrong)
{
    static const struct {
        const char *record, *pointer;
        enum flow_status status;
        const char *text; /* the key, or what the message contains */
    } cases[] = {
        {"{\"a\": \"x\"}", "/a", FLOW_OK, "x"},
        {"{\"a\": {\"b\": [1, 22]}}", "/a/b/1", FLOW_OK, "22"},
        {"{\"a\": {\"c\": 1, \"b\": 2}}", "/a", FLOW_OK, "{\"b\":2,\"c\":1}"},
        {"{\"a/b~\": true}", "/a~1b~0", FLOW_OK, "true"},
        {"[\"q\"]", "/0", FLOW_OK, "q"},
        {"{\"\": 5}", "/", FLOW_OK, "5"},
        {"{\"a\": 1}", "/b", FLOW_EBAD, "the record has nothing at its key /b"},
        {"[1]", "/1", FLOW_EBAD, "the record has nothing at its key /1"},
        {"[1]", "/0x", FLOW_EBAD, "the record has nothing at its key /0x"},
        {"5", "/a", FLOW_EBAD, "the record has nothing at its key /a"},
        {"{", "/a", FLOW_EBAD, "cannot take the key /a: the record is not JSON"},
        {"", "/a", FLOW_EBAD, "cannot take the key /a: the record is not JSON"},
    };

    struct flow_str key = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct flow_piece record = piece_of(cases[i].record, NULL);
        struct flow_error err = {0};
        assert_int_equal(flow_key_find(&record, cases[i].pointer, &key, &err), cases[i].status);
        if (cases[i].status == FLOW_OK)
            assert_string_equal(key.text, cases[i].text);
        else
            assert_non_null(strstr(err.text, cases[i].text));
    }
    flow_str_clear(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_have_one_reader_whatever_the_record),
        cmocka_unit_test(a_record_without_a_key_is_its_own_key),
        cmocka_unit_test(short_keys_spread_over_the_readers),
        cmocka_unit_test(a_pointer_finds_its_value_or_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
