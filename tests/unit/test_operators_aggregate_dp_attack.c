/* SPDX-License-Identifier: Apache-2.0
 * test_operators_aggregate_dp_attack.c - an attacker who knows every record but one person's reads what the operator emits.
 *
 * He guesses "there" when an answer passes a line, which he drew on half of the answers; on the other half it is counted how
 * often he is right and how often he cries wolf. ln(right / wolf), each by its Clopper-Pearson bound of 1 in 10,000 on the
 * side that flatters him least, is the ε he has shown. It must stay below the stated one, and near it, since an attack that
 * finds nothing shows nothing; on groups of k without noise, the control, he wins.
 *
 * shows: PRV-1 PRV-6 X4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "engine/random.h"
#include "tests/unit/operators_world.h"

enum { WARDS = 250, ROUNDS = 80, /* half of them unless DATAVAULT_LONG=1 */ TRIALS = WARDS * ROUNDS, FULL_ROUNDS = 5000, SPREAD = 200, INPUT = 1 << 23 };

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/plain.yaml",
               "name: plain\nfields:\n  ward: { type: int, class: sensitive }\n");
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n  id: { type: int, class: direct-id }\n"
               "  ward: { type: int, class: sensitive }\n");
    return 0;
}

/* ---- statistics ---- */

/* The chance of at most `hits` of `all` at probability p. */
static double tail(unsigned hits, unsigned all, double p)
{
    double sum = 0;
    for (unsigned i = 0; i <= hits; i++)
        sum += exp(lgamma(all + 1.0) - lgamma(i + 1.0) - lgamma(all - i + 1.0) + i * log(p) + (all - i) * log1p(-p));
    return sum;
}

/* The greatest p at which so few hits would still come once in 10,000 times. */
static double at_most(unsigned hits, unsigned all)
{
    double low = (double)hits / all;
    double high = 1;
    if (hits == all)
        return 1;
    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;
        if (tail(hits, all, fmin(fmax(middle, 1e-12), 1 - 1e-12)) > 1e-4)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static double at_least(unsigned hits, unsigned all)
{
    return 1 - at_most(all - hits, all);
}

/* One question and its answer. */
struct trial {
    bool there;
    double answer;
};

static double rate(const struct trial *trials, unsigned from, unsigned to, double line, bool there, unsigned *ret_hits,
                   unsigned *ret_all)
{
    *ret_hits = *ret_all = 0;
    for (unsigned i = from; i < to; i++) {
        *ret_all += trials[i].there == there;
        *ret_hits += trials[i].there == there && trials[i].answer >= line;
    }
    return (*ret_hits + 0.5) / (*ret_all + 1.0);
}

static double shown_epsilon(const struct trial *trials, unsigned count)
{
    unsigned hits = 0, all = 0, wolves = 0, absent = 0;
    double line = 0;
    double best = -1;
    for (double at = -SPREAD; at < SPREAD; at++) {
        double right = rate(trials, 0, count / 2, at, true, &hits, &all);
        double wolf = rate(trials, 0, count / 2, at, false, &wolves, &absent);
        /* Rare events make a fine quotient and a wide bound. */
        double worth = log(right / wolf) - 4 * (1 / sqrt(hits + 1.0) + 1 / sqrt(wolves + 1.0));
        if (worth > best) {
            best = worth;
            line = at;
        }
    }
    (void)rate(trials, count / 2, count, line, true, &hits, &all);
    (void)rate(trials, count / 2, count, line, false, &wolves, &absent);
    return log(at_least(hits, all) / at_most(wolves, absent));
}

/* ---- the worlds ---- */

static char *input;
static size_t length;
static struct trial trials[TRIALS];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    length += (size_t)vsnprintf(input + length, INPUT - length, format, arguments);
    va_end(arguments);
    assert_true(length < INPUT);
}

/* The counts of all rows, in order. */
static unsigned read_counts(const char *output, double *ret, unsigned max)
{
    unsigned count = 0;
    for (const char *at = strstr(output, "\"count\":"); at != NULL && count < max; at = strstr(at + 1, "\"count\":"))
        ret[count++] = strtod(at + 8, NULL);
    return count;
}

static void list_wards(char *text, size_t size, unsigned wards)
{
    size_t at = 0;
    for (unsigned ward = 0; ward < wards; ward++)
        at += (size_t)snprintf(text + at, size - at, "%s%u", ward > 0 ? ", " : "", ward);
}

static void load(struct world *world, const char *schema, const char *more)
{
    static char nodes[4096];
    (void)snprintf(nodes, sizeof nodes,
                   "  in: { op: source, from: text, schema: %s }\n"
                   "  t: { op: aggregate, after: in, by: ward, window: 2s, %s }\n  out: { op: store, after: t }\n",
                   schema, more);
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
}

/* Every two seconds each ward has `others` records, and one more or not. */
static void play(struct world *world, const struct dv_random *seeded, unsigned first, unsigned rounds, unsigned others)
{
    struct dv_random random = *seeded;
    static double counts[TRIALS];
    length = 0;
    for (unsigned round = 0; round < rounds; round++) {
        say("@%u\n", 2 * round + 1);
        unsigned lines = 0;
        for (unsigned ward = 0; ward < WARDS; ward++) {
            bool there = dv_random_chance(&random, 50);
            trials[(first + round) * WARDS + ward].there = there;
            for (unsigned i = 0; i < others + (unsigned)there; i++)
                say("{\"ward\":%u}\n%s", ward, ++lines % 100 == 0 ? "\n" : "");
        }
        say("\n");
    }
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    unsigned shown = read_counts(output, counts, TRIALS);
    assert_int_equal(shown, rounds * WARDS);
    for (unsigned i = 0; i < shown; i++)
        trials[first * WARDS + i].answer = counts[i];
}

