/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_dp_attack.c - an attacker who knows every record but one asks whether that one is there.
 *
 * He sees an answer about all of the data with the person and about all without, many times each, and draws a line
 * wherever it serves him best. The logarithm of how much more often the answer lies beyond the line in one of the two
 * worlds is the ε that he has shown, less five standard deviations so that luck does not count. It must stay below the
 * ε that is stated; and the same attack on a mechanism that adds too little noise must come out above.
 *
 * shows: PRV-1 PRV-6 X4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "engine/random.h"
#include "privacy/dp.h"

enum { ASKED = 100000, PEOPLE = 40, LINES = 401, RARE = 200 };

/* One answer about everybody, as an integer from -200 to 200. */
typedef int64_t (*mechanism)(bool there, int64_t epsilon_nano);

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

/* ---- the mechanisms, each with the person it protects worst ---- */

static int64_t ask_count(bool there, int64_t epsilon_nano)
{
    int64_t answer = 0;
    assert_int_equal(dv_dp_laplace(&noise, PEOPLE + there, 1, epsilon_nano, &answer), DV_OK);
    return answer;
}

/* Three records of one person: no more may count than `contributions` says. */
static int64_t ask_three(bool there, int64_t epsilon_nano)
{
    int64_t answer = 0;
    int64_t bin = PEOPLE + 3 * there;
    assert_int_equal(dv_dp_histogram(&noise, &bin, 1, 3, epsilon_nano, &answer), DV_OK);
    return answer;
}

static int64_t ask_sum(bool there, int64_t epsilon_nano)
{
    struct dv_dp_range range;
    double answer = 0;
    assert_true(dv_dp_range(0, 10, &range));
    int64_t steps = PEOPLE * dv_dp_steps(&range, 1) + (there ? dv_dp_steps(&range, 1e9) : 0);
    assert_int_equal(dv_dp_sum(&noise, &range, steps, 1, epsilon_nano, &answer), DV_OK);
    return (int64_t)floor(answer);
}

static int64_t ask_mean(bool there, int64_t epsilon_nano)
{
    struct dv_dp_range range;
    double answer = 0;
    assert_true(dv_dp_range(0, 100, &range));
    int64_t steps = PEOPLE * dv_dp_steps(&range, 10) + (there ? dv_dp_steps(&range, 100) : 0);
    assert_int_equal(dv_dp_mean(&noise, &range, steps, PEOPLE + there, 1, epsilon_nano, &answer), DV_OK);
    return (int64_t)floor(answer);
}

static int64_t ask_median(bool there, int64_t epsilon_nano)
{
    const int64_t bins[] = { PEOPLE / 2, PEOPLE / 2 + there };
    uint32_t answer = 0;
    assert_int_equal(dv_dp_quantile(&noise, bins, 2, (struct dv_ratio){ 1, 2 }, 1, epsilon_nano, &answer), DV_OK);
    return answer;
}

/* ---- the attack ---- */

/* The least that ln(with / without) can be, by five standard deviations each; rare events tell nothing. */
static double shown(double with, double without)
{
    if (with < RARE || without < RARE)
        return 0;
    return log(with / without) - 5 * (sqrt(1 / with - 1.0 / ASKED) + sqrt(1 / without - 1.0 / ASKED));
}

static double attack(mechanism ask, int64_t epsilon_nano)
{
    static double answers[2][LINES];
    double best = 0;
    double beyond[2] = { 0 };
    memset(answers, 0, sizeof answers);
    for (int there = 0; there < 2; there++)
        for (int i = 0; i < ASKED; i++) {
            int64_t answer = ask(there == 1, epsilon_nano) + LINES / 2;
            answers[there][answer < 0 ? 0 : answer >= LINES ? LINES - 1 : answer]++;
        }
    for (int line = 0; line < LINES - 1; line++) {
        beyond[0] += answers[0][line];
        beyond[1] += answers[1][line];
        best = fmax(best, shown(beyond[0], beyond[1]));
        best = fmax(best, shown(beyond[1], beyond[0]));
        best = fmax(best, shown(ASKED - beyond[0], ASKED - beyond[1]));
        best = fmax(best, shown(ASKED - beyond[1], ASKED - beyond[0]));
    }
    return best;
}

/* `careless`: how many times too large an ε the control uses; more for mechanisms that are better than they state. */
static void judge(const char *name, mechanism ask, double careless)
{
    static const int64_t stated[] = { 100000000, 500000000, 1000000000, 2000000000 };
    for (size_t i = 0; i < sizeof stated / sizeof stated[0]; i++) {
        double epsilon = (double)stated[i] / DV_DP_NANO;
        double honest = attack(ask, stated[i]);
        double control = attack(ask, (int64_t)((double)stated[i] * careless));
        printf("  %s: stated %g, shown %.3f, by %g times too little noise %.3f\n", name, epsilon, honest, careless, control);
        assert_true(honest <= epsilon);
        assert_true(control > epsilon);
    }
}

static void test_counts(void **state)
{
    (void)state;
    judge("count", ask_count, 1.5);
    judge("three records", ask_three, 1.5);
}

static void test_sums(void **state)
{
    (void)state;
    judge("sum", ask_sum, 1.5);
}

static void test_means(void **state)
{
    (void)state;
    judge("mean", ask_mean, 4);
}

static void test_medians(void **state)
{
    (void)state;
    judge("median", ask_median, 3);
}

static int seed(void **state)
{
    (void)state;
    dv_random_seed(&generator, 30);
    dv_noise_init_with(&noise, fill_seeded, &generator);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_means),
        cmocka_unit_test(test_medians),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
