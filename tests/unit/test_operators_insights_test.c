/* SPDX-License-Identifier: Apache-2.0
 * test_operators_insights_test.c - tails against exact ones, false discoveries against the definition, medians and visits.
 * shows: RAG-7 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "engine/random.h"
#include "operators/insights_baseline.h"
#include "operators/insights_test.h"
#include "tests/unit/insights_tails.h"

enum { HOUR = 3600000, DAY = 24 * HOUR };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void near(double found, double exact, const char *what, size_t row)
{
    if (!(fabs(found - exact) <= 1e-9 * exact + 1e-290))
        fail_msg("%s %zu: %.17g, not %.17g", what, row, found, exact);
}

static void test_tails(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(poisson_tails); i++)
        near(dv_tail_poisson(poisson_tails[i][0], poisson_tails[i][1]), poisson_tails[i][2], "poisson", i);
    for (size_t i = 0; i < COUNT(negative_binomial_tails); i++) {
        const double *row = negative_binomial_tails[i];
        near(dv_tail_negative_binomial(row[0], row[1], row[2]), row[3], "negative binomial", i);
    }
    for (size_t i = 0; i < COUNT(beta_binomial_tails); i++) {
        const double *row = beta_binomial_tails[i];
        near(dv_tail_beta_binomial((uint64_t)row[0], (uint64_t)row[1], row[2], row[3]), row[4], "beta-binomial", i);
    }
    for (size_t i = 0; i < COUNT(chi_square_tails); i++)
        near(dv_tail_chi_square(chi_square_tails[i][0], chi_square_tails[i][1]), chi_square_tails[i][2], "chi-square", i);
    for (size_t i = 0; i < COUNT(student_tails); i++)
        near(dv_tail_student(student_tails[i][0], student_tails[i][1]), student_tails[i][2], "student", i);
}

/* What no distribution has says nothing; what is far out is improbable and no NaN; nothing takes long. */
static void test_tails_of_anything(void **state)
{
    (void)state;
    const double odd[] = { NAN, -1, 0, 1e-300, 0.5, 1, 7, 1e3, 1e9, 1e300, INFINITY };
    for (size_t i = 0; i < COUNT(odd); i++) {
        for (size_t j = 0; j < COUNT(odd); j++) {
            const double tails[] = { dv_tail_poisson(odd[i], odd[j]), dv_tail_negative_binomial(odd[i], odd[j], odd[j] * 2),
                                     dv_tail_chi_square(odd[i], odd[j]), dv_tail_student(odd[i], odd[j]),
                                     dv_tail_beta_binomial(7, 100, odd[i], odd[j]) };
            for (size_t k = 0; k < COUNT(tails); k++)
                if (!(tails[k] >= 0 && tails[k] <= 1))
                    fail_msg("tail %zu of %g and %g is %g", k, odd[i], odd[j], tails[k]);
        }
    }
    assert_true(dv_tail_poisson(1000, 10) < 1e-290);
    assert_true(dv_tail_beta_binomial(5, 4, 0.5, 0) == 1);
    assert_true(dv_tail_beta_binomial(500001, 1000000, 0.5, 0.2) >= 0.49); /* cut short, and not too small */
}

/* By the definition: q of the i-th smallest p is the least p(j) * n / j over all j >= i. */
static void test_false_discovery(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, 4);
    for (unsigned round = 0; round < 200; round++) {
        double p[40], q[40];
        uint32_t order[40];
        uint32_t count = 1 + (uint32_t)dv_random_below(&random, 40);
        for (uint32_t i = 0; i < count; i++)
            p[i] = dv_random_below(&random, 3) == 0 ? 0.01 : dv_random_unit(&random);
        dv_false_discovery(p, q, order, count);
        for (uint32_t i = 0; i < count; i++) {
            double least = 1;
            for (uint32_t j = 0; j < count; j++) {
                uint32_t rank = 0;
                for (uint32_t k = 0; k < count; k++)
                    rank += p[k] <= p[j];
                if (p[j] >= p[i])
                    least = fmin(least, p[j] * count / rank);
            }
            near(q[i], least, "q", i);
        }
    }
}

