/* SPDX-License-Identifier: Apache-2.0
 * test_operators_insights.c - records through an aggregate to insights: what is told, of whom, in what words, and of whom not.
 * shows: RAG-7 PRV-15 UI-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "operators/insights_say.h"
#include "tests/unit/operators_world.h"

#define SOURCE "  in: { op: source, from: text, schema: visit }\n"
#define WARDS SOURCE "  t: { op: aggregate, after: in, by: ward, sums: cost, window: 5s }\n"

enum { WINDOWS = 24 };

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n"
               "  id: { type: text, class: direct-id }\n"
               "  ward: { type: text, class: sensitive }\n"
               "  cost: { type: float, class: sensitive }\n"
               "  age: { type: int, class: quasi-id }\n");
    return 0;
}

static char input[1 << 20];
static size_t input_length;

static void begin(void)
{
    input_length = 0;
    input[0] = '\0';
}

static void window(unsigned index)
{
    input_length += (size_t)snprintf(input + input_length, sizeof input - input_length, "%s@%u\n", index > 0 ? "\n" : "", 5 * index);
}

static void visits(const char *ward, unsigned count, double cost)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(input_length + 256 < sizeof input);
        input_length += (size_t)snprintf(input + input_length, sizeof input - input_length,
                                         "{\"id\":\"%s%u\",\"ward\":\"%s\",\"age\":30,\"cost\":%g}\n", ward, i, ward,
                                         cost * (1 + 0.01 * (i % 5)));
    }
}

/* Windows of two wards that stray a little, and one more of these sizes. */
static void usual_and(unsigned a, unsigned b, double cost)
{
    begin();
    for (unsigned i = 0; i < WINDOWS; i++) {
        window(i);
        visits("A", 30 + i * 7 % 5, 10 + i * 3 % 4 * 0.1);
        visits("B", 20 + i * 3 % 4, 50 + i * 3 % 5);
    }
    window(WINDOWS);
    visits("A", a, 10);
    visits("B", b, cost);
}

static const char *said(void **state, const char *nodes)
{
    struct world *world = *state;
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(world->letter_count, 0);
    assert_int_equal(world->settled, world->claimed);
    return output;
}

static void has(const char *output, const char *text)
{
    if (strstr(output, text) == NULL)
        fail_msg("no '%s' in:\n%.3000s", text, output);
}

static void test_a_ward_rises(void **state)
{
    usual_and(96, 21, 51);
    const char *output = said(state, WARDS "  say: { op: insights, after: t, top: 0 }\n  out: { op: sse, after: say }\n");
    has(output, "out.say {\"window_start_ms\":1700000120000,\"window_end_ms\":1700000125000,\"kind\":\"emerging\","
                "\"severity\":\"warning\",\"group\":\"A\",\"measure\":\"count\",\"observed\":96,\"expected\":32,\"effect\":3,");
    has(output, "\"test\":\"negative-binomial\",");
    has(output, "\"sentence\":\"A is rising: 96 records, 3.0 times the 32.0 that are usual (negative-binomial, p = ");
    has(output, ", 12 windows).\",\"recommendation\":\"Ask who records it for a known cause; plan for as many again.\",\"told\":\"A is rising: 96 records, 3.0 times the 32.0 that are usual, "
                "counted by ward from 2023-11-14 22:15:20 to 2023-11-14 22:15:25 UTC (negative-binomial, p = ");
    has(output, ", 12 windows). What to do about A: Ask who records it for a known cause; plan for as many again.\"}");
    has(output, "\"kind\":\"drift\"");
    assert_null(strstr(output, "anomaly"));
    for (const char *at = strstr(output, "window_start_ms"); at != NULL; at = strstr(at + 1, "window_start_ms"))
        assert_int_equal(strtoll(at + 17, NULL, 10), 1700000120000); /* nothing is told of the windows before */
}

