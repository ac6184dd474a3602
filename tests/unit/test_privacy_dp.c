/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_dp.c - the mechanisms: noise of the right size, figures worked out by hand, bounds.
 *
 * shows: PRV-1 PRV-2 PRV-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "engine/random.h"
#include "privacy/dp.h"

enum { DRAWS = 20000, WIDE_DRAWS = DRAWS / 4 };

static struct dv_random generator;
static struct dv_noise noise;

static bool fill_seeded(void *data, uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += 8) {
        uint64_t drawn = dv_random_u64(data);
        memcpy(bytes + at, &drawn, 8);
    }
    return true;
}

static int seed(void **state)
{
    (void)state;
    dv_random_seed(&generator, 20);
    dv_noise_init_with(&noise, fill_seeded, &generator);
    return 0;
}

/* ---- what is spent ---- */

static void test_nano(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t nano;
    } good[] = { { "0.5", 500000000 },  { "1", 1000000000 },         { "10", 10000000000 }, { "0.000000001", 1 },
                 { "0.1", 100000000 }, { "007.25", 7250000000 },    { "0", 0 },            { "9223372036.854775807", INT64_MAX } };
    static const char *const bad[] = { "",    ".",   "-1",  "+1",           "1.",  ".5", "1e3", "0.0000000001", "1,5",
                                       "0x1", " 1",  "1 ",  "9223372036.854775808", "99999999999999999999", "1.2.3", "nan" };
    int64_t nano = -1;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(dv_dp_nano(good[i].text, &nano));
        assert_int_equal(nano, good[i].nano);
    }
    nano = -1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (dv_dp_nano(bad[i], &nano))
            fail_msg("'%s' was read as a number", bad[i]);
    assert_int_equal(nano, -1);
}

/* Worked out by hand with twelve digits, and rounded to the careful side:
 *   ε = 1                  ρ = 0.5
 *   ρ = 0.5,  δ = 1e-6     ε = 0.5 + 2 √(0.5 · 13.815510557964)  = 5.75652176975
 *   ρ = 0.01, δ = 1e-9     ε = 0.01 + 2 √(0.01 · 20.723265836946) = 0.92045627763
 *   ε = 1,    δ = 1e-9     ρ = (√21.723265836946 - √20.723265836946)² = 0.011781160395 */
static void test_composition(void **state)
{
    (void)state;
    assert_int_equal(dv_dp_spend(1, 2), 3);
    assert_int_equal(dv_dp_spend(INT64_MAX, 1), INT64_MAX);
    assert_int_equal(dv_dp_rho_of_pure(DV_DP_NANO), DV_DP_NANO / 2);
    assert_int_equal(dv_dp_rho_of_pure(1), 1);
    assert_int_equal(dv_dp_rho_of_pure(3), 1);
    assert_int_equal(dv_dp_rho_of_pure(INT64_MAX), INT64_MAX);
    assert_int_equal(dv_dp_epsilon_of_rho(0, 1e-9), 0);
    assert_true(llabs(dv_dp_epsilon_of_rho(500000000, 1e-6) - 5756521770) <= 1);
    assert_true(llabs(dv_dp_epsilon_of_rho(10000000, 1e-9) - 920456278) <= 1);
    assert_true(llabs(dv_dp_rho_within(DV_DP_NANO, 1e-9) - 11781160) <= 1);
    assert_int_equal(dv_dp_rho_within(1, 1e-9), 0);
}

/* A thousand releases of ε = 0.1 cost 100 when added up, and far less by ρ. */
static void test_zero_concentrated_adds_up_to_less(void **state)
{
    (void)state;
    int64_t rho = 0;
    for (int i = 0; i < 1000; i++)
        rho = dv_dp_spend(rho, dv_dp_rho_of_pure(100000000));
    assert_int_equal(rho, INT64_C(5000000000));
    int64_t epsilon = dv_dp_epsilon_of_rho(rho, 1e-9);
    assert_true(epsilon > INT64_C(25000000000) && epsilon < INT64_C(26000000000));
}

/* What fits an ε never costs more, and a little more ρ would. */
static void test_rho_within_is_the_most(void **state)
{
    (void)state;
    static const double deltas[] = { 1e-3, 1e-5, 1e-6, 1e-9, 1e-12, 1e-15 };
    for (int64_t epsilon = 1000000; epsilon <= DV_DP_EPSILON_MAX; epsilon = epsilon * 7 / 5 + 1) {
        for (size_t i = 0; i < sizeof deltas / sizeof deltas[0]; i++) {
            double delta = deltas[i];
            int64_t rho = dv_dp_rho_within(epsilon, delta);
            assert_true(dv_dp_epsilon_of_rho(rho, delta) <= epsilon);
            assert_true(dv_dp_epsilon_of_rho(rho + 2 + rho / 1000000, delta) > epsilon);
        }
    }
}

