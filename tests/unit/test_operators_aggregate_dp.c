/* SPDX-License-Identifier: Apache-2.0
 * test_operators_aggregate_dp.c - noised windows: what counts, what is refused, and that every one is paid for first.
 * shows: PRV-1 PRV-2 PRV-3 PRV-4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "engine/random.h"
#include "operators/aggregate_dp_tally.h"
#include "privacy/dp.h"
#include "tests/unit/operators_world.h"

#define ONE INT64_C(1000000000)

enum { SCHEDULES = 400, FUZZED = 400 };

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n"
               "  id: { type: text, class: direct-id }\n"
               "  ward: { type: text, class: sensitive }\n"
               "  ok: { type: bool, class: public }\n"
               "  age: { type: int, class: quasi-id, min: 0, max: 100 }\n"
               "  cost: { type: float, class: sensitive, min: -50, max: 200 }\n"
               "  bare: { type: int, class: public }\n");
    world_file(*state, "schemas/plain.yaml",
               "name: plain\nfields:\n  ward: { type: text, class: sensitive }\n"
               "  age: { type: int, class: quasi-id, min: 0, max: 100 }\n");
    return 0;
}

static char input[1 << 20];
static size_t input_length;

static void begin(void)
{
    input_length = 0;
    input[0] = '\0';
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    input_length += (size_t)vsnprintf(input + input_length, sizeof input - input_length, format, arguments);
    va_end(arguments);
    assert_true(input_length < sizeof input);
}

/* `count` records of different people in paragraphs of a hundred. */
static void visits(const char *ward, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        say("{\"id\":\"P%u\",\"ward\":\"%s\",\"ok\":%s,\"age\":%u,\"cost\":%u}\n%s", i, ward, i % 2 ? "true" : "false",
            20 + i % 60, i % 150, i % 100 == 99 ? "\n" : "");
}

static bool load(struct world *world, const char *schema, const char *options, const char *dp)
{
    char nodes[1024];
    (void)snprintf(nodes, sizeof nodes,
                   "  in: { op: source, from: text, schema: %s }\n"
                   "  t: { op: aggregate, after: in, %s, dp: { %s } }\n  out: { op: store, after: t }\n",
                   schema, options, dp);
    return world_load(world, nodes);
}

static void must_load(struct world *world, const char *schema, const char *options, const char *dp)
{
    if (!load(world, schema, options, dp))
        fail_msg("%s", world->findings);
}

/* The number behind `key` in the row of `output` that holds `mark`. */
static double value_in(const char *output, const char *mark, const char *key)
{
    const char *row = strstr(output, mark);
    if (row == NULL)
        fail_msg("no row with %s in %s", mark, output);
    while (row > output && row[-1] != '\n')
        row--;
    const char *at = strstr(row, key);
    assert_true(at != NULL && at < strchr(row, '\n'));
    return strtod(at + strlen(key), NULL);
}

static unsigned lines_of(const char *output)
{
    unsigned count = 0;
    for (; *output != '\0'; output++)
        count += *output == '\n';
    return count;
}

/* ---- answers ---- */

/* At ε = 10 the noise is small: 3,000 people come out within its width, and every answer is there. */
static void test_answers(void **state)
{
    struct world *world = *state;
    must_load(world, "visit", "by: ward, sums: [cost], quantiles: { column: age, of: [0.5] }, window: 5s",
              "epsilon: 10, delta: 1e-9, groups: { ward: [A, B] }, means: [age], histogram: { column: age, edges: [30, 50] }");
    world_budget(world, "visit", "t", 10 * ONE);
    begin();
    visits("A", 0, 3000);
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(world->settled, world->claimed);
    assert_int_equal(lines_of(output), 2);
    assert_true(fabs(value_in(output, "\"A\"", "\"count\":") - 3000) < 20);
    assert_true(fabs(value_in(output, "\"A\"", "\"sum_cost\":") - 3000 * 74.5) < 3000);
    assert_true(fabs(value_in(output, "\"A\"", "\"mean_age\":") - 49.5) < 2);
    assert_true(fabs(value_in(output, "\"A\"", "\"hist_age_0\":") - 500) < 20);
    assert_true(fabs(value_in(output, "\"A\"", "\"hist_age_1\":") - 1000) < 20);
    assert_true(fabs(value_in(output, "\"A\"", "\"hist_age_2\":") - 1500) < 20);
    assert_true(fabs(value_in(output, "\"A\"", "\"p50_age\":") - 49.5) < 2);
    assert_true(fabs(value_in(output, "\"B\"", "\"count\":")) < 20);
    assert_true(world_spent(world, "visit", "t").spent_nano == 10 * ONE);
}

