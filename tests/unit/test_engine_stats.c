/* SPDX-License-Identifier: Apache-2.0
 * test_engine_stats.c - percentiles against sorted samples.
 *
 * shows: OBS-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/stats.h"

static void empty_is_zero(void **state)
{
    (void)state;
    struct dv_histogram histogram = { 0 };
    assert_int_equal(dv_histogram_percentile(&histogram, 50), 0);
}

static void one_sample_is_every_percentile(void **state)
{
    (void)state;
    struct dv_histogram histogram = { 0 };
    dv_histogram_add(&histogram, 1000);
    assert_int_equal(dv_histogram_percentile(&histogram, 0), 1000);
    assert_int_equal(dv_histogram_percentile(&histogram, 50), 1000);
    assert_int_equal(dv_histogram_percentile(&histogram, 100), 1000);
}

static void gives_the_end_of_the_bucket(void **state)
{
    (void)state;
    struct dv_histogram histogram = { 0 };
    for (int i = 0; i < 99; i++)
        dv_histogram_add(&histogram, 1000);
    dv_histogram_add(&histogram, 1000000);
    assert_int_equal(dv_histogram_percentile(&histogram, 50), 1024);
    assert_int_equal(dv_histogram_percentile(&histogram, 99), 1024);
    assert_int_equal(dv_histogram_percentile(&histogram, 99.5), 1000000);
}

static void takes_both_ends(void **state)
{
    (void)state;
    struct dv_histogram histogram = { 0 };
    dv_histogram_add(&histogram, 0);
    dv_histogram_add(&histogram, 1);
    assert_int_equal(histogram.bucket[0], 2);
    dv_histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(histogram.bucket[DV_HISTOGRAM_BUCKETS - 1], 1);
    assert_true(dv_histogram_percentile(&histogram, 100) == UINT64_MAX);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void lies_within_a_factor_of_two(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    uint64_t samples[COUNT];
    struct dv_histogram histogram = { 0 };
    unsigned seed = 11;
    for (int i = 0; i < COUNT; i++) {
        samples[i] = (uint64_t)rand_r(&seed) >> (rand_r(&seed) % 30);
        dv_histogram_add(&histogram, samples[i]);
    }
    qsort(samples, COUNT, sizeof samples[0], by_value);
    for (int percent = 1; percent <= 100; percent++) {
        uint64_t exact = samples[percent * COUNT / 100 - 1];
        uint64_t told = dv_histogram_percentile(&histogram, percent);
        assert_true(told >= exact && told <= (exact < 2 ? 2 : 2 * exact));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_zero),   cmocka_unit_test(one_sample_is_every_percentile),
        cmocka_unit_test(takes_both_ends), cmocka_unit_test(gives_the_end_of_the_bucket),
        cmocka_unit_test(lies_within_a_factor_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
