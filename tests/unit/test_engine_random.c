/* SPDX-License-Identifier: Apache-2.0
 * test_engine_random.c - the generator against published numbers, and the evenness of what is made of them.
 *
 * shows: MIS-8 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/random.h"

static void seeds_through_splitmix64(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, 1234567);
    assert_true(random.state[0] == 6457827717110365317u);
    assert_true(random.state[1] == 3203168211198807973u);
    assert_true(random.state[2] == 9817491932198370423u);
    assert_true(random.state[3] == 4593380528125082431u);
}

static void follows_xoshiro256(void **state)
{
    (void)state;
    static const uint64_t published[] = { 11520,
                                          0,
                                          1509978240,
                                          1215971899390074240,
                                          1216172134540287360,
                                          607988272756665600,
                                          16172922978634559625u,
                                          8476171486693032832u };
    struct dv_random random = { { 1, 2, 3, 4 } };
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        assert_true(dv_random_u64(&random) == published[i]);
}

static void spreads_evenly_below_a_bound(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, 3);
    for (uint64_t bound = 1; bound <= 17; bound++) {
        enum { ROUNDS = 20000 };
        int counts[17] = { 0 };
        for (int i = 0; i < ROUNDS; i++) {
            uint64_t drawn = dv_random_below(&random, bound);
            assert_true(drawn < bound);
            counts[drawn]++;
        }
        for (uint64_t i = 0; i < bound; i++)
            assert_in_range(counts[i], ROUNDS / bound * 8 / 10, ROUNDS / bound * 12 / 10);
    }
}

/* A bound that takes up two thirds of all numbers: a plain remainder would draw its lower half twice as often. */
static void has_no_bias(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, 4);
    const uint64_t bound = UINT64_MAX / 3 * 2;
    int low = 0;
    for (int i = 0; i < 100000; i++)
        low += dv_random_below(&random, bound) < bound / 2;
    assert_in_range(low, 49000, 51000);
}

static void draws_units_and_chances(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, 5);
    double sum = 0;
    int hits = 0;
    for (int i = 0; i < 100000; i++) {
        double unit = dv_random_unit(&random);
        assert_true(unit >= 0 && unit < 1);
        sum += unit;
        hits += dv_random_chance(&random, 30);
        assert_false(dv_random_chance(&random, 0));
        assert_true(dv_random_chance(&random, 100));
    }
    assert_in_range((int)(sum / 1000), 49, 50);
    assert_in_range(hits, 29500, 30500);
}

static void same_seed_same_numbers(void **state)
{
    (void)state;
    struct dv_random one;
    struct dv_random two;
    struct dv_random other;
    dv_random_seed(&one, 9);
    dv_random_seed(&two, 9);
    dv_random_seed(&other, 10);
    int equal = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t drawn = dv_random_u64(&one);
        assert_true(drawn == dv_random_u64(&two));
        equal += drawn == dv_random_u64(&other);
    }
    assert_int_equal(equal, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_through_splitmix64),     cmocka_unit_test(follows_xoshiro256),
        cmocka_unit_test(spreads_evenly_below_a_bound), cmocka_unit_test(has_no_bias),
        cmocka_unit_test(draws_units_and_chances),      cmocka_unit_test(same_seed_same_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