static void test_labels(void **state)
{
    static const char *const expected[][2] = {
        { "window_start_ms", "public, plain" },  { "ward", "sensitive, noised(0.5)" }, { "count", "public, noised(0.5)" },
        { "sum_cost", "sensitive, noised(0.5)" }, { "mean_age", "quasi-id, noised(0.5)" },
        { "hist_age_1", "quasi-id, noised(0.5)" }, { "p99_9_age", "quasi-id, noised(0.5)" },
        { "id", "-" }, { "other", "-" }, { "suppressed", "-" },
    };
    struct world *world = *state;
    must_load(world, "visit", "by: ward, sums: cost, quantiles: { column: age, of: [0.999] }",
              "epsilon: 0.5, groups: { ward: [A] }, means: age, histogram: { column: age, edges: [30] }");
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_string_equal(world_label(world, "out", expected[i][0]), expected[i][1]);
}

static void test_refused(void **state)
{
    static const char *const wrong[][4] = {
        { "visit", "window: 5s", "epsilon: 0.001", "C184" },
        { "visit", "window: 5s", "epsilon: 11", "epsilon" },
        { "visit", "window: 5s", "delta: 0.1", "epsilon" },
        { "visit", "window: 5s", "epsilon: 1, delta: 0.1", "C194" },
        { "visit", "by: ward", "epsilon: 1", "C195" },
        { "visit", "by: ward", "epsilon: 1, groups: { ward: [A, A] }", "twice" },
        { "visit", "by: ward", "epsilon: 1, groups: { ward: [] }", "C190" },
        { "visit", "by: ward", "epsilon: 1, groups: { age: [1] }", "not one of `by`" },
        { "visit", "by: age", "epsilon: 1, groups: { age: [old] }", "column's type" },
        { "visit", "by: [ward, age]", "epsilon: 1, groups: { ward: [A] }", "every column" },
        { "visit", "by: id", "epsilon: 1, delta: 1e-9", "P103" },
        { "visit", "sums: bare", "epsilon: 1", "C181" },
        { "visit", "sums: ward", "epsilon: 1", "C111" },
        { "visit", "window: 5s", "epsilon: 1, means: bare", "C181" },
        { "visit", "window: 5s", "epsilon: 1, means: agee", "did you mean" },
        { "visit", "quantiles: { column: bare, of: [0.5] }", "epsilon: 1", "C181" },
        { "visit", "quantiles: { column: age, of: [0.12345] }", "epsilon: 1", "C192" },
        { "visit", "window: 5s", "epsilon: 1, histogram: { column: age, edges: [5, 5] }", "C191" },
        { "visit", "window: 5s", "epsilon: 1, histogram: { column: age, edges: [x] }", "C191" },
        { "visit", "sums: [age, cost]", "epsilon: 0.01, means: [age, cost], histogram: { column: age, edges: [1] }, "
          "delta: 1e-9, subjects: 1048576", "" },
        { "visit", "by: ward, quantiles: { column: cost, of: [0.5] }", "epsilon: 1, delta: 1e-9, subjects: 1048576", "C196" },
        { "visit", "by: ward", "epsilon: 1, delta: 1e-9, continual: true", "C197" },
        { "visit", "sums: age", "epsilon: 1, continual: true", "C197" },
        { "visit", "window: 7s", "epsilon: 1, continual: true, period: 60s", "C198" },
        { "visit", "window: 5s", "epsilon: 1, when_spent: never", "when_spent" },
        { "visit", "window: 5s", "epsilon: 1, colour: red", "colour" },
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bool sound = load(world, wrong[i][0], wrong[i][1], wrong[i][2]);
        if (sound != (wrong[i][3][0] == '\0') || strstr(world->findings, wrong[i][3]) == NULL)
            fail_msg("%s: %s", wrong[i][2], world->findings);
    }
}

/* Fifteen answers of 0.01: less than a thousandth each. */
static void test_too_many_answers(void **state)
{
    struct world *world = *state;
    assert_false(load(world, "visit", "sums: [age, cost], quantiles: { column: age, of: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7] }",
                      "epsilon: 0.01, means: [age, cost], histogram: { column: age, edges: [1] }"));
    assert_non_null(strstr(world->findings, "C193"));
}

/* ---- what one person can change ---- */

