/* SPDX-License-Identifier: Apache-2.0
 * test_operators_aggregate.c - windows count right, and nothing about fewer than k subjects can be read or computed.
 * shows: PRV-4 PRV-15 UI-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/random.h"
#include "tests/unit/operators_world.h"

#define SOURCE "  in: { op: source, from: text, schema: visit }\n"

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n"
               "  id: { type: text, class: direct-id }\n"
               "  ward: { type: text, class: sensitive }\n"
               "  age: { type: int, class: quasi-id }\n"
               "  cost: { type: float, class: sensitive }\n"
               "  note: { type: text, class: free-text }\n"
               "  ok: { type: bool, class: public }\n"
               "  count: { type: int, class: public }\n");
    world_file(
        *state, "schemas/plain.yaml",
        "name: plain\nfields:\n  ward: { type: text, class: sensitive }\n  age: { type: int, class: quasi-id }\n");
    return 0;
}

/* Input under construction. */
static char input[1 << 18];
static size_t input_length;
static unsigned line_count;

static void begin(void)
{
    input_length = 0;
    line_count = 0;
    input[0] = '\0';
}

static void say(const char *text)
{
    input_length += (size_t)snprintf(input + input_length, sizeof input - input_length, "%s", text);
}

/* `count` records of different subjects, in batches of at most 100. */
static void visits(const char *ward, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        char line[160];
        (void)snprintf(line, sizeof line, "%s{\"id\":\"P%u\",\"ward\":\"%s\",\"age\":%u,\"cost\":%u.5}\n",
                       ++line_count % 100 == 0 ? "\n" : "", i, ward, 20 + i % 50, i);
        say(line);
    }
}

static const char *aggregated(void **state, const char *options)
{
    struct world *world = *state;
    char nodes[512];
    (void)snprintf(nodes, sizeof nodes, SOURCE "  t: { op: aggregate, after: in, %s }\n  out: { op: sse, after: t }\n",
                   options);
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(world->settled, world->claimed);
    return output;
}

static void test_counts_and_sums(void **state)
{
    begin();
    visits("A", 0, 7);
    visits("B", 10, 5);
    assert_string_equal(
        aggregated(state, "by: ward, sums: [age, cost], window: 5s"),
        "out.t "
        "{\"window_start_ms\":1700000000000,\"window_end_ms\":1700000005000,\"ward\":\"A\",\"count\":7,\"sum_age\":161,"
        "\"sum_cost\":24.5,\"other\":false,\"suppressed\":0}\n"
        "out.t "
        "{\"window_start_ms\":1700000000000,\"window_end_ms\":1700000005000,\"ward\":\"B\",\"count\":5,\"sum_age\":160,"
        "\"sum_cost\":62.5,\"other\":false,\"suppressed\":0}\n");
}

static void test_windows_of_time(void **state)
{
    begin();
    visits("A", 0, 6);
    say("\n@7\n");
    visits("A", 0, 8);
    say("\n@22\n");
    visits("A", 0, 5);
    const char *output = aggregated(state, "window: 5s");
    assert_string_equal(output, "out.t "
                                "{\"window_start_ms\":1700000000000,\"window_end_ms\":1700000005000,\"count\":6,"
                                "\"other\":false,\"suppressed\":0}\n"
                                "out.t "
                                "{\"window_start_ms\":1700000005000,\"window_end_ms\":1700000010000,\"count\":8,"
                                "\"other\":false,\"suppressed\":0}\n"
                                "out.t "
                                "{\"window_start_ms\":1700000020000,\"window_end_ms\":1700000025000,\"count\":5,"
                                "\"other\":false,\"suppressed\":0}\n");
}