static void test_a_ward_spends(void **state)
{
    usual_and(31, 21, 160);
    const char *output = said(state, WARDS "  say: { op: insights, after: t, top: 0 }\n  out: { op: sse, after: say }\n");
    has(output, "\"kind\":\"anomaly\",\"severity\":\"critical\",\"group\":\"B\",\"measure\":\"sum_cost\",\"observed\":16");
    has(output, "\"test\":\"robust-z\"");
    has(output, "B: the mean cost is 16");
    assert_null(strstr(output, "\"group\":\"A\""));
    assert_null(strstr(output, "emerging"));
}

static unsigned times_said(const char *output, const char *text)
{
    unsigned times = 0;
    for (const char *at = strstr(output, text); at != NULL; at = strstr(at + 1, text))
        times++;
    return times;
}

/* What is told is told as long as it lasts: it does not teach how far the usual strays, and so silence itself. */
static void test_what_lasts_is_told_again(void **state)
{
    enum { USUAL = 36, LASTS = 24 };
    begin();
    for (unsigned i = 0; i < USUAL + LASTS; i++) {
        bool lasts = i >= USUAL;
        window(i);
        visits("A", 30 + i * 7 % 9 + (lasts ? 34 : 0), 10);
        visits("B", 40 + i * 3 % 7, (50 + i * 5 % 13) * (lasts ? 2.3 : 1));
    }
    const char *output = said(state, WARDS "  say: { op: insights, after: t, top: 0, history: 52 }\n  out: { op: sse, after: say }\n");
    assert_int_equal(times_said(output, "\"sentence\":\"A is rising: "), LASTS);
    assert_int_equal(times_said(output, "\"sentence\":\"B: the mean cost is 1"), LASTS);
}

/* All wards doubled: by counts they rise, by shares none does. */
static void test_shares(void **state)
{
    usual_and(66, 44, 51);
    const char *nodes = WARDS "  say: { op: insights, after: t, top: 0, test: share }\n  out: { op: sse, after: say }\n";
    assert_string_equal(said(state, nodes), "");
    has(said(state, WARDS "  say: { op: insights, after: t, top: 0 }\n  out: { op: sse, after: say }\n"), "emerging");
    usual_and(80, 10, 51);
    const char *output = said(state, nodes);
    has(output, "\"test\":\"beta-binomial\"");
    has(output, "\"group\":\"A\"");
}

static void test_the_largest(void **state)
{
    begin();
    window(0);
    visits("A", 30, 1);
    visits("B", 20, 1);
    visits("C", 7, 1);
    visits("D", 3, 1);
    const char *output = said(state, WARDS "  say: { op: insights, after: t, top: 2 }\n  out: { op: lines, after: say }\n");
    has(output, "\"kind\":\"top\",\"severity\":\"info\",\"group\":\"A\",\"measure\":\"count\",\"observed\":30,\"effect\":0.5,"
                "\"windows\":0,\"sentence\":\"A is number 1: 30 records, 50 % of the window.\",\"told\":\"A is number 1 of the most frequent: 30 records, 50 % of the "
                "window, counted by ward from 2023-11-14 22:13:20 to 2023-11-14 22:13:25 UTC.\"}");
    has(output, "B is number 2: 20 records, 33 % of the window.");
    assert_null(strstr(output, "\"D\""));
    assert_null(strstr(output, "number 3"));
}

static void test_rules(void **state)
{
    usual_and(96, 21, 51);
    const char *output = said(state, WARDS "  say:\n    op: insights\n    after: t\n    top: 0\n    rules:\n"
                                           "      - { kind: emerging, from: 1, severity: info, say: small }\n"
                                           "      - { kind: emerging, from: 2.5, severity: critical, say: open ward 7 }\n"
                                           "      - { kind: emerging, from: 9, say: huge }\n"
                                           "  out: { op: sse, after: say }\n");
    has(output, "\"severity\":\"critical\",\"group\":\"A\"");
    has(output, "\"recommendation\":\"open ward 7\"");
    has(output, "gained and lost"); /* drift keeps what is built in */
}