static void test_a_person_counts_as_often_as_was_said(void **state)
{
    struct world *world = *state;
    must_load(world, "visit", "by: ward, window: 5s",
              "epsilon: 10, delta: 1e-9, groups: { ward: [A, B] }, max_records_per_subject: 3, max_groups_per_subject: 2");
    world_budget(world, "visit", "t", 100 * ONE);
    begin();
    for (unsigned i = 0; i < 400; i++)
        say("{\"id\":\"P\",\"ward\":\"%s\",\"age\":1,\"cost\":1}\n%s", i % 2 ? "A" : "B", i % 100 == 99 ? "\n" : "");
    for (unsigned i = 0; i < 400; i++) /* nobody's records */
        say("{\"ward\":\"A\",\"age\":1,\"cost\":1}\n%s", i % 100 == 99 ? "\n" : "");
    const char *output = world_run(world, input);
    assert_true(fabs(value_in(output, "\"A\"", "\"count\":")) < 30);
    assert_true(fabs(value_in(output, "\"B\"", "\"count\":")) < 30);
}

/* The L1 distance of all record counters of two tallies, over all groups by name. */
static int64_t distance(const struct dv_tally *a, const struct dv_tally *b)
{
    int64_t sum = 0;
    for (int both = 0; both < 2; both++)
        for (uint32_t i = 0; i < (both ? b : a)->group_count; i++) {
            const struct dv_tally_group *group = (both ? b : a)->groups[i];
            int64_t other = 0;
            bool found = false;
            for (uint32_t j = 0; j < (both ? a : b)->group_count; j++) {
                const struct dv_tally_group *candidate = (both ? a : b)->groups[j];
                if (candidate->by[0].integer != group->by[0].integer)
                    continue;
                found = true;
                other = candidate->counters[DV_TALLY_RECORDS];
            }
            if (!found || !both)
                sum += llabs((long long)(group->counters[DV_TALLY_RECORDS] - other));
        }
    return sum;
}

/* One record in a batch that no pool knows. */
static void put(struct dv_tally *tally, const struct dv_schema *schema, int64_t person, int64_t group)
{
    static struct dv_cell cells[2][1];
    static struct dv_row row[1];
    struct dv_batch batch = { .schema = schema, .rows = 1, .row = row, .cells = { cells[0], cells[1] } };
    cells[0][0] = (struct dv_cell){ .integer = person, .present = 1 };
    cells[1][0] = (struct dv_cell){ .integer = group, .present = 1 };
    assert_int_equal(dv_tally_add(tally, &batch), DV_OK);
}

/* Random records, and a person (of number -1) put anywhere among them: with a full table twice a person's share changes at
 * most, and without one once. Both bounds are met with equality somewhere: else this would show nothing. */
static void test_one_person_more(void **state)
{
    (void)state;
    struct dv_random random;
    int64_t worst[2] = { 0 };
    dv_random_seed(&random, 77);
    for (int i = 0; i < FUZZED; i++) {
        struct dv_arena arena;
        dv_arena_init(&arena, 64u << 20);
        struct dv_schema *schema = dv_schema_new(&arena, "x", 2);
        (void)dv_schema_add(schema, "person", DV_TYPE_INT, dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN));
        (void)dv_schema_add(schema, "ward", DV_TYPE_INT, dv_label(DV_CLASS_SENSITIVE, DV_FORM_PLAIN));
        struct dv_tally_plan plan = { .schema = schema, .by = { 1 }, .by_count = 1, .subject = 0, .records_max = 3,
                                      .groups_of_one = 2, .subjects_max = 16, .is_open = true, .groups_max = 32,
                                      .histogram = -1, .quantile = -1 };
        struct dv_tally tally[2] = { 0 };
        const uint64_t seeds[3] = { 1, 2, 3 };
        bool is_full = i % 2 == 1;
        dv_tally_lay_out(&plan);
        for (int both = 0; both < 2; both++)
            assert_int_equal(dv_tally_init(&tally[both], &plan, &arena, seeds), DV_OK);
        for (int record = 0; record < 120; record++) {
            int64_t person = (int64_t)dv_random_below(&random, is_full ? 24 : 15);
            int64_t group = (int64_t)dv_random_below(&random, 5);
            put(&tally[0], schema, person, group);
            put(&tally[1], schema, person, group);
            if (dv_random_chance(&random, 20))
                put(&tally[1], schema, -1, (int64_t)dv_random_below(&random, 9));
        }
        int64_t changed = distance(&tally[0], &tally[1]);
        assert_true(changed <= (is_full ? 6 : 3));
        assert_true(is_full || !tally[1].full);
        worst[is_full] = changed > worst[is_full] ? changed : worst[is_full];
        dv_tally_free(&tally[0]);
        dv_tally_free(&tally[1]);
        dv_arena_free(&arena);
    }
    assert_int_equal(worst[0], 3);
    assert_int_equal(worst[1], 6);
}

