/* SPDX-License-Identifier: MIT */
#include "bench/near.h"

#include <math.h>

#include "driver/stats.h"

static void assert_spread(const double *values, size_t count, double median, double min, double max)
{
    const struct bench_spread spread = bench_spread_of(values, count);
    assert_near(spread.median, median);
    assert_near(spread.min, min);
    assert_near(spread.max, max);
}

TEST(the_median_of_an_odd_number_is_the_one_in_the_middle)
{
    assert_spread((const double[]){9, 1, 5}, 3, 5, 1, 9);
    assert_spread((const double[]){7}, 1, 7, 7, 7);
}

TEST(the_median_of_an_even_number_is_the_mean_of_the_two_in_the_middle)
{
    assert_spread((const double[]){4, 1, 10, 2}, 4, 3, 1, 10);
    assert_spread((const double[]){2, 2}, 2, 2, 2, 2);
}

TEST(one_wild_round_moves_the_spread_and_not_the_median)
{
    assert_spread((const double[]){10, 11, 1000, 9, 10}, 5, 10, 9, 1000);
}

TEST(the_values_stay_in_their_order)
{
    const double values[] = {3, 1, 2};
    (void)bench_spread_of(values, 3);
    assert_near(values[0], 3);
    assert_near(values[2], 2);
}

TEST(no_rounds_have_no_figure)
{
    assert_true(isnan(bench_spread_of(NULL, 0).median));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_of_an_odd_number_is_the_one_in_the_middle),
        cmocka_unit_test(the_median_of_an_even_number_is_the_mean_of_the_two_in_the_middle),
        cmocka_unit_test(one_wild_round_moves_the_spread_and_not_the_median),
        cmocka_unit_test(the_values_stay_in_their_order),
        cmocka_unit_test(no_rounds_have_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