static void test_labels(void **state)
{
    static const struct {
        const char *column, *label, *type;
    } expected[] = {
        { "window_start_ms", "public, plain", "int" },
        { "ward", "sensitive, aggregate(7)", "text" },
        { "count", "public, aggregate(7)", "int" },
        { "sum_cost", "sensitive, aggregate(7)", "float" },
        { "p50_age", "quasi-id, aggregate(7)", "float" },
        { "p99_9_age", "quasi-id, aggregate(7)", "float" },
        { "suppressed", "public, aggregate(7)", "int" },
        { "other", "public, aggregate(7)", "bool" },
        { "id", "-", "-" },
    };
    struct world *world = *state;
    if (!world_load(world,
                    SOURCE "  t: { op: aggregate, after: in, by: ward, k: 7, sums: cost, quantiles: { column: age, "
                           "of: [0.5, 0.999] } }\n  out: { op: lines, after: t }\n"))
        fail_msg("%s", world->findings);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_string_equal(world_label(world, "out", expected[i].column), expected[i].label);
        assert_string_equal(world_type(world, "out", expected[i].column), expected[i].type);
    }
}

static void test_small_groups_are_pooled(void **state)
{
    begin();
    visits("A", 0, 9);
    visits("B", 20, 3);
    visits("C", 30, 2);
    const char *output = aggregated(state, "by: ward, window: 5s");
    assert_null(strstr(output, "\"B\""));
    assert_null(strstr(output, "\"C\""));
    assert_non_null(strstr(output, "\"ward\":\"A\",\"count\":9,\"other\":false,\"suppressed\":2}"));
    assert_non_null(strstr(output, "_ms\":1700000005000,\"count\":5,\"other\":true,\"suppressed\":2}"));
}

static void test_one_small_group_takes_the_next(void **state)
{
    begin();
    visits("A", 0, 9);
    visits("B", 20, 6);
    visits("C", 30, 2);
    const char *output = aggregated(state, "by: ward, window: 5s");
    assert_non_null(strstr(output, "\"ward\":\"A\",\"count\":9,"));
    assert_null(strstr(output, "\"B\""));
    assert_non_null(strstr(output, "\"count\":8,\"other\":true,\"suppressed\":1}"));
}

static void test_nothing_to_show(void **state)
{
    begin();
    visits("A", 0, 2);
    visits("B", 20, 1);
    assert_string_equal(
        aggregated(state, "by: ward, window: 5s, sums: age"),
        "out.t {\"window_start_ms\":1700000000000,\"window_end_ms\":1700000005000,\"other\":false,\"suppressed\":2}\n");
}

static void test_k_counts_subjects(void **state)
{
    begin();
    visits("A", 0, 9);
    for (unsigned i = 0; i < 40; i++)
        visits("B", 20 + i % 4, 1);
    say("{\"ward\":\"B\",\"age\":4}\n"); /* nobody's record helps no group to k */
    const char *output = aggregated(state, "by: ward, window: 5s");
    assert_null(strstr(output, "\"B\""));
    assert_non_null(strstr(output, "\"count\":50,\"other\":true,\"suppressed\":1}"));
}

static void test_k_counts_records_without_subject(void **state)
{
    struct world *world = *state;
    assert_true(world_load(world, "  in: { op: source, from: text, schema: plain }\n"
                                  "  t: { op: aggregate, after: in, by: ward }\n  out: { op: sse, after: t }\n"));
    const char *output =
        world_run(world, "{\"ward\":\"A\"}\n{\"ward\":\"A\"}\n{\"ward\":\"A\"}\n{\"ward\":\"A\"}\n{\"ward\":\"A\"}\n");
    assert_non_null(strstr(output, "\"ward\":\"A\",\"count\":5"));
}

/* Without its subject one person's five records would look like a group of five. */
static void test_a_dropped_subject_is_missed(void **state)
{
    struct world *world = *state;
    assert_false(world_load(world, SOURCE "  p: { op: project, after: in, drop: id }\n"
                                          "  q: { op: project, after: p, drop: note }\n"
                                          "  t: { op: aggregate, after: q, by: ward }\n"
                                          "  out: { op: sse, after: t }\n"));
    assert_non_null(strstr(world->findings, "P106"));
}

static void test_a_sum_needs_k_of_its_own(void **state)
{
    begin();
    visits("A", 0, 4);
    say("{\"id\":\"x\",\"ward\":\"A\",\"cost\":9}\n{\"id\":\"y\",\"ward\":\"A\",\"cost\":9}\n{\"id\":\"y\",\"ward\":"
        "\"A\",\"age\":1}\n");
    const char *output = aggregated(state, "by: ward, sums: [age, cost]");
    assert_non_null(strstr(output, "\"count\":7,\"sum_age\":87,\"sum_cost\":26,"));
    begin();
    visits("A", 0, 4);
    say("{\"id\":\"x\",\"ward\":\"A\",\"cost\":9}\n{\"id\":\"y\",\"ward\":\"A\",\"cost\":9}\n");
    output = aggregated(state, "by: ward, sums: [age, cost]");
    assert_non_null(strstr(output, "\"count\":6,\"sum_cost\":26,"));
}