/* ---- groups that are found ---- */

static void test_groups_of_few_do_not_appear(void **state)
{
    struct world *world = *state;
    must_load(world, "visit", "by: ward, window: 5s", "epsilon: 1, delta: 1e-9");
    world_budget(world, "visit", "t", 1000 * ONE);
    for (int i = 0; i < 50; i++) {
        begin();
        visits("A", 0, 300);
        visits("B", 300, 1);
        const char *output = world_run(world, input);
        assert_null(strstr(output, "\"B\""));
        assert_non_null(strstr(output, "\"A\""));
        must_load(world, "visit", "by: ward, window: 5s", "epsilon: 1, delta: 1e-9");
    }
}

static void test_nothing_found_says_no_more_than_when(void **state)
{
    struct world *world = *state;
    must_load(world, "plain", "by: ward, window: 5s", "epsilon: 1, delta: 1e-9");
    world_budget(world, "plain", "t", 1000 * ONE);
    begin();
    say("{\"ward\":\"A\",\"age\":3}\n");
    const char *output = world_run(world, input);
    assert_int_equal(lines_of(output), 1);
    assert_null(strstr(output, "count"));
}

/* ---- time ---- */

static void test_empty_windows_are_not_silent(void **state)
{
    struct world *world = *state;
    must_load(world, "plain", "window: 5s", "epsilon: 1");
    world_budget(world, "plain", "t", 100 * ONE);
    begin();
    say("{\"ward\":\"A\",\"age\":3}\n\n@27\n{\"ward\":\"A\",\"age\":3}\n");
    const char *output = world_run(world, input);
    assert_int_equal(lines_of(output), 6);
    assert_non_null(strstr(output, "{\"window_start_ms\":1700000010000,\"window_end_ms\":1700000015000,\"count\":"));
    assert_non_null(strstr(output, "{\"window_start_ms\":1700000025000,\"window_end_ms\":17000000270"));
    assert_true(world_spent(world, "plain", "t").charges == 6);
}

static void test_counts_over_time_are_paid_once(void **state)
{
    struct world *world = *state;
    must_load(world, "plain", "by: ward, window: 2s", "epsilon: 5, groups: { ward: [A, B] }, continual: true, period: 20s");
    world_budget(world, "plain", "t", 100 * ONE);
    begin();
    for (int second = 1; second < 30; second += 2) {
        say("@%d\n", second);
        for (int i = 0; i < 100; i++)
            say("{\"ward\":\"A\",\"age\":3}\n");
        say("\n");
    }
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    assert_true(world_spent(world, "plain", "t").charges == 2);
    assert_true(fabs(value_in(output, "\"window_start_ms\":1700000000000,\"window_end_ms\":1700000018000", "\"count\":") - 900) < 60);
    assert_true(fabs(value_in(output, "\"window_start_ms\":1700000020000,\"window_end_ms\":1700000026000", "\"count\":") - 300) < 60);
}

/* ---- money ---- */

static void test_no_budget_no_start(void **state)
{
    struct world *world = *state;
    must_load(world, "plain", "window: 5s", "epsilon: 1");
    (void)world_run(world, "{\"ward\":\"A\",\"age\":3}\n");
    assert_int_equal(world->rc, DV_E_BUDGET);
    assert_non_null(strstr(world->error.text, "datavault budget set"));
    must_load(world, "plain", "window: 5s", "epsilon: 1");
    world_budget(world, "plain", "t", ONE - 1);
    (void)world_run(world, "{\"ward\":\"A\",\"age\":3}\n");
    assert_int_equal(world->rc, DV_E_BUDGET);
}

static void test_stop_when_spent(void **state)
{
    struct world *world = *state;
    must_load(world, "plain", "window: 1s", "epsilon: 1");
    world_budget(world, "plain", "t", 3 * ONE + ONE / 2);
    begin();
    say("{\"ward\":\"A\",\"age\":3}\n\n@60\n{\"ward\":\"A\",\"age\":3}\n");
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_E_BUDGET);
    assert_int_equal(lines_of(output), 3);
    assert_non_null(strstr(world->error.text, "t of dataset plain is spent: 3 of 3.5"));
    assert_true(world_spent(world, "plain", "t").spent_nano == 3 * ONE);
}

