/* SPDX-License-Identifier: Apache-2.0
 * test_operators_sketch.c - quantiles within the error that is promised, in the memory that is promised.
 * shows: UI-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "engine/random.h"
#include "operators/aggregate_sketch.h"

enum { COUNT = 20000 };

static double values[COUNT];

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Every quantile of the sorted values within `error` of the value at its rank. */
static void within(const struct dv_sketch *sketch, size_t count, double error)
{
    qsort(values, count, sizeof values[0], by_value);
    for (double q = 0; q <= 1; q += 0.01) {
        double exact = values[(size_t)(q * (double)(count - 1))];
        double answer = dv_sketch_quantile(sketch, q);
        if (fabs(answer - exact) > error * fabs(exact) + 1e-9)
            fail_msg("quantile %g: %g is not within %g of %g", q, answer, error, exact);
    }
    assert_int_equal(sketch->count, count);
    assert_true(sketch->used <= DV_SKETCH_BUCKETS);
}

static void fill(struct dv_sketch *sketch, double from, double to, uint64_t seed)
{
    struct dv_random random;
    dv_random_seed(&random, seed);
    *sketch = (struct dv_sketch){ 0 };
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = from * pow(to / from, dv_random_unit(&random));
        dv_sketch_add(sketch, values[i]);
    }
}

static void test_ages(void **state)
{
    (void)state;
    static struct dv_sketch sketch;
    struct dv_random random;
    dv_random_seed(&random, 1);
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (double)dv_random_below(&random, 131);
        dv_sketch_add(&sketch, values[i]);
    }
    within(&sketch, COUNT, 0.01);
    assert_int_equal(sketch.merges, 0);
}

static void test_error_by_spread(void **state)
{
    (void)state;
    static struct dv_sketch sketch;
    fill(&sketch, 1, 160, 2);
    within(&sketch, COUNT, 0.01);
    fill(&sketch, 0.5, 13000, 3);
    within(&sketch, COUNT, 0.02);
    fill(&sketch, 1e-3, 7e5, 4);
    within(&sketch, COUNT, 0.04);
    fill(&sketch, 1e-8, 1e300, 5);
    assert_true(sketch.used <= DV_SKETCH_BUCKETS);
}

static void test_both_signs(void **state)
{
    (void)state;
    static struct dv_sketch sketch;
    struct dv_random random;
    dv_random_seed(&random, 6);
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (double)dv_random_below(&random, 21) - 10;
        dv_sketch_add(&sketch, values[i]);
    }
    within(&sketch, COUNT, 0.01);
}

static void test_merge(void **state)
{
    (void)state;
    static struct dv_sketch fine, coarse, both;
    double kept[COUNT / 2];
    fill(&coarse, 1e-3, 7e5, 7);
    coarse = (struct dv_sketch){ 0 };
    for (size_t i = 0; i < COUNT / 2; i++)
        dv_sketch_add(&coarse, values[i]);
    memcpy(kept, values, sizeof kept);
    fill(&fine, 10, 20, 8);
    fine = (struct dv_sketch){ 0 };
    for (size_t i = COUNT / 2; i < COUNT; i++)
        dv_sketch_add(&fine, values[i]);
    memcpy(values, kept, sizeof kept);
    both = fine;
    dv_sketch_merge(&both, &coarse);
    within(&both, COUNT, 0.04);
    dv_sketch_merge(&coarse, &fine);
    within(&coarse, COUNT, 0.04);
}

static void test_merge_that_overflows(void **state)
{
    (void)state;
    static struct dv_sketch low, high;
    for (size_t i = 0; i < COUNT / 2; i++) {
        values[i] = pow(150, (double)i / (COUNT / 2));
        values[COUNT / 2 + i] = values[i] * 1e4;
        dv_sketch_add(&low, values[i]);
        dv_sketch_add(&high, values[COUNT / 2 + i]);
    }
    assert_int_equal(low.merges + high.merges, 0);
    dv_sketch_merge(&low, &high);
    assert_true(low.merges > 0);
    within(&low, COUNT, 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ages),  cmocka_unit_test(test_error_by_spread),      cmocka_unit_test(test_both_signs),
        cmocka_unit_test(test_merge), cmocka_unit_test(test_merge_that_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
