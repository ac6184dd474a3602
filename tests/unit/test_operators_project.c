/* SPDX-License-Identifier: Apache-2.0
 * test_operators_project.c - project, route and declassify: columns and records go where the graph says.
 * shows: PRV-15 ING-13 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/operators_world.h"

#define SOURCE "  in: { op: source, from: text, schema: visit }\n"

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n"
               "  id: { type: text, class: direct-id }\n"
               "  age: { type: int, class: quasi-id }\n"
               "  cost: { type: float, class: sensitive }\n"
               "  ok: { type: bool, class: public }\n"
               "  memo: { type: json, class: sensitive }\n");
    return 0;
}

static const char visits[] = "{\"id\":\"a\",\"age\":30,\"cost\":1.5,\"ok\":true,\"memo\":[1],\"new\":1}\n"
                             "{\"id\":\"b\",\"age\":40,\"cost\":2.5,\"ok\":false}\n"
                             "{\"id\":\"c\",\"cost\":20}\n";

static void finds(void **state, const char *nodes, const char *code, const char *text)
{
    struct world *world = *state;
    assert_false(world_load(world, nodes));
    if (strstr(world->findings, code) == NULL || strstr(world->findings, text) == NULL)
        fail_msg("expected %s and '%s' in:\n%s", code, text, world->findings);
}

static void test_project_keeps(void **state)
{
    struct world *world = *state;
    assert_true(world_load(world, SOURCE
                           "  p: { op: project, after: in, keep: [cost, id] }\n  out: { op: lines, after: p }\n"));
    assert_string_equal(world_run(world, visits), "out.visit {\"id\":\"a\",\"cost\":1.5}\n"
                                                  "out.visit {\"id\":\"b\",\"cost\":2.5}\n"
                                                  "out.visit {\"id\":\"c\",\"cost\":20}\n");
    assert_int_equal(world->rc, DV_OK);
    assert_string_equal(world_label(world, "out", "id"), "direct-id, plain");
    assert_string_equal(world_label(world, "out", "_extra"), "-");
}

static void test_project_drops(void **state)
{
    struct world *world = *state;
    assert_true(world_load(
        world, SOURCE "  p: { op: project, after: in, drop: [id, _extra, memo] }\n  out: { op: lines, after: p }\n"));
    assert_string_equal(world_run(world, visits), "out.visit {\"age\":30,\"cost\":1.5,\"ok\":true}\n"
                                                  "out.visit {\"age\":40,\"cost\":2.5,\"ok\":false}\n"
                                                  "out.visit {\"cost\":20}\n");
}

static void test_project_beside_another_reader(void **state)
{
    struct world *world = *state;
    assert_true(world_load(world, SOURCE "  p: { op: project, after: in, keep: [ok] }\n"
                                         "  few: { op: lines, after: p }\n  all: { op: lines, after: in }\n"));
    const char *output = world_run(world, "{\"id\":\"a\",\"ok\":true}\n");
    assert_non_null(strstr(output, "few.visit {\"ok\":true}\n"));
    assert_non_null(strstr(output, "all.visit {\"id\":\"a\",\"ok\":true}\n"));
    assert_int_equal(world->settled, 1);
}

static void test_project_findings(void **state)
{
    finds(state, SOURCE "  p: { op: project, after: in }\n  out: { op: lines, after: p }\n", "C101",
          "`keep` or `drop`");
    finds(state, SOURCE "  p: { op: project, after: in, keep: [id], drop: [age] }\n  out: { op: lines, after: p }\n",
          "C101", "");
    finds(state, SOURCE "  p: { op: project, after: in, drop: [ages] }\n  out: { op: lines, after: p }\n", "C020",
          "did you mean 'age'?");
    finds(state,
          SOURCE
          "  p: { op: project, after: in, drop: [id, age, cost, ok, memo, _extra] }\n  out: { op: lines, after: p }\n",
          "C102", "");
}

static const char *routed(void **state, const char *test, const char *input)
{
    struct world *world = *state;
    char nodes[512];
    (void)snprintf(nodes, sizeof nodes,
                   SOURCE "  p: { op: project, after: in, keep: [id, age, cost, ok] }\n"
                          "  r: { op: route, after: p, %s }\n  yes: { op: lines, after: r.matched }\n"
                          "  no: { op: lines, after: r.rest }\n",
                   test);
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(world->settled, world->claimed);
    return output;
}

/* Which records went to the matched side, as a word of their ids. */
static void matches(void **state, const char *test, const char *ids)
{
    const char *output = routed(state, test, visits);
    for (const char *id = "abc"; *id != '\0'; id++) {
        char yes[64], no[64];
        (void)snprintf(yes, sizeof yes, "yes.visit {\"id\":\"%c\"", *id);
        (void)snprintf(no, sizeof no, "no.visit {\"id\":\"%c\"", *id);
        bool wanted = strchr(ids, *id) != NULL;
        if ((strstr(output, yes) != NULL) != wanted || (strstr(output, no) != NULL) == wanted)
            fail_msg("'%s' should match '%s' only:\n%s", test, ids, output);
    }
}

