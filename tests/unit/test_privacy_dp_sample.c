/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_dp_sample.c - the samplers' distributions against the exact ones: chi-squared, Kolmogorov and Smirnov,
 * signs, coins; and two wrong samplers that the same tests find. Seeds are fixed; of a right sampler a test fails with a
 * probability of one in a million, of a wrong one it says here at which scales it cannot pass.
 *
 * shows: PRV-1 X4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "engine/random.h"
#include "privacy/dp_sample.h"

enum { DRAWS = 200000, REACH = 4000, CELLS = 2 * REACH + 1, EXPECTED_MIN = 20 };

typedef int64_t (*sampler)(struct dv_noise *noise, struct dv_ratio parameter);

static bool fill_seeded(void *data, uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += 8) {
        uint64_t drawn = dv_random_u64(data);
        memcpy(bytes + at, &drawn, 8);
    }
    return true;
}

static bool fill_never(void *data, uint8_t *bytes, size_t length)
{
    (void)data, (void)bytes, (void)length;
    return false;
}

static struct dv_random generator;
static struct dv_noise noise;
static double exact[CELLS]; /* probabilities of -REACH .. REACH */
static uint32_t seen[CELLS];

static void seed(uint64_t number)
{
    dv_random_seed(&generator, number);
    dv_noise_init_with(&noise, fill_seeded, &generator);
}

/* ---- the samplers, right and wrong ---- */

static int64_t laplace(struct dv_noise *from, struct dv_ratio scale)
{
    int64_t drawn = 0;
    assert_int_equal(dv_noise_laplace(from, scale, &drawn), DV_OK);
    return drawn;
}

static int64_t gaussian(struct dv_noise *from, struct dv_ratio variance)
{
    int64_t drawn = 0;
    assert_int_equal(dv_noise_gaussian(from, variance, &drawn), DV_OK);
    return drawn;
}

/* Wrong: a continuous Laplace of doubles, rounded. */
static int64_t rounded_laplace(struct dv_noise *from, struct dv_ratio scale)
{
    dv_wide drawn = 0;
    assert_int_equal(dv_noise_below(from, (dv_wide)1 << 53, &drawn), DV_OK);
    double half = ((double)drawn + 0.5) * 0x1p-53 - 0.5;
    double size = -log(1 - 2 * fabs(half)) * (double)scale.over / (double)scale.under;
    return llround(copysign(fmin(size, REACH), half));
}

/* Wrong: the scale is one too large. */
static int64_t wide_laplace(struct dv_noise *from, struct dv_ratio scale)
{
    return laplace(from, (struct dv_ratio){ scale.over + scale.under, scale.under });
}

/* Wrong: zero counts with both signs. */
static int64_t two_zeros_laplace(struct dv_noise *from, struct dv_ratio scale)
{
    dv_wide sign = 0;
    int64_t drawn = laplace(from, scale);
    assert_int_equal(dv_noise_below(from, 2, &sign), DV_OK);
    while (drawn < 0)
        drawn = laplace(from, scale);
    return sign != 0 ? -drawn : drawn;
}

static int64_t rounded_gaussian(struct dv_noise *from, struct dv_ratio variance)
{
    dv_wide a = 0;
    dv_wide b = 0;
    assert_int_equal(dv_noise_below(from, (dv_wide)1 << 53, &a), DV_OK);
    assert_int_equal(dv_noise_below(from, (dv_wide)1 << 53, &b), DV_OK);
    double radius = sqrt(-2 * log(((double)a + 1) * 0x1p-53) * (double)variance.over / (double)variance.under);
    return llround(radius * cos(2 * 3.14159265358979323846 * (double)b * 0x1p-53));
}

/* ---- the exact distributions, and the tests ---- */

static void weigh(bool is_gaussian, struct dv_ratio parameter)
{
    double width = (double)parameter.over / (double)parameter.under;
    double sum = 0;
    for (int i = 0; i < CELLS; i++) {
        double x = i - REACH;
        exact[i] = is_gaussian ? exp(-x * x / (2 * width)) : exp(-fabs(x) / width);
        sum += exact[i];
    }
    for (int i = 0; i < CELLS; i++)
        exact[i] /= sum;
}

static void draw(sampler sample, struct dv_ratio parameter)
{
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < DRAWS; i++) {
        int64_t drawn = sample(&noise, parameter);
        drawn = drawn < -REACH ? -REACH : drawn > REACH ? REACH : drawn;
        seen[drawn + REACH]++;
    }
}

/* Chi-squared over cells that are joined until each expects some; as a distance in standard deviations (Wilson and
 * Hilferty 1931), which a right sampler brings above 4.75 once in a million. */
static double chi_squared(void)
{
    double sum = 0;
    double expected = 0;
    double counted = 0;
    double rest = 1;
    int freedom = -1;
    for (int i = 0; i < CELLS; i++) {
        expected += exact[i] * DRAWS;
        counted += seen[i];
        rest -= exact[i];
        if ((expected < EXPECTED_MIN || rest * DRAWS < EXPECTED_MIN) && i < CELLS - 1)
            continue;
        sum += (counted - expected) * (counted - expected) / expected;
        expected = counted = 0;
        freedom++;
    }
    assert_true(freedom > 0);
    double part = 2.0 / (9.0 * freedom);
    return (cbrt(sum / freedom) - (1 - part)) / sqrt(part);
}

