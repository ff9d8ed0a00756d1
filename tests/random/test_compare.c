/* SPDX-License-Identifier: MIT */
#include "random/compare.h"

#include <string.h>

#include "support/check.h"

/* "a1" is the record "a" in chain or replica 1. */
static struct rt_stream stream_of(const char *const *words)
{
    struct rt_stream stream = {0};
    for (; *words != NULL; words++) {
        const struct rt_item item = {.data = (const uint8_t *)*words,
                                     .size = 1,
                                     .key = (const uint8_t *)*words,
                                     .key_size = (uint32_t)(strlen(*words) > 3 ? 1 : 0),
                                     .chain = (uint64_t)(*words)[1],
                                     .group = (uint64_t)((*words)[1] - '0')};
        rt_stream_add(&stream, &item);
    }
    return stream;
}

struct comparison {
    const char *expected[8], *found[8];
    struct rt_demand demand;
    const char *verdict; /* "": they agree */
};

static void compare_all(const struct comparison *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rt_stream want = stream_of(cases[i].expected);
        struct rt_stream have = stream_of(cases[i].found);
        struct rt_verdict verdict = {0};
        const bool ok = rt_streams_agree(&want, &have, &cases[i].demand, &verdict);
        assert_int_equal(ok, cases[i].verdict[0] == 0);
        if (strstr(verdict.text, cases[i].verdict) == NULL)
            fail_msg("case %zu: '%s' is not '%s'", i, verdict.text, cases[i].verdict);
        rt_stream_clear(&want);
        rt_stream_clear(&have);
    }
}

TEST(a_sink_must_have_every_record_once_and_in_order)
{
    static const struct comparison cases[] = {
        {{"a1", "b1", "c1"}, {"a1", "b1", "c1"}, {0}, ""},
        {{"a1", "b1", "c1"}, {"a1", "c1"}, {0}, "expected 1 times, found 0 times: 1 bytes [b]"},
        {{"a1", "b1"}, {"a1", "b1", "b1"}, {0}, "expected 1 times, found 2 times: 1 bytes [b]"},
        {{"a1", "b1"}, {"a1", "x1"}, {0}, "times"},
        {{"a1", "b1"}, {"b1", "a1"}, {0}, "out of order"},
        {{"a1", "a1", "b1"}, {"a1", "b1", "a1"}, {0}, "out of order"},
        {{"a1", "b1", "x2", "y2"}, {"x1", "a1", "b1", "y1"}, {0}, ""},
        {{"a1", "b1", "x2", "y2"}, {"y1", "a1", "b1", "x1"}, {0}, "out of order"},
    };
    compare_all(cases, COUNT(cases));
}

TEST(what_may_be_dropped_may_be_missing_but_not_doubled)
{
    static const struct comparison cases[] = {
        {{"a1", "b1", "c1"}, {"a1", "c1"}, {.lossy = true}, ""},
        {{"a1", "b1", "c1"}, {NULL}, {.lossy = true}, ""},
        {{"a1", "b1", "c1"}, {"c1", "a1"}, {.lossy = true}, "out of order"},
        {{"a1", "b1"}, {"a1", "a1"}, {.lossy = true}, "expected 1 times, found 2 times"},
    };
    compare_all(cases, COUNT(cases));
}

TEST(replicas_that_get_all_are_compared_one_by_one)
{
    static const struct comparison cases[] = {
        {{"a1", "b1", "a2", "b2"}, {"a1", "b1", "a2", "b2"}, {.each = true}, ""},
        {{"a1", "b1", "a2", "b2"}, {"a1", "b1", "a1", "b2"}, {.each = true}, "times"},
        {{"a1", "b1", "a2", "b2"}, {"a1", "b1", "b2", "a2"}, {.each = true}, "out of order"},
    };
    compare_all(cases, COUNT(cases));
}

TEST(records_of_one_group_belong_to_one_replica)
{
    static const struct comparison cases[] = {
        {{"a1", "b1", "c2"}, {"a1", "b1", "c1"}, {0}, ""},
        {{"a1", "b1", "c2"}, {"a1", "b2", "c1"}, {0}, "one key at two replicas"},
    };
    compare_all(cases, COUNT(cases));
}

TEST(keys_count_unless_they_are_loose)
{
    static const struct comparison cases[] = {
        {{"a1k "}, {"a1"}, {0}, "times"},
        {{"a1k "}, {"a1"}, {.loose = true}, ""},
    };
    compare_all(cases, COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sink_must_have_every_record_once_and_in_order),
        cmocka_unit_test(what_may_be_dropped_may_be_missing_but_not_doubled),
        cmocka_unit_test(replicas_that_get_all_are_compared_one_by_one),
        cmocka_unit_test(records_of_one_group_belong_to_one_replica),
        cmocka_unit_test(keys_count_unless_they_are_loose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
