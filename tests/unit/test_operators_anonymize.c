/* SPDX-License-Identifier: Apache-2.0
 * test_operators_anonymize.c - every field gets what its policy says, and a record that cannot be done goes nowhere.
 * shows: ANO-1 ANO-2 ANO-3 ANO-4 PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/unit/operators_world.h"

#define GRAPH                                                                                                          \
    "  in: { op: source, from: text, schema: visit }\n"                                                                \
    "  a: { op: anonymize, after: in, policy: safe, key: \"env:DV_TEST_KEY\" }\n"                                      \
    "  out: { op: lines, after: a }\n"

static const char safe[] = "name: safe\nfields:\n"
                           "  id: { pseudonym: { bare: true } }\n"
                           "  number: { pseudonym: { domain: visit, prefix: v } }\n"
                           "  name: drop\n"
                           "  ssn: { mask: { style: ssn } }\n"
                           "  email: { mask: { style: email } }\n"
                           "  age: { generalize: { to: age-band, width: 10, top: 90 } }\n"
                           "  day: { generalize: { to: month } }\n"
                           "  zip: { generalize: { to: zip3 } }\n"
                           "  cost: { generalize: { to: number, width: 100 } }\n"
                           "  note: redact\n"
                           "classes:\n  public: keep\n";

static int setup(void **state)
{
    (void)world_setup(state);
    (void)setenv("DV_TEST_KEY", "datavault-hmac-key-0123456789abcd", 1);
    world_file(*state, "policies/safe.yaml", safe);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n"
               "  id: { type: text, class: direct-id }\n"
               "  number: { type: int, class: direct-id }\n"
               "  name: { type: text, class: direct-id }\n"
               "  ssn: { type: text, class: direct-id }\n"
               "  email: { type: text, class: direct-id }\n"
               "  age: { type: int, class: quasi-id }\n"
               "  day: { type: text, class: quasi-id }\n"
               "  zip: { type: text, class: quasi-id }\n"
               "  cost: { type: float, class: sensitive }\n"
               "  note: { type: text, class: free-text }\n"
               "  ward: { type: text, class: public }\n");
    return 0;
}

static void test_every_transform(void **state)
{
    struct world *world = *state;
    if (!world_load(world, GRAPH))
        fail_msg("%s", world->findings);
    const char *output = world_run(
        world, "{\"id\":\"P00000000\",\"number\":77,\"name\":\"Ann Lee\",\"ssn\":\"123-45-6789\","
               "\"email\":\"ann@example.com\",\"age\":37,\"day\":\"2024-03-18\",\"zip\":\"12345\",\"cost\":250.5,"
               "\"note\":\"mail ann@example.com\",\"ward\":\"B\",\"other\":\"x\"}\n");
    assert_int_equal(world->rc, DV_OK);
    assert_null(strstr(output, "Ann"));
    assert_null(strstr(output, "other"));
    assert_null(strstr(output, "P00000000"));
    assert_non_null(
        strstr(output, "\"ssn\":\"***-**-6789\",\"email\":\"a***@example.com\",\"age\":\"30-39\",\"day\":\"2024-03\","
                       "\"zip\":\"123\",\"cost\":\"[200,300)\",\"note\":\"mail [EMAIL]\",\"ward\":\"B\"}\n"));
    assert_non_null(strstr(output, "\"id\":\"0657752dbebebdf694b1f698fdd70534177aa58fbbc7c709c3092f7232011165\""));
    assert_non_null(strstr(output, "\"number\":\"vv1_"));
    assert_int_equal(world->settled, 1);
}

static void test_labels(void **state)
{
    static const struct {
        const char *column, *label, *type;
    } expected[] = {
        { "id", "direct-id, pseudonym", "text" },
        { "number", "direct-id, pseudonym", "text" },
        { "name", "-", "-" },
        { "ssn", "direct-id, masked", "text" },
        { "email", "direct-id, masked", "text" },
        { "age", "quasi-id, generalized", "text" },
        { "day", "quasi-id, generalized", "text" },
        { "cost", "sensitive, generalized", "text" },
        { "note", "free-text, redacted", "text" },
        { "ward", "public, plain", "text" },
        { "_extra", "-", "-" },
    };
    struct world *world = *state;
    assert_true(world_load(world, GRAPH));
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_string_equal(world_label(world, "out", expected[i].column), expected[i].label);
        assert_string_equal(world_type(world, "out", expected[i].column), expected[i].type);
    }
}

static void test_numbers_in_text(void **state)
{
    struct world *world = *state;
    world_file(world, "schemas/visit.yaml",
               "name: visit\nfields:\n  age: { type: text, class: quasi-id }\n"
               "  cost: { type: text, class: sensitive }\n  size: { type: int, class: sensitive }\n"
               "  ward: { type: int, class: quasi-id }\n");
    world_file(world, "policies/safe.yaml",
               "name: safe\nfields:\n  age: { generalize: { to: age-band } }\n"
               "  cost: { generalize: { to: number, width: 10 } }\n"
               "  size: { generalize: { to: number, width: 10 } }\n  ward: { mask: { keep: 1 } }\n");
    assert_true(world_load(world, GRAPH));
    assert_string_equal(world_run(world, "{\"age\":\"41\",\"cost\":\"12.5\",\"size\":-3,\"ward\":1234}\n"),
                        "out.visit {\"age\":\"40-49\",\"cost\":\"[10,20)\",\"size\":\"[-10,0)\",\"ward\":\"***4\"}\n");
}

static void test_missing_stays_missing(void **state)
{
    struct world *world = *state;
    assert_true(world_load(world, GRAPH));
    assert_string_equal(world_run(world, "{\"ward\":\"A\"}\n{\"ward\":\"B\",\"age\":null}\n"),
                        "out.visit {\"ward\":\"A\"}\nout.visit {\"ward\":\"B\"}\n");
}

static void test_rejected_as_it_came(void **state)
{
    struct world *world = *state;
    assert_true(world_load(world, GRAPH));
    const char *output = world_run(world, "{\"id\":\"a\",\"age\":10,\"ward\":\"A\"}\n"
                                          "{\"id\":\"b\",\"age\":400,\"ward\":\"B\"}\n"
                                          "{\"id\":\"c\",\"day\":\"18.3.2024\",\"ward\":\"C\"}\n"
                                          "{\"id\":\"d\",\"age\":20,\"ward\":\"D\"}\n");
    assert_int_equal(world->rc, DV_OK);
    assert_non_null(strstr(output, "\"10-19\",\"ward\":\"A\""));
    assert_non_null(strstr(output, "\"20-29\",\"ward\":\"D\""));
    assert_null(strstr(output, "\"B\""));
    assert_null(strstr(output, "\"C\""));
    assert_int_equal(world->letter_count, 2);
    assert_string_equal(world->letter[0].payload, "{\"id\":\"b\",\"age\":400,\"ward\":\"B\"}");
    assert_int_equal(world->letter[0].code, DV_E_DATA);
    assert_non_null(strstr(world->letter[0].reason, "generalizes"));
    assert_string_equal(world->letter[1].payload, "{\"id\":\"c\",\"day\":\"18.3.2024\",\"ward\":\"C\"}");
}

static void test_many_batches_and_another_reader(void **state)
{
    struct world *world = *state;
    assert_true(world_load(world, GRAPH "  raw: { op: lines, after: in }\n"));
    const char *output =
        world_run(world, "{\"ssn\":\"123-45-6789\",\"ward\":\"A\"}\n\n{\"ssn\":\"987-65-4321\",\"ward\":\"B\"}\n");
    assert_non_null(strstr(output, "out.visit {\"ssn\":\"***-**-6789\",\"ward\":\"A\"}"));
    assert_non_null(strstr(output, "out.visit {\"ssn\":\"***-**-4321\",\"ward\":\"B\"}"));
    assert_non_null(strstr(output, "raw.visit {\"ssn\":\"123-45-6789\",\"ward\":\"A\"}"));
    assert_int_equal(world->settled, 2);
}

static void test_keyring_pseudonyms(void **state)
{
    struct world *world = *state;
    static const char nodes[] = "  in: { op: source, from: text, schema: visit }\n"
                                "  a: { op: anonymize, after: in, policy: safe }\n"
                                "  out: { op: lines, after: a }\n";
    world_keyring(world);
    assert_true(world_load(world, nodes));
    char first[256];
    (void)snprintf(first, sizeof first, "%s", world_run(world, "{\"number\":77}\n"));
    assert_int_equal(world->rc, DV_OK);
    assert_non_null(strstr(first, "\"number\":\"vv1_"));
    assert_true(world_load(world, nodes));
    assert_string_equal(world_run(world, "{\"number\":77}\n"), first);
}

static void fails_to_open(void **state, const char *nodes, dv_rc rc, const char *text)
{
    struct world *world = *state;
    assert_true(world_load(world, nodes));
    (void)world_run(world, "{\"id\":\"a\"}\n");
    assert_int_equal(world->rc, rc);
    assert_non_null(strstr(world->error.text, text));
    assert_int_equal(world->output_length, 0);
}

static void test_no_key(void **state)
{
    fails_to_open(state,
                  "  in: { op: source, from: text, schema: visit }\n  a: { op: anonymize, after: in, policy: safe }\n"
                  "  out: { op: lines, after: a }\n",
                  DV_E_KEY, "keyring");
    (void)setenv("DV_TEST_KEY", "short", 1);
    fails_to_open(state, GRAPH, DV_E_KEY, "too short");
    (void)unsetenv("DV_TEST_KEY");
    fails_to_open(state, GRAPH, DV_E_MISSING, "DV_TEST_KEY");
}

static void finds(void **state, const char *policy, const char *code, const char *text)
{
    struct world *world = *state;
    world_file(world, "policies/safe.yaml", policy);
    assert_false(world_load(world, GRAPH));
    if (strstr(world->findings, code) == NULL || strstr(world->findings, text) == NULL)
        fail_msg("expected %s and '%s' in:\n%s", code, text, world->findings);
}

static void test_findings(void **state)
{
    static const char rest[] =
        "classes: { direct-id: drop, quasi-id: drop, sensitive: drop, free-text: drop, public: drop }\n";
    char policy[512];
    finds(state, "name: safe\nfields:\n  id: drop\n", "P104", "no rule for column `ssn`");
    finds(state, "name: safe\nfields:\n  id: drop\n", "P104", "no rule for column `ward`");
    (void)snprintf(policy, sizeof policy, "name: safe\nfields:\n  id: drop\n%s", rest);
    finds(state, policy, "C102", "drops every column");
    (void)snprintf(policy, sizeof policy, "name: safe\nfields:\n  cost: redact\n%s", rest);
    finds(state, policy, "C120", "'redact' cannot be applied to column `cost` of type float");
    (void)snprintf(policy, sizeof policy, "name: safe\nfields:\n  number: { generalize: { to: year } }\n%s", rest);
    finds(state, policy, "C120", "policies/safe.yaml:3:");
    (void)snprintf(policy, sizeof policy, "name: safe\nfields:\n  id: scramble\n%s", rest);
    finds(state, policy, "C004", "scramble");
}

static void test_no_policy(void **state)
{
    struct world *world = *state;
    assert_false(world_load(world,
                            "  in: { op: source, from: text, schema: visit }\n"
                            "  a: { op: anonymize, after: in, policy: safest }\n  out: { op: lines, after: a }\n"));
    assert_non_null(strstr(world->findings, "C032"));
}

static void test_proof(void **state)
{
    struct world *world = *state;
    static const char kept[] = "name: safe\nfields:\n  ssn: keep\nclasses: { direct-id: drop, quasi-id: drop, "
                               "sensitive: drop, free-text: drop, public: keep }\n";
    world_file(world, "policies/safe.yaml", kept);
    assert_false(world_load(world, "  in: { op: source, from: text, schema: visit }\n"
                                   "  a: { op: anonymize, after: in, policy: safe }\n  out: { op: file, after: a }\n"));
    assert_non_null(strstr(world->findings, "P001"));
    assert_non_null(strstr(world->findings, "`ssn`"));
    assert_null(strstr(world->findings, "`ward`"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_transform, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_labels, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_numbers_in_text, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_missing_stays_missing, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_rejected_as_it_came, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_many_batches_and_another_reader, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_keyring_pseudonyms, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_no_key, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_findings, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_no_policy, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_proof, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