static double attack_counts(struct world *world, const char *epsilon)
{
    static char more[2048];
    static char wards[1200];
    struct dv_random random;
    list_wards(wards, sizeof wards, WARDS);
    (void)snprintf(more, sizeof more, "dp: { epsilon: %s, groups: { ward: [%s] } }", epsilon, wards);
    world_budget(world, "plain", "t", INT64_C(1000000000000));
    unsigned rounds = getenv("DATAVAULT_LONG") != NULL ? ROUNDS : ROUNDS / 2;
    for (unsigned first = 0; first < rounds; first += 20) {
        load(world, "plain", more);
        dv_random_seed(&random, 1000 + first);
        play(world, &random, first, 20, 3);
    }
    return shown_epsilon(trials, rounds * WARDS);
}

static void test_counts(void **state)
{
    static const struct {
        const char *text;
        double value;
    } stated[] = { { "1", 1 }, { "3", 3 } };
    for (size_t i = 0; i < sizeof stated / sizeof stated[0]; i++) {
        double shown = attack_counts(*state, stated[i].text);
        print_message("counts: stated %g, shown %.3f\n", stated[i].value, shown);
        assert_true(shown <= stated[i].value);
        assert_true(shown >= stated[i].value * 0.5);
    }
}

/* One round of the control, with seven or eight records in each ward. */
static void play_without_noise(struct world *world, struct dv_random *random, struct trial *round)
{
    static double counts[WARDS + 1];
    load(world, "plain", "top: 250");
    length = 0;
    for (unsigned ward = 0; ward < WARDS; ward++) {
        round[ward].there = dv_random_chance(random, 50);
        for (unsigned i = 0; i < 7 + (unsigned)round[ward].there; i++)
            say("{\"ward\":%u}\n%s", ward, i == 6 && ward % 10 == 9 ? "\n" : "");
    }
    const char *output = world_run(world, input);
    assert_int_equal(read_counts(output, counts, WARDS + 1), WARDS);
    for (unsigned row = 0; row < WARDS; row++) { /* larger groups stand first */
        const char *ward = strstr(output, "\"ward\":") + 7;
        round[strtoul(ward, NULL, 10)].answer = counts[row];
        output = strchr(output, '\n') + 1;
    }
}

/* The control: groups of k tell the attacker everything. */
static void test_without_noise_he_wins(void **state)
{
    struct dv_random random;
    dv_random_seed(&random, 3);
    for (unsigned round = 0; round < 10; round++)
        play_without_noise(*state, &random, &trials[(size_t)round * WARDS]);
    double shown = shown_epsilon(trials, 10 * WARDS);
    print_message("without noise: shown %.3f\n", shown);
    assert_true(shown > 3.5);
}

/* A full table: sixteen people, and one who comes first and takes the last one's place, or does not. What he adds to ward 0
 * he takes from ward 1, and both are read: twice one person's share, which the noise must cover. */
static double attack_a_full_table(struct world *world, unsigned epsilon)
{
    struct dv_random random;
    static double counts[2 * FULL_ROUNDS + 1];
    char more[128];
    (void)snprintf(more, sizeof more, "dp: { epsilon: %u, groups: { ward: [0, 1] }, subjects: 16 }", epsilon);
    load(world, "visit", more);
    world_budget(world, "visit", "t", INT64_C(100000000000000));
    dv_random_seed(&random, 9);
    length = 0;
    for (unsigned round = 0; round < FULL_ROUNDS; round++) {
        trials[round].there = dv_random_chance(&random, 50);
        say("@%u\n%s", 2 * round + 1, trials[round].there ? "{\"id\":0,\"ward\":0}\n" : "");
        for (unsigned i = 1; i <= 16; i++)
            say("{\"id\":%u,\"ward\":%u}\n", i, i == 16);
        say("\n");
    }
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(read_counts(output, counts, 2 * FULL_ROUNDS + 1), 2 * FULL_ROUNDS);
    for (unsigned i = 0; i < FULL_ROUNDS; i++)
        trials[i].answer = counts[2 * i] - counts[2 * i + 1] - 15;
    return shown_epsilon(trials, FULL_ROUNDS);
}

/* Noise of half the width, as if nobody could be pushed out, is the noise of twice the ε: that is seen, too. */
static void test_a_full_table(void **state)
{
    double found = attack_a_full_table(*state, 2);
    double without = attack_a_full_table(*state, 4);
    print_message("full table: stated 2, shown %.3f; with noise for one person only %.3f\n", found, without);
    assert_true(found <= 2);
    assert_true(found >= 0.6);
    assert_true(without > 2);
}

static int make_input(void **state)
{
    (void)state;
    input = malloc(INPUT);
    return input == NULL;
}

static int free_input(void **state)
{
    (void)state;
    free(input);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_without_noise_he_wins, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_full_table, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, make_input, free_input);
}
