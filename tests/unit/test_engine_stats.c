/* SPDX-License-Identifier: Apache-2.0
 * test_engine_stats.c - percentiles against sorted samples, and how late the loop is.
 *
 * shows: OBS-1 R18 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/loop.h"
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

#define MS UINT64_C(1000000)

/* A turn of 30 ms makes each of 30 timers late, the first the most. */
static void work_counts_each_millisecond_of_it(void **state)
{
    (void)state;
    struct dv_loop_sim loop;
    dv_loop_sim_init(&loop);
    dv_loop_note_work(&loop.base, 1000 * MS, 1030 * MS);
    assert_int_equal(loop.base.lag.count, 30);
    assert_int_equal(loop.base.lag.max_ns, 29 * MS);
    assert_int_equal(loop.base.lag.sum_ns, 29 * 30 / 2 * MS);
    dv_loop_note_work(&loop.base, 1030 * MS + 1, 1031 * MS - 1);
    assert_int_equal(loop.base.lag.count, 30); /* no millisecond began in it */
    dv_loop_note_wait(&loop.base, 1031 * MS - 1, 4001 * MS);
    assert_int_equal(loop.base.lag.count, 30 + 2971);
    assert_int_equal(loop.base.lag.sum_ns, 29 * 30 / 2 * MS);
    assert_true(dv_histogram_percentile(&loop.base.lag, 99) < 2 * MS);
}

static void a_process_that_was_stopped_counts_within_limits(void **state)
{
    (void)state;
    struct dv_loop_sim loop;
    dv_loop_sim_init(&loop);
    dv_loop_note_work(&loop.base, 0, 86400000 * MS);
    assert_int_equal(loop.base.lag.count, 100000);
}

/* Works for 40 ms, once. */
static void work(struct dv_timer *timer)
{
    uint64_t start = dv_now_ns(timer->loop);
    while (dv_now_ns(timer->loop) - start < 40 * MS)
        continue;
}

static void the_real_loop_measures_itself(void **state)
{
    (void)state;
    uv_loop_t uv;
    struct dv_loop_real loop;
    struct dv_timer timers[2];
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(dv_loop_real_init(&loop, &uv), DV_OK);
    for (int i = 0; i < 2; i++) {
        dv_timer_init(&loop.base, &timers[i], work, NULL);
        dv_timer_start(&timers[i], 60 + 600 * i);
    }
    uv_run(&uv, UV_RUN_DEFAULT);
    const struct dv_histogram *lag = &loop.base.lag;
    assert_in_range(lag->count, 250, 60000); /* each ms of the run once */
    assert_in_range(lag->max_ns, 38 * MS, 60000 * MS);
    assert_in_range(lag->bucket[0], 100, lag->count - 70);
    for (int i = 0; i < 2; i++)
        dv_timer_close(&timers[i]);
    dv_loop_real_close(&loop);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&uv), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_zero),   cmocka_unit_test(one_sample_is_every_percentile),
        cmocka_unit_test(takes_both_ends), cmocka_unit_test(gives_the_end_of_the_bucket),
        cmocka_unit_test(lies_within_a_factor_of_two),
        cmocka_unit_test(work_counts_each_millisecond_of_it),
        cmocka_unit_test(a_process_that_was_stopped_counts_within_limits),
        cmocka_unit_test(the_real_loop_measures_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