static void test_a_sum_past_64_bits_is_missing(void **state)
{
    begin();
    for (unsigned i = 0; i < 6; i++) {
        char line[96];
        (void)snprintf(line, sizeof line, "{\"id\":\"P%u\",\"age\":9000000000000000000}\n", i);
        say(line);
    }
    assert_null(strstr(aggregated(state, "sums: age"), "sum_age"));
}

static void test_quantiles_keep_from_the_ends(void **state)
{
    begin();
    visits("A", 0, 200);
    say("{\"id\":\"x\",\"ward\":\"A\"}\n");
    const char *output = aggregated(state, "quantiles: { column: cost, of: [0.01, 0.5, 0.99] }");
    const char *median = strstr(output, "\"p50_cost\":");
    assert_non_null(median);
    double value = strtod(median + strlen("\"p50_cost\":"), NULL);
    assert_true(value > 99.5 * 0.99 && value < 99.5 * 1.01);
    assert_null(strstr(output, "p1_cost"));
    assert_null(strstr(output, "p99_cost"));
}

static void test_top(void **state)
{
    begin();
    visits("A", 0, 5);
    visits("B", 10, 7);
    visits("C", 20, 6);
    const char *output = aggregated(state, "by: ward, top: 1");
    assert_non_null(strstr(output, "\"ward\":\"B\",\"count\":7,\"other\":false,\"suppressed\":0}"));
    assert_non_null(strstr(output, "\"count\":11,\"other\":true,\"suppressed\":0}"));
    assert_null(strstr(output, "\"C\""));
}

static void test_groups_are_bounded(void **state)
{
    begin();
    for (unsigned i = 0; i < 50; i++) {
        char ward[16];
        (void)snprintf(ward, sizeof ward, "W%u", i);
        visits(ward, i * 10, 6);
    }
    const char *output = aggregated(state, "by: ward, groups: 3");
    assert_non_null(strstr(output, "\"ward\":\"W0\",\"count\":6"));
    assert_non_null(strstr(output, "\"ward\":\"W2\",\"count\":6"));
    assert_null(strstr(output, "\"W3\""));
    assert_non_null(strstr(output, "\"count\":282,\"other\":true,\"suppressed\":0}"));
}

static void test_long_names_are_pooled(void **state)
{
    static char ward[400];
    memset(ward, 'w', sizeof ward - 1);
    begin();
    for (unsigned i = 0; i < 6; i++) {
        char line[512];
        (void)snprintf(line, sizeof line, "{\"id\":\"P%u\",\"ward\":\"%s\"}\n", i, ward);
        say(line);
    }
    const char *output = aggregated(state, "by: ward");
    assert_non_null(strstr(output, "\"count\":6,\"other\":true"));
    assert_null(strstr(output, "www"));
}

static void test_missing_names_are_a_group(void **state)
{
    begin();
    visits("A", 0, 6);
    for (unsigned i = 0; i < 5; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "{\"id\":\"Q%u\"}\n", i);
        say(line);
    }
    const char *output = aggregated(state, "by: [ward, ok]");
    assert_non_null(strstr(output, "_ms\":1700000005000,\"count\":5,\"other\":false"));
    assert_non_null(strstr(output, "\"ward\":\"A\",\"count\":6,\"other\":false"));
}