/* A group that comes out of the pool is no news, unless it is far above what the pool could hide. */
static void test_out_of_the_pool(void **state)
{
    for (unsigned many = 0; many < 2; many++) {
        begin();
        for (unsigned i = 0; i < WINDOWS; i++) {
            window(i);
            visits("A", 30 + i % 3, 10);
            visits("D", 3, 10);
            visits("E", 3, 10);
        }
        window(WINDOWS);
        visits("A", 30, 10);
        visits("D", many ? 70 : 10, 10);
        const char *output = said(state, WARDS "  say: { op: insights, after: t, top: 0 }\n  out: { op: sse, after: say }\n");
        if (many)
            has(output, "D is rising: 70 records, 11.7 times the 6.0 that are usual");
        else
            assert_null(strstr(output, "rising"));
    }
}

/* What is told does not depend on who is in the groups that are not shown, nor on one person more or less. */
static void test_one_person(void **state)
{
    static char first[1 << 16];
    for (unsigned round = 0; round < 2; round++) {
        usual_and(96, 21, 51);
        visits(round == 0 ? "Y" : "Z", 3 + round, 1);
        const char *output = said(state, SOURCE "  t: { op: aggregate, after: in, by: ward, window: 5s }\n"
                                                "  say: { op: insights, after: t, top: 0 }\n  out: { op: sse, after: say }\n");
        assert_null(strstr(output, "\"Y\""));
        assert_null(strstr(output, "\"Z\""));
        const char *rises = strstr(output, "\"kind\":\"emerging\"");
        assert_non_null(rises);
        if (round == 0)
            (void)snprintf(first, sizeof first, "%.200s", rises);
        else
            assert_memory_equal(first, rises, 180);
    }
}

/* Growth that fewer than k people make is not told, however improbable. */
static void test_growth_of_few(void **state)
{
    begin();
    for (unsigned i = 0; i <= WINDOWS; i++) {
        window(i);
        visits("A", i == WINDOWS ? 40 : 33, 10);
        visits("B", 60, 10);
    }
    const char *nodes = SOURCE "  t: { op: aggregate, after: in, by: ward, window: 5s, k: %u }\n"
                               "  say: { op: insights, after: t, top: 0, growth: 1, alpha: 1, drift: 1000 }\n"
                               "  out: { op: sse, after: say }\n";
    for (unsigned k = 7; k <= 8; k++) {
        char text[512];
        (void)snprintf(text, sizeof text, nodes, k);
        assert_true((strstr(said(state, text), "rising: 40") != NULL) == (k == 7));
    }
}

static void test_a_full_table(void **state)
{
    usual_and(96, 80, 51);
    const char *output = said(state, WARDS "  say: { op: insights, after: t, top: 0, groups: 1 }\n  out: { op: sse, after: say }\n");
    has(output, "\"group\":\"A\"");
    assert_null(strstr(output, "\"group\":\"B\""));
}

static void test_labels(void **state)
{
    static const char *const expected[][2] = {
        { "window_start_ms", "public, plain" },   { "kind", "quasi-id, aggregate(7)" },
        { "group", "sensitive, aggregate(7)" },   { "observed", "quasi-id, aggregate(7)" },
        { "sentence", "quasi-id, aggregate(7)" }, { "recommendation", "quasi-id, aggregate(7)" },
        { "told", "quasi-id, aggregate(7)" },
    };
    struct world *world = *state;
    if (!world_load(world, SOURCE "  t: { op: aggregate, after: in, by: ward, sums: age, k: 7 }\n"
                                  "  say: { op: insights, after: t }\n  out: { op: sse, after: say }\n"))
        fail_msg("%s", world->findings);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_string_equal(world_label(world, "out", expected[i][0]), expected[i][1]);
}