static void test_median_and_index(void **state)
{
    (void)state;
    double odd[] = { 9, 1, 4 };
    double even[] = { 8, 2, 4, 6 };
    const double before[] = { 0.5, 0.5 };
    const double now[] = { 0.75, 0.25 };
    assert_true(dv_median(odd, 3) == 4 && dv_median(even, 4) == 5 && isnan(dv_median(even, 0)));
    near(dv_stability_index(before, now, 2), 0.25 * log(3), "index", 0); /* .25 ln 1.5 - .25 ln .5 */
    assert_true(dv_stability_index(before, before, 2) == 0);
}

static struct dv_arena arena;

static struct dv_baseline begin(int season, uint32_t history, uint32_t learn)
{
    struct dv_baseline baseline = { .slots = 0 };
    const struct dv_baseline_plan plan = { season, history, learn, 2 };
    dv_arena_free(&arena);
    dv_arena_init(&arena, dv_baseline_bytes(&plan) + 65536);
    assert_int_equal(dv_baseline_init(&baseline, &plan, &arena), DV_OK);
    return baseline;
}

/* Two windows an hour: an hour is compared with the same hour of other days, and never with itself. */
static void test_hours_of_the_day(void **state)
{
    (void)state;
    struct dv_baseline baseline = begin(DV_SEASON_DAY, 5, 3);
    for (int64_t day = 0; day < 6; day++) {
        for (int64_t hour = 0; hour < 24; hour++) {
            for (int64_t half = 0; half < 2; half++) {
                dv_baseline_window(&baseline, day * DAY + hour * HOUR + half * HOUR / 2);
                double usual = dv_baseline_usual(&baseline, 0);
                assert_true(day < 3 ? isnan(usual) : usual == (double)(100 * hour + 1)); /* one wild day does not move it */
                dv_baseline_learn(&baseline, 0, day == 1 ? 1e6 : (double)(100 * hour + 2 * half));
            }
        }
    }
    dv_baseline_window(&baseline, 6 * (int64_t)DAY);
    assert_int_equal(dv_baseline_windows(&baseline), 10);
}

static void test_hours_of_the_week(void **state)
{
    (void)state;
    struct dv_baseline baseline = begin(DV_SEASON_WEEK, 4, 3);
    for (int64_t day = 0; day < 28; day++) {
        dv_baseline_window(&baseline, day * DAY);
        double usual = dv_baseline_usual(&baseline, 0);
        assert_true(day < 21 ? isnan(usual) : usual == (double)(day % 7));
        assert_int_equal(baseline.slot, (day + 3) % 7 * 24); /* the first of January 1970 was a Thursday */
        dv_baseline_learn(&baseline, 0, (double)(day % 7));
    }
}

static void test_windows_without_season(void **state)
{
    (void)state;
    struct dv_baseline baseline = begin(DV_SEASON_NONE, 5, 3);
    for (int i = 0; i < 20; i++) {
        dv_baseline_window(&baseline, 1000 * i);
        double usual = dv_baseline_usual(&baseline, 0);
        assert_true(i < 3 ? isnan(usual) : i < 5 || usual == i - 3); /* the middle of the last five */
        dv_baseline_learn(&baseline, 0, i);
        dv_baseline_deviates(&baseline, 0, i % 2 == 0 ? -i : i);
        double deviation = dv_baseline_deviation(&baseline, 0);
        assert_true(i + 1 < DV_BASELINE_DEVIATIONS_MIN ? isnan(deviation) : deviation == i / 2.0);
    }
    assert_true(isnan(dv_baseline_usual(&baseline, 1)));
    dv_baseline_copy(&baseline, 1, 0);
    dv_baseline_window(&baseline, 20000);
    assert_true(dv_baseline_usual(&baseline, 1) == 17);
    dv_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_tails_of_anything),
        cmocka_unit_test(test_false_discovery),
        cmocka_unit_test(test_median_and_index),
        cmocka_unit_test(test_hours_of_the_day),
        cmocka_unit_test(test_hours_of_the_week),
        cmocka_unit_test(test_windows_without_season),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