/* The greatest distance of the two distributions times √n; above 2.7 once in a million (less for steps). */
static double kolmogorov(void)
{
    double greatest = 0;
    double difference = 0;
    for (int i = 0; i < CELLS; i++) {
        difference += (double)seen[i] / DRAWS - exact[i];
        greatest = fmax(greatest, fabs(difference));
    }
    return greatest * sqrt(DRAWS);
}

/* Positive less negative, in standard deviations. */
static double skew(void)
{
    double difference = 0;
    double both = 0;
    for (int i = 0; i < REACH; i++) {
        difference += (double)seen[CELLS - 1 - i] - seen[i];
        both += (double)seen[CELLS - 1 - i] + seen[i];
    }
    return difference / sqrt(both);
}

static bool passes(bool is_gaussian, sampler sample, struct dv_ratio parameter)
{
    weigh(is_gaussian, parameter);
    draw(sample, parameter);
    double chi = chi_squared();
    double distance = kolmogorov();
    double sign = skew();
    printf("  %s %llu/%llu: chi-squared %+.2f, Kolmogorov %.2f, skew %+.2f\n", is_gaussian ? "gaussian" : "laplace",
           (unsigned long long)parameter.over, (unsigned long long)parameter.under, chi, distance, sign);
    return chi < 4.75 && distance < 2.7 && fabs(sign) < 4.9;
}

static void test_laplace(void **state)
{
    (void)state;
    static const struct dv_ratio scales[] = { { 1, 3 }, { 1, 1 }, { 10, 3 }, { 20, 1 }, { 1000000000, 7000000 } };
    seed(1);
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++)
        assert_true(passes(false, laplace, scales[i]));
}

static void test_gaussian(void **state)
{
    (void)state;
    static const struct dv_ratio variances[] = { { 1, 4 }, { 1, 1 }, { 29, 3 }, { 400, 1 }, { 15000001, 1000 } };
    seed(2);
    for (size_t i = 0; i < sizeof variances / sizeof variances[0]; i++)
        assert_true(passes(true, gaussian, variances[i]));
}

static void test_wrong_samplers_are_found(void **state)
{
    (void)state;
    static const struct dv_ratio scales[] = { { 1, 3 }, { 1, 1 }, { 10, 3 }, { 20, 1 } };
    seed(3);
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        assert_false(passes(false, wide_laplace, scales[i]));
        assert_false(passes(false, two_zeros_laplace, scales[i]));
    }
    for (size_t i = 0; i < 2; i++) /* further out the two are the same to one part in hundreds */
        assert_false(passes(false, rounded_laplace, scales[i]));
    assert_false(passes(true, rounded_gaussian, (struct dv_ratio){ 1, 4 }));
    assert_false(passes(true, gaussian, (struct dv_ratio){ 1, 4 }) && passes(true, laplace, (struct dv_ratio){ 1, 1 }));
}

/* ---- coins and integers ---- */

static void test_coins(void **state)
{
    (void)state;
    static const struct dv_ratio rates[] = { { 0, 1 }, { 1, 1000 }, { 1, 3 }, { 2, 3 }, { 1, 1 }, { 7, 3 }, { 5, 1 } };
    seed(4);
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        int heads = 0;
        for (int drawn = 0; drawn < DRAWS; drawn++) {
            bool head = false;
            assert_int_equal(dv_noise_exp(&noise, rates[i].over, rates[i].under, &head), DV_OK);
            heads += head;
        }
        double p = exp(-(double)rates[i].over / (double)rates[i].under);
        double deviation = sqrt(DRAWS * p * (1 - p));
        assert_true(fabs(heads - DRAWS * p) <= 4.9 * deviation);
        if (p < 1) /* a series cut one term early would be seen */
            assert_true(fabs(heads - DRAWS * (p + 0.01)) > 4.9 * deviation);
    }
}

static void test_below(void **state)
{
    (void)state;
    seed(5);
    int counts[7] = { 0 };
    dv_wide drawn = 0;
    for (int i = 0; i < 70000; i++) {
        assert_int_equal(dv_noise_below(&noise, 7, &drawn), DV_OK);
        counts[(int)drawn]++;
    }
    for (int i = 0; i < 7; i++)
        assert_true(abs(counts[i] - 10000) < 4.9 * sqrt(70000.0 * 6 / 49));
    assert_int_equal(dv_noise_below(&noise, 1, &drawn), DV_OK);
    assert_true(drawn == 0);
    dv_wide bound = ((dv_wide)5 << 100) + 3;
    dv_wide greatest = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(dv_noise_below(&noise, bound, &drawn), DV_OK);
        assert_true(drawn < bound);
        greatest = drawn > greatest ? drawn : greatest;
    }
    assert_true(greatest > bound / 100 * 98);
}