static void test_numbers_name_groups(void **state)
{
    struct world *world = *state;
    world_file(world, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n  id: { type: int, class: direct-id }\n"
               "  age: { type: int, class: quasi-id }\n  ok: { type: bool, class: public }\n");
    begin();
    for (unsigned i = 0; i < 10; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "{\"id\":%u,\"age\":%u,\"ok\":%s}\n", i, i % 2,
                       i % 2 != 0 ? "true" : "false");
        say(line);
    }
    say("{\"age\":1,\"ok\":false}\n");
    const char *output = aggregated(state, "by: [age, ok], quantiles: { column: age, of: [0.5] }");
    /* The record of nobody is a group of its own, too small, and takes one of the two others with it. */
    assert_non_null(strstr(output, "\"age\":0,\"ok\":false,\"count\":5,\"other\":false,\"suppressed\":1}"));
    assert_non_null(strstr(output, "\"count\":6,\"other\":true,\"suppressed\":1}"));
}

/* A window whose batch has to wait takes in what comes meanwhile, and says so. */
static void test_late_windows(void **state)
{
    begin();
    visits("A", 0, 5);
    say("\n@1\n");
    visits("A", 5, 5);
    say("\n@2\n");
    visits("A", 10, 5);
    const char *output = aggregated(state, "window: 1s");
    unsigned total = 0;
    for (const char *at = output; (at = strstr(at, "\"count\":")) != NULL; at++)
        total += (unsigned)strtoul(at + 8, NULL, 10);
    assert_int_equal(total, 15);
}

static void test_findings(void **state)
{
    static const struct {
        const char *options, *code;
    } wrong[] = {
        { "by: id", "P103" },
        { "by: note", "P103" },
        { "by: cost", "C112" },
        { "by: wrd", "C020" },
        { "by: [ward, age, ok]", "C113" },
        { "sums: ward", "C111" },
        { "sums: [age, age]", "C115" },
        { "sums: [age, age, age, age, age, age, age, age, age]", "C113" },
        { "by: count", "C115" },
        { "k: 4", "C0" },
        { "top: 256", "C0" },
        { "quantiles: { column: ward, of: [0.5] }", "C111" },
        { "quantiles: { column: age, of: [1.5] }", "C114" },
        { "quantiles: { column: age, of: [x] }", "C114" },
        { "quantiles: { colum: age, of: [0.5] }", "C0" },
        { "quantiles: { column: age, of: [.1,.2,.3,.4,.5,.6,.7,.8,.9] }", "C113" },
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char nodes[512];
        (void)snprintf(nodes, sizeof nodes,
                       SOURCE "  t: { op: aggregate, after: in, %s }\n  out: { op: lines, after: t }\n",
                       wrong[i].options);
        if (world_load(world, nodes) || strstr(world->findings, wrong[i].code) == NULL)
            fail_msg("%s: expected %s in: %s", wrong[i].options, wrong[i].code, world->findings);
    }
}

/* What a reader of all rows and of the total can compute must concern k subjects: checked over random windows. */
static void test_nothing_below_k_can_be_computed(void **state)
{
    struct dv_random random;
    dv_random_seed(&random, 20261122);
    for (unsigned round = 0; round < 60; round++) {
        unsigned sizes[12], wards = 2 + (unsigned)dv_random_below(&random, 10), total = 0, shown = 0;
        begin();
        for (unsigned ward = 0; ward < wards; ward++) {
            char name[16];
            sizes[ward] = 1 + (unsigned)dv_random_below(&random, dv_random_chance(&random, 50) ? 5 : 12);
            (void)snprintf(name, sizeof name, "W%u", ward);
            visits(name, ward * 20, sizes[ward]);
            total += sizes[ward];
        }
        const char *output = aggregated(state, "by: ward, top: 6");
        for (const char *at = output; (at = strstr(at, "\"count\":")) != NULL; at++) {
            unsigned count = (unsigned)strtoul(at + 8, NULL, 10);
            assert_true(count >= 5);
            shown += count;
        }
        assert_true(total == shown || shown == 0);
        assert_true(shown > 0 || total < 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts_and_sums, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_windows_of_time, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_labels, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_small_groups_are_pooled, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_one_small_group_takes_the_next, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_to_show, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_k_counts_subjects, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_k_counts_records_without_subject, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_dropped_subject_is_missed, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_sum_needs_k_of_its_own, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_sum_past_64_bits_is_missing, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_quantiles_keep_from_the_ends, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_top, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_groups_are_bounded, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_long_names_are_pooled, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_missing_names_are_a_group, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_numbers_name_groups, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_late_windows, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_findings, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_below_k_can_be_computed, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