static void test_route_tests(void **state)
{
    matches(state, "column: id, equals: b", "b");
    matches(state, "column: id, in: [a, c]", "ac");
    matches(state, "column: age, equals: 30", "a");
    matches(state, "column: age, in: [30, 40]", "ab");
    matches(state, "column: ok, equals: true", "a");
    matches(state, "column: ok, equals: false", "b");
    matches(state, "column: cost, above: 2", "bc");
    matches(state, "column: cost, above: 2, below: 3", "b");
    matches(state, "column: age, below: 40", "a");
    matches(state, "column: age, present: true", "ab");
    matches(state, "column: id, present: true", "abc");
    matches(state, "column: id, equals: z", "");
}

static void test_route_findings(void **state)
{
    static const struct {
        const char *test, *code;
    } wrong[] = {
        { "column: age", "C103" },
        { "column: age, equals: 3, present: true", "C103" },
        { "column: cost, equals: 3", "C104" },
        { "column: age, equals: old", "C104" },
        { "column: ok, equals: maybe", "C104" },
        { "column: memo, in: [a]", "C104" },
        { "column: id, above: 3", "C105" },
        { "column: idd, equals: a", "C020" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char nodes[512];
        (void)snprintf(nodes, sizeof nodes,
                       SOURCE "  r: { op: route, after: in, %s }\n  yes: { op: lines, after: r.matched }\n"
                              "  no: { op: lines, after: r.rest }\n",
                       wrong[i].test);
        finds(state, nodes, wrong[i].code, "");
    }
}

static void test_declassify(void **state)
{
    struct world *world = *state;
    assert_true(world_load(world, SOURCE
                           "  p: { op: project, after: in, keep: [age] }\n"
                           "  d: { op: declassify, after: p, columns: [age], reason: ages were published in 2020 }\n"
                           "  out: { op: sse, after: d }\n  raw: { op: lines, after: p }\n"));
    assert_string_equal(world_label(world, "out", "age"), "public, plain");
    assert_string_equal(world_label(world, "raw", "age"), "quasi-id, plain");
    const char *output = world_run(world, "{\"age\":30}\n");
    assert_non_null(strstr(output, "out.visit {\"age\":30}"));
    assert_non_null(strstr(output, "raw.visit {\"age\":30}"));
    assert_int_equal(world->rc, DV_OK);
}

static void test_declassify_is_what_lets_it_pass(void **state)
{
    finds(state, SOURCE "  p: { op: project, after: in, keep: [age] }\n  out: { op: sse, after: p }\n", "P001",
          "`age`");
}

static void test_declassify_findings(void **state)
{
    finds(state,
          SOURCE
          "  d: { op: declassify, after: in, columns: [age], reason: because }\n  out: { op: lines, after: d }\n",
          "P102", "");
    finds(state,
          SOURCE "  d: { op: declassify, after: in, columns: [_extra], reason: it was asked for }\n  out: { op: lines, "
                 "after: d }\n",
          "P101", "");
    finds(state,
          SOURCE "  d: { op: declassify, after: in, columns: [agee], reason: it was asked for }\n  out: { op: lines, "
                 "after: d }\n",
          "C020", "'age'");
    finds(state, SOURCE "  d: { op: declassify, after: in, columns: [age] }\n  out: { op: lines, after: d }\n", "C0",
          "reason");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_project_keeps, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_project_drops, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_project_beside_another_reader, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_project_findings, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_route_tests, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_route_findings, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_declassify, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_declassify_is_what_lets_it_pass, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_declassify_findings, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