/* ---- bounds and failures ---- */

static void test_limits(void **state)
{
    (void)state;
    seed(6);
    int64_t drawn = 77;
    static const struct dv_ratio no_scales[] = {
        { 0, 1 }, { 1, 0 }, { (uint64_t)1 << 62, 1 << 20 }, { (uint64_t)1 << 48, 1 }, { UINT64_MAX, UINT64_MAX },
    };
    for (size_t i = 0; i < sizeof no_scales / sizeof no_scales[0]; i++)
        assert_int_equal(dv_noise_laplace(&noise, no_scales[i], &drawn), DV_E_LIMIT);
    static const struct dv_ratio no_variances[] = {
        { 0, 1 }, { 1, 0 }, { (uint64_t)1 << 52, 1 }, { 1, (uint64_t)1 << 52 }, { (uint64_t)1 << 51, (uint64_t)1 << 51 },
    };
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(dv_noise_gaussian(&noise, no_variances[i], &drawn), DV_E_LIMIT);
    assert_int_equal(drawn, 77);
    for (int i = 0; i < 200; i++) { /* the widest there are: products stay within their room */
        assert_int_equal(dv_noise_laplace(&noise, (struct dv_ratio){ ((uint64_t)1 << 62) - 1, 1 << 14 }, &drawn), DV_OK);
        assert_true(drawn > -((int64_t)1 << 58) && drawn < (int64_t)1 << 58);
        assert_int_equal(dv_noise_gaussian(&noise, (struct dv_ratio){ ((uint64_t)1 << 52) - 1, 1 }, &drawn), DV_OK);
        assert_true(drawn > -((int64_t)1 << 31) && drawn < (int64_t)1 << 31);
        assert_int_equal(dv_noise_gaussian(&noise, (struct dv_ratio){ 1, (uint64_t)1 << 51 }, &drawn), DV_OK);
        assert_int_equal(drawn, 0);
    }
}

static void test_without_bits_nothing_is_drawn(void **state)
{
    (void)state;
    bool head = true;
    dv_wide integer = 77;
    int64_t drawn = 77;
    dv_noise_init_with(&noise, fill_never, NULL);
    assert_int_equal(dv_noise_below(&noise, 10, &integer), DV_E_FAILED);
    assert_int_equal(dv_noise_exp(&noise, 1, 2, &head), DV_E_FAILED);
    assert_int_equal(dv_noise_laplace(&noise, (struct dv_ratio){ 10, 1 }, &drawn), DV_E_FAILED);
    assert_int_equal(dv_noise_gaussian(&noise, (struct dv_ratio){ 10, 1 }, &drawn), DV_E_FAILED);
    assert_true(head && integer == 77 && drawn == 77);
}

static bool fill_same(void *data, uint8_t *bytes, size_t length)
{
    memset(bytes, *(const int *)data, length);
    return true;
}

/* A broken source must not keep the program busy for ever: every loop ends. */
static void test_a_stuck_source_ends(void **state)
{
    (void)state;
    for (int byte = 0; byte <= 255; byte += 51) {
        int64_t drawn = 0;
        dv_noise_init_with(&noise, fill_same, &byte);
        (void)!dv_noise_laplace(&noise, (struct dv_ratio){ 1000, 7 }, &drawn);
        dv_noise_init_with(&noise, fill_same, &byte);
        (void)!dv_noise_gaussian(&noise, (struct dv_ratio){ 1000, 7 }, &drawn);
    }
}

static void test_used_bits_are_wiped(void **state)
{
    (void)state;
    int64_t drawn = 0;
    seed(7);
    for (int i = 0; i < 20; i++)
        assert_int_equal(dv_noise_laplace(&noise, (struct dv_ratio){ 10, 1 }, &drawn), DV_OK);
    assert_true(noise.left < sizeof noise.bytes && noise.left > 0);
    for (size_t i = 0; i < sizeof noise.bytes - noise.left; i++)
        assert_int_equal(noise.bytes[i], 0);
    dv_noise_wipe(&noise);
    for (size_t i = 0; i < sizeof noise.bytes; i++)
        assert_int_equal(noise.bytes[i], 0);
}

/* The real source: two of them do not agree, and their noise has the right spread. */
static void test_the_real_source(void **state)
{
    (void)state;
    static struct dv_noise one, two;
    dv_noise_init(&one);
    dv_noise_init(&two);
    int same = 0;
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t a = laplace(&one, (struct dv_ratio){ 100, 1 });
        same += a == laplace(&two, (struct dv_ratio){ 100, 1 });
        sum += (double)(a < 0 ? -a : a);
    }
    assert_true(same < 100);
    assert_true(fabs(sum / 10000 - 100) < 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laplace),
        cmocka_unit_test(test_gaussian),
        cmocka_unit_test(test_wrong_samplers_are_found),
        cmocka_unit_test(test_coins),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_without_bits_nothing_is_drawn),
        cmocka_unit_test(test_a_stuck_source_ends),
        cmocka_unit_test(test_used_bits_are_wiped),
        cmocka_unit_test(test_the_real_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