static void test_refused(void **state)
{
    static const struct {
        const char *nodes, *code, *text;
    } cases[] = {
        { "  say: { op: insights, after: in }\n", "C210", "no int column 'window_start_ms'" },
        { "  t: { op: aggregate, after: in, dp: { epsilon: 1, groups: { ward: [A] } }, by: ward }\n"
          "  say: { op: insights, after: t }\n", "P112", "insights are made of groups of k >= 5 only" },
        { "  t: { op: aggregate, after: in, by: ward }\n  p: { op: project, after: t, drop: [other] }\n"
          "  say: { op: insights, after: p }\n", "C210", "no bool column 'other'" },
        { "  t: { op: aggregate, after: in }\n  say: { op: insights, after: t, learn: 20, history: 4 }\n", "C213", "`learn` is more" },
        { "  t: { op: aggregate, after: in }\n  say: { op: insights, after: t, groups: 4096, season: week, history: 52 }\n",
          "C214", "there can be 64" },
        { "  t: { op: aggregate, after: in }\n  say: { op: insights, after: t, rules: { a: 1 } }\n", "C211", "`rules` is a list" },
        { "  t: { op: aggregate, after: in }\n  say: { op: insights, after: t, rules: [{ kind: emerging, say: x }] }\n",
          "error", "from" },
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char nodes[1024];
        (void)snprintf(nodes, sizeof nodes, SOURCE "%s  out: { op: sse, after: say }\n", cases[i].nodes);
        assert_false(world_load(world, nodes));
        if (strstr(world->findings, cases[i].code) == NULL || strstr(world->findings, cases[i].text) == NULL)
            fail_msg("case %zu: no %s '%s' in:\n%s", i, cases[i].code, cases[i].text, world->findings);
    }
}

/* As people say it; what is no name of a measure of an aggregate's is said as it is. */
static void test_measures_in_words(void **state)
{
    static const struct { const char *column, *words; } cases[] = {
        { "p50_amount", "median amount" },      { "p90_wait_minutes", "90th percentile of wait_minutes" },
        { "p1_age", "1st percentile of age" },  { "p22_age", "22nd percentile of age" },
        { "p93_age", "93rd percentile of age" }, { "p12_age", "12th percentile of age" },
        { "p2_5_age", "2.5th percentile of age" }, { "p99_9_cost", "99.9th percentile of cost" },
        { "sum_cost", "mean cost" },            { "p50_2_", "p50_2_" },
        { "count", "count" },                   { "p50", "p50" },
        { "p50_", "p50_" },                     { "p_cost", "p_cost" },
        { "price", "price" },                   { "p123456789012345_cost", "p123456789012345_cost" },
        { "", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buffer[DV_INSIGHTS_KEY_MAX];
        assert_string_equal(dv_insight_measure(cases[i].column, buffer), cases[i].words);
    }
}

static void test_one_record_is_no_records(void **state)
{
    static const struct dv_insights_plan plan = { .k = 5 };
    const struct dv_insight_names names = { "A", "ward", "count", 1, 0, 1000 };
    char one[DV_INSIGHTS_TOLD_MAX], two[DV_INSIGHTS_TOLD_MAX];
    (void)state;
    for (int kind = 0; kind < DV_INSIGHT_KINDS; kind++) {
        struct dv_insight insight = { .kind = (enum dv_insight_kind)kind, .observed = 1, .expected = 0.5, .effect = 2, .windows = 1 };
        (void)dv_insight_told(&plan, &insight, &names, "", one);
        insight.observed = insight.windows = 2;
        (void)dv_insight_told(&plan, &insight, &names, "", two);
        bool counts = kind != DV_INSIGHT_ANOMALY, tests = kind != DV_INSIGHT_TOP;
        assert_int_equal(strstr(one, " 1 record,") != NULL, counts);
        assert_int_equal(strstr(two, " 2 records,") != NULL, counts);
        assert_int_equal(strstr(one, ", 1 window)") != NULL, tests);
        assert_int_equal(strstr(two, ", 2 windows)") != NULL, tests);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_ward_rises, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_ward_spends, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_what_lasts_is_told_again, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_shares, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_the_largest, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_out_of_the_pool, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_one_person, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_growth_of_few, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_full_table, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_labels, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, world_teardown),
        cmocka_unit_test(test_measures_in_words),
        cmocka_unit_test(test_one_record_is_no_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