static struct dv_node *node_named(struct world *world, const char *name)
{
    return dv_node_named(dv_graph_node(world->graph, 0), name);
}

static void test_drop_when_spent(void **state)
{
    struct world *world = *state;
    must_load(world, "plain", "window: 1s", "epsilon: 1, when_spent: drop");
    world_budget(world, "plain", "t", 3 * ONE);
    begin();
    say("{\"ward\":\"A\",\"age\":3}\n\n@10\n{\"ward\":\"A\",\"age\":3}\n");
    world_begin(world, input);
    struct dv_node *node = node_named(world, "t");
    const struct dv_node *source = dv_graph_node(world->graph, 0);
    assert_false(dv_leads_nowhere(source));
    while (dv_now_ns(&world->loop.base) < UINT64_C(6000000000) && dv_loop_sim_step(&world->loop))
        ;
    assert_non_null(strstr(dv_node_status(node), "budget is spent"));
    assert_true(dv_leads_nowhere(source));
    world_budget(world, "plain", "t", 5 * ONE);
    while (dv_now_ns(&world->loop.base) < UINT64_C(8500000000) && dv_loop_sim_step(&world->loop))
        ;
    assert_true(dv_node_stats(node)->withheld >= 3);
    world_steps(world);
    world_end(world);
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(world->settled, world->claimed);
    assert_int_equal(lines_of(world->output), 5);
    assert_true(world_spent(world, "plain", "t").spent_nano == 5 * ONE);
}

/* Whatever is asked in whatever order: what came out was paid for, and what was paid for was there. */
static void test_no_schedule_overdraws(void **state)
{
    struct world *world = *state;
    struct dv_random random;
    unsigned released = 0;
    int64_t paid = 0;
    int64_t limit = 0;
    dv_random_seed(&random, 5);
    for (int i = 0; i < SCHEDULES; i++) {
        char dp[128];
        unsigned thousandths = 10 + (unsigned)dv_random_below(&random, 3000);
        bool drops = dv_random_chance(&random, 50);
        (void)snprintf(dp, sizeof dp, "epsilon: %u.%03u, when_spent: %s", thousandths / 1000, thousandths % 1000,
                       drops ? "drop" : "stop");
        must_load(world, "plain", "window: 1s", dp);
        if (i == 0 || dv_random_chance(&random, 30)) {
            int64_t most = (int64_t)dv_random_below(&random, 12000) * (ONE / 1000) + paid;
            limit = most > limit ? most : limit;
            world_budget(world, "plain", "t", most);
        }
        begin();
        say("{\"ward\":\"A\",\"age\":3}\n\n@%u\n{\"ward\":\"A\",\"age\":3}\n", 1 + (unsigned)dv_random_below(&random, 20));
        unsigned came = lines_of(world_run(world, input));
        released += came;
        paid += (int64_t)came * thousandths * (ONE / 1000);
        assert_true(world->rc == DV_OK || world->rc == DV_E_BUDGET);
        struct dv_budget budget = world_spent(world, "plain", "t");
        assert_true(budget.spent_nano == paid && budget.spent_nano <= limit && budget.charges == released);
    }
    assert_true(released > SCHEDULES / 2);
}

/* ---- an account that cannot be written, or that was changed ---- */

static int fail_once;

static int rename_or_fail(const char *from, const char *to)
{
    if (fail_once > 0) {
        fail_once--;
        errno = EIO;
        return -1;
    }
    return rename(from, to);
}

static void test_a_disk_that_fails_is_tried_again(void **state)
{
    struct world *world = *state;
    must_load(world, "plain", "window: 5s", "epsilon: 1");
    world_budget(world, "plain", "t", 10 * ONE);
    world->sys.rename = rename_or_fail;
    fail_once = 2;
    const char *output = world_run(world, "{\"ward\":\"A\",\"age\":3}\n");
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(lines_of(output), 1);
    assert_true(world_spent(world, "plain", "t").spent_nano == ONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_labels, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_too_many_answers, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_person_counts_as_often_as_was_said, setup, world_teardown),
        cmocka_unit_test(test_one_person_more),
        cmocka_unit_test_setup_teardown(test_groups_of_few_do_not_appear, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_found_says_no_more_than_when, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_empty_windows_are_not_silent, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_counts_over_time_are_paid_once, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_no_budget_no_start, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_stop_when_spent, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_drop_when_spent, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_no_schedule_overdraws, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_disk_that_fails_is_tried_again, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
