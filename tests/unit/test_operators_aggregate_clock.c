/* SPDX-License-Identifier: Apache-2.0
 * test_operators_aggregate_clock.c - a clock that was ahead once does not keep windows of records' time from ending.
 *
 * shows: RAG-7 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/batch.h"
#include "operators/aggregate_time.h"

enum { HOUR = 3600000, SECOND = 1000 };
static const int64_t hour_ms = 1700000000000 - INT64_C(1700000000000) % HOUR;

/* A record of now, with the clock at `now_ms`: whether it is counted in the window that is open, or opened for it. */
static bool comes(struct dv_aggregate_time *time, int64_t now_ms)
{
    struct dv_row row = { .created_ms = now_ms };
    struct dv_batch batch = { .rows = 1, .row = &row };
    return dv_aggregate_time_take(time, &batch, 0, now_ms) == 1;
}

static void expect(const struct dv_aggregate_time *time, int64_t start_ms)
{
    assert_true(time->open);
    assert_int_equal(time->span.start_ms, start_ms);
    assert_int_equal(time->span.end_ms, start_ms + HOUR);
}

static void test_a_window_that_is_open_ends(void **state)
{
    struct dv_aggregate_time time = { .window_ms = HOUR, .lateness_ms = SECOND };
    (void)state;
    assert_true(comes(&time, hour_ms + 24 * HOUR));
    assert_false(comes(&time, hour_ms));
    dv_aggregate_time_told(&time);
    assert_true(comes(&time, hour_ms));
    expect(&time, hour_ms);
    assert_false(comes(&time, hour_ms + HOUR));
}

static void test_windows_after_one_that_was_told_end(void **state)
{
    struct dv_aggregate_time time = { .window_ms = HOUR, .lateness_ms = SECOND };
    (void)state;
    assert_true(comes(&time, hour_ms + 24 * HOUR));
    dv_aggregate_time_told(&time);
    for (int64_t hour = 0; hour < 30; hour++) {
        assert_true(comes(&time, hour_ms + hour * HOUR));
        expect(&time, hour_ms + hour * HOUR);
        assert_false(comes(&time, hour_ms + (hour + 1) * HOUR));
        dv_aggregate_time_told(&time);
    }
    assert_int_equal(time.late, 0);
}

/* As clocks are set every day: no window is cut for that. */
static void test_a_second_moves_nothing(void **state)
{
    struct dv_aggregate_time time = { .window_ms = HOUR, .lateness_ms = SECOND };
    (void)state;
    assert_true(comes(&time, hour_ms));
    assert_true(comes(&time, hour_ms - SECOND));
    expect(&time, hour_ms);
    assert_int_equal(time.late, 1);
    dv_aggregate_time_told(&time);
    assert_true(comes(&time, hour_ms - SECOND));
    expect(&time, hour_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_window_that_is_open_ends),
        cmocka_unit_test(test_windows_after_one_that_was_told_end),
        cmocka_unit_test(test_a_second_moves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
