/* SPDX-License-Identifier: Apache-2.0
 * test_operators_noise.c - numbers leave with noise: of the stated width, for every record, and an attacker who tries to
 * tell the lowest value from the highest shows no more than the stated ε.
 * shows: PRV-1 PRV-2 X4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "tests/unit/operators_world.h"

enum { RECORDS = 12000 };

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nfields:\n"
               "  age: { type: int, class: quasi-id, min: 0, max: 100 }\n"
               "  cost: { type: float, class: sensitive, min: 0, max: 50 }\n"
               "  wide: { type: int, class: sensitive, min: 0, max: 9007199254740992 }\n"
               "  kept: { type: int, class: public, required: true, min: 0, max: 9 }\n");
    return 0;
}

/* The graph with noise on `columns`. */
static void load(struct world *world, const char *columns, const char *epsilon)
{
    char nodes[512];
    (void)snprintf(nodes, sizeof nodes,
                   "  in: { op: source, from: text, schema: visit }\n"
                   "  n: { op: noise, after: in, columns: [%s], epsilon: %s }\n"
                   "  out: { op: lines, after: n }\n",
                   columns, epsilon);
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
}

/* Runs the same `count` lines again and again until there were RECORDS, in paragraphs of a hundred. */
static const char *run_many(struct world *world, const char *lines, int count)
{
    size_t length = strlen(lines);
    char *input = malloc((length + 2) * RECORDS + 1);
    char *at = input;
    assert_non_null(input);
    for (int i = 0; i < RECORDS; i += count)
        at += sprintf(at, "%s\n%s", lines, i % 100 == 100 - count ? "\n" : "");
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    free(input);
    return output;
}

/* The values of `key` in the output, in order; exactly one for each record. */
static double *values_of(const char *output, const char *key)
{
    double *values = malloc(sizeof *values * RECORDS);
    int count = 0;
    assert_non_null(values);
    for (const char *at = strstr(output, key); at != NULL; at = strstr(at, key)) {
        at += strlen(key);
        assert_true(count < RECORDS);
        values[count++] = strtod(at, NULL);
    }
    assert_int_equal(count, RECORDS);
    return values;
}

static void mean_and_spread(const double *values, double *ret_mean, double *ret_spread)
{
    double sum = 0;
    double distances = 0;
    for (int i = 0; i < RECORDS; i++)
        sum += values[i];
    *ret_mean = sum / RECORDS;
    for (int i = 0; i < RECORDS; i++)
        distances += fabs(values[i] - *ret_mean);
    *ret_spread = distances / RECORDS;
}

/* Two columns share ε = 2: a range of 100 gets noise of mean size 100, one of 50 gets 50. */
static void test_width_and_label(void **state)
{
    struct world *world = *state;
    double mean = 0;
    double spread = 0;
    load(world, "age, cost", "2");
    const char *output = run_many(world, "{\"age\":40,\"cost\":12.5,\"kept\":7}", 1);
    double *ages = values_of(output, "\"age\":");
    mean_and_spread(ages, &mean, &spread);
    assert_true(fabs(mean - 40) < 7 && fabs(spread - 100) < 7);
    double *costs = values_of(output, "\"cost\":");
    mean_and_spread(costs, &mean, &spread);
    assert_true(fabs(mean - 12.5) < 3.5 && fabs(spread - 50) < 3.5);
    double *kept = values_of(output, "\"kept\":");
    for (int i = 0; i < RECORDS; i++)
        assert_true(kept[i] == 7);
    assert_string_equal(world_label(world, "out", "age"), "quasi-id, noised(2)");
    assert_string_equal(world_label(world, "out", "cost"), "sensitive, noised(2)");
    assert_string_equal(world_label(world, "out", "kept"), "public, plain");
    free(ages), free(costs), free(kept);
}

/* What is missing must not be seen to be missing: it is the middle, with noise. */
static void test_missing_counts_as_the_middle(void **state)
{
    struct world *world = *state;
    double mean = 0;
    double spread = 0;
    load(world, "age", "10");
    double *ages = values_of(run_many(world, "{\"kept\":1}", 1), "\"age\":");
    mean_and_spread(ages, &mean, &spread);
    assert_true(fabs(mean - 50) < 1 && fabs(spread - 10) < 1);
    free(ages);
}

/* Half of the records have the lowest age, half the highest. The attacker says "lowest" below a line at the low end,
 * which is the best he can do; what he has shown is the logarithm of how much more often that is right, less luck. */
static double attack(struct world *world, const char *epsilon)
{
    double low = 0;
    double high = 0;
    load(world, "age", epsilon);
    double *ages = values_of(run_many(world, "{\"age\":0,\"kept\":1}\n{\"age\":100,\"kept\":1}", 2), "\"age\":");
    for (int i = 0; i < RECORDS; i += 2) {
        low += ages[i] < 0.5;
        high += ages[i + 1] < 0.5;
    }
    free(ages);
    double shown = log(low / high) - 5 * (sqrt(1 / low) + sqrt(1 / high));
    printf("  epsilon %s: shown %.3f\n", epsilon, shown);
    return shown;
}

static void test_attack(void **state)
{
    double shown = attack(*state, "1");
    assert_true(shown > 0.5 && shown <= 1);
}

/* The control: with half of the noise he shows more than 1. */
static void test_attack_on_too_little_noise(void **state)
{
    double shown = attack(*state, "2");
    assert_true(shown > 1 && shown <= 2);
}

static void test_range_too_wide(void **state)
{
    struct world *world = *state;
    assert_false(world_load(world, "  in: { op: source, from: text, schema: visit }\n"
                                   "  n: { op: noise, after: in, columns: [wide], epsilon: 1 }\n"
                                   "  out: { op: lines, after: n }\n"));
    assert_non_null(strstr(world->findings, "C182"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_width_and_label, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_missing_counts_as_the_middle, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_attack, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_attack_on_too_little_noise, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_range_too_wide, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
