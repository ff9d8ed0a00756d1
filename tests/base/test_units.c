/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include "base/clock.h"
#include "support/check.h"

TEST(sizes_are_read_with_every_unit)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"4096", 4096},
        {"10B", 10},
        {"64KiB", 65536},
        {"2MiB", 2097152},
        {"3GiB", 3221225472},
        {"1TiB", 1099511627776},
        {"5KB", 5000},
        {"1MB", 1000000},
        {"1GB", 1000000000},
        {"1TB", 1000000000000},
        {"007", 7},
        {"18446744073709551615", UINT64_MAX},
        {"16777215TiB", UINT64_C(16777215) << 40},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t bytes = 1;
        assert_true(flow_parse_size(cases[i].text, &bytes));
        assert_int_equal(bytes, cases[i].bytes);
    }
}

TEST(durations_are_read_with_every_unit)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"0s", 0},
        {"7ns", 7},
        {"3us", 3000},
        {"250ms", 250000000},
        {"90s", 90000000000},
        {"5m", 300000000000},
        {"24h", 86400000000000},
        {"9223372036854775807ns", INT64_MAX},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ns = 1;
        assert_true(flow_parse_duration(cases[i].text, &ns));
        assert_int_equal(ns, cases[i].ns);
    }
}

TEST(what_is_no_quantity_is_refused_and_changes_nothing)
{
    static const char *const sizes[] = {
        "",
        "B",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1 KiB",
        "1.5MiB",
        "1kib",
        "1K",
        "1KiBs",
        "0x10",
        "1e3",
        "ten",
        "18446744073709551616",
        "99999999999999999999999",
        "16777216TiB",
        "1ms",
    };
    static const char *const durations[] = {
        "",
        "s",
        "250",
        "-1s",
        "+1s",
        " 1s",
        "1s ",
        "1 s",
        "1.5s",
        "1S",
        "1min",
        "1d",
        "1KiB",
        "9223372036854775808ns",
        "9223372037s",
        "2562048h",
    };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint64_t bytes = 77;
        assert_false(flow_parse_size(sizes[i], &bytes));
        assert_int_equal(bytes, 77);
    }
    for (size_t i = 0; i < COUNT(durations); i++) {
        int64_t ns = 77;
        assert_false(flow_parse_duration(durations[i], &ns));
        assert_int_equal(ns, 77);
    }
}

TEST(sizes_are_shown_in_the_unit_that_fits)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {65536, "64.0 KiB"},
        {1048575, "1.0 MiB"}, /* not "1024.0 KiB" */
        {1048166, "1023.6 KiB"},
        {1610612736, "1.5 GiB"},
        {UINT64_C(3) << 40, "3.0 TiB"},
        {UINT64_MAX, "16777216.0 TiB"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char buf[32];
        assert_string_equal(flow_format_size(cases[i].bytes, buf, sizeof(buf)), cases[i].text);
    }
}

TEST(durations_are_shown_in_the_unit_that_fits)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1500, "1.5 us"},
        {250000000, "250.0 ms"},
        {999990000, "1.0 s"},
        {1500000000, "1.5 s"},
        {90000000000, "1.5 m"},
        {5400000000000, "1.5 h"},
        {-1500000000, "-1.5 s"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char buf[32];
        assert_string_equal(flow_format_duration(cases[i].ns, buf, sizeof(buf)), cases[i].text);
    }
}

TEST(counts_and_rates_are_shown_with_a_prefix)
{
    static const struct {
        double count;
        const char *text;
    } cases[] = {
        {0, "0"},          {7, "7"},         {0.25, "0.2"},
        {999, "999"},      {1000, "1.0 k"},  {12300000, "12.3 M"},
        {999960, "1.0 M"}, {2.5e9, "2.5 G"}, {2.5e12, "2.5 T"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char buf[32];
        assert_string_equal(flow_format_count(cases[i].count, buf, sizeof(buf)), cases[i].text);
    }
}

TEST(a_small_buffer_is_not_overrun)
{
    char buf[6] = "\x7f\x7f\x7f\x7f\x7f";
    assert_string_equal(flow_format_size(65536, buf, 5), "64.0");
    assert_int_equal(buf[5], 0);
}

TEST(the_clocks_go_forward)
{
    const int64_t start = flow_now_ns();
    const int64_t cpu = flow_thread_cpu_ns();
    volatile uint64_t sum = 0;
    while (flow_thread_cpu_ns() - cpu < 1000000)
        sum = sum + 1;
    assert_true(flow_now_ns() - start >= 900000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_with_every_unit),
        cmocka_unit_test(durations_are_read_with_every_unit),
        cmocka_unit_test(what_is_no_quantity_is_refused_and_changes_nothing),
        cmocka_unit_test(sizes_are_shown_in_the_unit_that_fits),
        cmocka_unit_test(durations_are_shown_in_the_unit_that_fits),
        cmocka_unit_test(counts_and_rates_are_shown_with_a_prefix),
        cmocka_unit_test(a_small_buffer_is_not_overrun),
        cmocka_unit_test(the_clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