/* ---- integers ---- */

/* Mean distance from `value` of the answers. */
static double spread_of_laplace(int64_t value, uint64_t sensitivity, int64_t epsilon_nano)
{
    double sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        int64_t drawn = 0;
        assert_int_equal(dv_dp_laplace(&noise, value, sensitivity, epsilon_nano, &drawn), DV_OK);
        sum += fabs((double)(drawn - value));
    }
    return sum / DRAWS;
}

/* E|x| of a discrete Laplace of scale b is 2e^(-1/b) / (1 - e^(-2/b)), almost b. */
static void test_laplace_has_the_stated_scale(void **state)
{
    (void)state;
    static const struct {
        uint64_t sensitivity;
        int64_t epsilon_nano;
    } cases[] = { { 1, 100000000 }, { 1, 1000000000 }, { 3, 500000000 }, { 1000, 10000000000 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double scale = (double)cases[i].sensitivity * DV_DP_NANO / (double)cases[i].epsilon_nano;
        double expected = 2 * exp(-1 / scale) / (1 - exp(-2 / scale));
        double spread = spread_of_laplace(-12345, cases[i].sensitivity, cases[i].epsilon_nano);
        assert_true(fabs(spread / expected - 1) < 0.05);
    }
}

static void test_gaussian_has_the_stated_width(void **state)
{
    (void)state;
    static const struct {
        uint64_t sensitivity;
        int64_t rho_nano;
        double deviation;
    } cases[] = { { 1, 500000000, 1 }, { 1, 5000000, 10 }, { 7, 1000000, 156.5248 }, { 1 << 20, 500000000, 1 << 20 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double squares = 0;
        for (int drawn = 0; drawn < WIDE_DRAWS; drawn++) {
            int64_t answer = 0;
            assert_int_equal(dv_dp_gaussian(&noise, 0, cases[i].sensitivity, cases[i].rho_nano, &answer), DV_OK);
            squares += (double)answer * (double)answer;
        }
        assert_true(fabs(sqrt(squares / WIDE_DRAWS) / cases[i].deviation - 1) < 0.05);
    }
}

static void test_integers_do_not_wrap(void **state)
{
    (void)state;
    bool stayed = false;
    for (int i = 0; i < 100; i++) {
        int64_t high = 0;
        int64_t low = 0;
        assert_int_equal(dv_dp_laplace(&noise, INT64_MAX - 5, 1000, DV_DP_NANO, &high), DV_OK);
        assert_int_equal(dv_dp_laplace(&noise, INT64_MIN + 5, 1000, DV_DP_NANO, &low), DV_OK);
        assert_true(high > INT64_MAX / 2 && low < INT64_MIN / 2);
        stayed = stayed || high == INT64_MAX;
    }
    assert_true(stayed);
}

static void test_limits(void **state)
{
    (void)state;
    int64_t answer = 77;
    assert_int_equal(dv_dp_laplace(&noise, 0, 0, DV_DP_NANO, &answer), DV_E_LIMIT);
    assert_int_equal(dv_dp_laplace(&noise, 0, DV_DP_SENSITIVITY_MAX + 1, DV_DP_NANO, &answer), DV_E_LIMIT);
    assert_int_equal(dv_dp_laplace(&noise, 0, 1, 0, &answer), DV_E_LIMIT);
    assert_int_equal(dv_dp_laplace(&noise, 0, 1, -1, &answer), DV_E_LIMIT);
    assert_int_equal(dv_dp_laplace(&noise, 0, 1, DV_DP_EPSILON_MIN - 1, &answer), DV_E_LIMIT);
    assert_int_equal(dv_dp_laplace(&noise, 0, 1, DV_DP_EPSILON_MAX + 1, &answer), DV_E_LIMIT);
    assert_int_equal(dv_dp_gaussian(&noise, 0, 1, 0, &answer), DV_E_LIMIT);
    assert_int_equal(dv_dp_gaussian(&noise, 0, DV_DP_SENSITIVITY_MAX, 1, &answer), DV_E_LIMIT);
    assert_int_equal(dv_dp_histogram(&noise, &answer, 1, 0, DV_DP_NANO, &answer), DV_E_LIMIT);
    assert_int_equal(answer, 77);
    assert_int_equal(dv_dp_laplace(&noise, 0, DV_DP_SENSITIVITY_MAX, DV_DP_EPSILON_MIN, &answer), DV_OK);
}

static void test_histogram(void **state)
{
    (void)state;
    int64_t bins[64];
    int64_t noised[64];
    double sum = 0;
    for (int i = 0; i < 64; i++)
        bins[i] = 1000 * i;
    for (int round = 0; round < 200; round++) {
        assert_int_equal(dv_dp_histogram(&noise, bins, 64, 2, 200000000, noised), DV_OK);
        for (int i = 0; i < 64; i++)
            sum += fabs((double)(noised[i] - bins[i]));
    }
    assert_true(fabs(sum / (200 * 64) - 10) < 0.5); /* two records a person, ε 0.2 */
}

/* ---- numbers ---- */

static void test_range(void **state)
{
    (void)state;
    static const double good[][2] = { { 0, 130 }, { -40, 60 }, { 0, 1e-300 }, { -1e300, 1e300 }, { 5e-324, 1 }, { 1, 1.001 } };
    static const double bad[][2] = { { 0, 0 }, { 1, 0 }, { NAN, 1 }, { 0, NAN }, { -INFINITY, 0 }, { 0, INFINITY }, { 1e9, 1e9 + 1 } };
    struct dv_dp_range range;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(dv_dp_range(good[i][0], good[i][1], &range));
        assert_true(range.low >= -(1 << DV_DP_RANGE_BITS) && range.high <= 1 << DV_DP_RANGE_BITS);
        const double values[] = { -INFINITY, -1e308, -1, 0, 1e-310, 0.5, 77, 1e308, INFINITY, NAN };
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            int64_t steps = dv_dp_steps(&range, values[v]);
            assert_true(steps >= range.low && steps <= range.high);
        }
        assert_int_equal(dv_dp_steps(&range, NAN), range.low);
        assert_int_equal(dv_dp_steps(&range, INFINITY), range.high);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(dv_dp_range(bad[i][0], bad[i][1], &range));
    assert_true(dv_dp_range(0, 130, &range));
    assert_true(fabs(dv_dp_number(&range, dv_dp_steps(&range, 37.5)) - 37.5) < 1e-3);
}

static void test_sum_and_mean(void **state)
{
    (void)state;
    struct dv_dp_range range;
    assert_true(dv_dp_range(0, 130, &range));
    int64_t steps = 0;
    for (int i = 0; i < 1000; i++)
        steps += dv_dp_steps(&range, 40 + i % 21);
    double exact = dv_dp_number(&range, steps);
    double off_sum = 0;
    double off_mean = 0;
    for (int i = 0; i < 2000; i++) {
        double sum = 0;
        double mean = 0;
        assert_int_equal(dv_dp_sum(&noise, &range, steps, 1, DV_DP_NANO, &sum), DV_OK);
        assert_int_equal(dv_dp_mean(&noise, &range, steps, 1000, 1, DV_DP_NANO, &mean), DV_OK);
        off_sum += fabs(sum - exact);
        off_mean += fabs(mean - exact / 1000);
    }
    assert_true(fabs(off_sum / 2000 - 130) < 10);                 /* sensitivity 130, ε 1 */
    assert_true(off_mean / 2000 > 0.1 && off_mean / 2000 < 0.16); /* sensitivity 65, ε 0.5, a thousand values */
    for (int i = 0; i < 200; i++) {
        double mean = 0;
        assert_int_equal(dv_dp_mean(&noise, &range, 0, 0, 1, DV_DP_NANO, &mean), DV_OK);
        assert_true(mean >= 0 && mean <= 130);
    }
}

static void test_quantile(void **state)
{
    (void)state;
    static int64_t bins[DV_DP_BINS_MAX];
    uint32_t bin = 0;
    for (int i = 0; i < 100; i++)
        bins[i] = 100;
    static const uint64_t nths[] = { 1, 25, 50, 75, 99 };
    for (size_t i = 0; i < sizeof nths / sizeof nths[0]; i++) {
        double off = 0;
        for (int round = 0; round < 300; round++) {
            assert_int_equal(dv_dp_quantile(&noise, bins, 100, (struct dv_ratio){ nths[i], 100 }, 1, DV_DP_NANO, &bin), DV_OK);
            off += fabs((double)bin - (double)nths[i]);
        }
        assert_true(off / 300 < 1.5);
    }
    /* Nobody there: every bin is as good. */
    static int64_t nobody[DV_DP_BINS_MAX];
    double sum = 0;
    for (int round = 0; round < 300; round++) {
        assert_int_equal(dv_dp_quantile(&noise, nobody, DV_DP_BINS_MAX, (struct dv_ratio){ 1, 2 }, 1, DV_DP_NANO, &bin), DV_OK);
        sum += bin;
    }
    assert_true(fabs(sum / 300 / DV_DP_BINS_MAX - 0.5) < 0.09);
    bins[3] = -1;
    assert_int_equal(dv_dp_quantile(&noise, bins, 100, (struct dv_ratio){ 1, 2 }, 1, DV_DP_NANO, &bin), DV_E_LIMIT);
    assert_int_equal(dv_dp_quantile(&noise, nobody, 0, (struct dv_ratio){ 1, 2 }, 1, DV_DP_NANO, &bin), DV_E_LIMIT);
    assert_int_equal(dv_dp_quantile(&noise, nobody, 10, (struct dv_ratio){ 2, 2 }, 1, DV_DP_NANO, &bin), DV_E_LIMIT);
    assert_int_equal(dv_dp_quantile(&noise, nobody, 10, (struct dv_ratio){ 1, 1001 }, 1, DV_DP_NANO, &bin), DV_E_LIMIT);
}

/* Of four bins one holds everybody, and the three others are equally bad: the odds that one of them is taken. */
static void test_quantile_has_the_exact_odds(void **state)
{
    (void)state;
    const int64_t bins[] = { 3, 0, 0, 0 }; /* the median is in bin 0; the others are 3 records (6 halves, less 3) away */
    double p = exp(-3 * 0.5 / 2);
    double lost = 0;
    for (int before = 0; before < 4; before++) /* bins tried before the best one, all of the same odds */
        lost += (1 - pow(1 - p, before)) / 4;
    uint32_t bin = 0;
    int others = 0;
    for (int i = 0; i < DRAWS; i++) {
        assert_int_equal(dv_dp_quantile(&noise, bins, 4, (struct dv_ratio){ 1, 2 }, 1, 500000000, &bin), DV_OK);
        others += bin != 0;
    }
    assert_true(fabs(others - lost * DRAWS) < 4.9 * sqrt(DRAWS * lost * (1 - lost)));
}

/* ---- a count over time ---- */

static void test_tree(void **state)
{
    (void)state;
    struct dv_dp_tree tree;
    double off = 0;
    for (int round = 0; round < 50; round++) {
        assert_int_equal(dv_dp_tree_begin(&tree, 100, 1, DV_DP_NANO), DV_OK);
        assert_int_equal(tree.levels, 7);
        int64_t exact = 0;
        int64_t noised = 0;
        for (int step = 1; step <= 100; step++) {
            exact += step;
            assert_int_equal(dv_dp_tree_next(&tree, &noise, step, &noised), DV_OK);
            off += fabs((double)(noised - exact));
            assert_true(llabs(noised - exact) < 7 * 7 * 20);
        }
        assert_int_equal(dv_dp_tree_next(&tree, &noise, 1, &noised), DV_E_BUDGET);
    }
    /* About √(2 · 3.2 nodes) · 7: far from the 100 that a hundred shares of ε would give. */
    assert_true(off / 5000 > 8 && off / 5000 < 22);
}

static void test_tree_fails_closed(void **state)
{
    (void)state;
    struct dv_dp_tree tree;
    int64_t noised = 77;
    assert_int_equal(dv_dp_tree_begin(&tree, 0, 1, DV_DP_NANO), DV_E_LIMIT);
    assert_int_equal(dv_dp_tree_begin(&tree, UINT32_MAX, 1, DV_DP_NANO), DV_E_LIMIT);
    assert_int_equal(dv_dp_tree_begin(&tree, 10, 0, DV_DP_NANO), DV_E_LIMIT);
    assert_int_equal(dv_dp_tree_begin(&tree, 10, UINT32_MAX, DV_DP_NANO), DV_E_LIMIT);
    assert_int_equal(dv_dp_tree_begin(&tree, 10, 1, DV_DP_NANO), DV_OK);
    assert_int_equal(dv_dp_tree_next(&tree, &noise, -1, &noised), DV_E_LIMIT);
    assert_int_equal(dv_dp_tree_next(&tree, &noise, 1, &noised), DV_E_BUDGET);
    assert_int_equal(noised, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nano),
        cmocka_unit_test(test_composition),
        cmocka_unit_test(test_zero_concentrated_adds_up_to_less),
        cmocka_unit_test(test_rho_within_is_the_most),
        cmocka_unit_test(test_laplace_has_the_stated_scale),
        cmocka_unit_test(test_gaussian_has_the_stated_width),
        cmocka_unit_test(test_integers_do_not_wrap),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_sum_and_mean),
        cmocka_unit_test(test_quantile),
        cmocka_unit_test(test_quantile_has_the_exact_odds),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_tree_fails_closed),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
