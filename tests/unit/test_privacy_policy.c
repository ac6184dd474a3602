/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_policy.c - policies from YAML: every action, every error at its place, and what no rule names.
 *
 * shows: ANO-1 ANO-4 PRV-5 SYN-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "privacy/policy.h"

static const char good[] = "name: test\n"
                           "fields:\n"
                           "  patient_id: { pseudonym: { domain: patient, prefix: pt_ } }\n"
                           "  raw_id: { pseudonym: { bare: true } }\n"
                           "  name: drop\n"
                           "  ssn: { mask: { style: ssn, keep: 4 } }\n"
                           "  email: { mask: { style: email } }\n"
                           "  card: { mask: { style: alnum, keep: 2 } }\n"
                           "  age: { generalize: { to: age-band, width: 5, top: 85 } }\n"
                           "  visit: { generalize: { to: quarter } }\n"
                           "  zip: { generalize: { to: zip3 } }\n"
                           "  amount: { generalize: { to: number, width: 100 } }\n"
                           "  diagnosis: keep\n"
                           "  note: redact\n"
                           "classes:\n"
                           "  direct-id: drop\n"
                           "  free-text: redact\n";

struct fixture {
    struct dv_arena arena;
    struct dv_diags diags;
};

static const struct dv_privacy_policy *parse(struct fixture *fixture, const char *text)
{
    dv_arena_init(&fixture->arena, 1024 * 1024);
    dv_diags_init(&fixture->diags, &fixture->arena);
    return dv_policy_parse("p.yaml", text, strlen(text), &fixture->arena, &fixture->diags);
}

static void reads_every_action(void **state)
{
    struct fixture fixture;
    const struct dv_privacy_policy *policy = parse(&fixture, good);
    (void)state;
    assert_non_null(policy);
    assert_string_equal(policy->name, "test");
    assert_int_equal(policy->rule_count, 12);
    const struct dv_rule *rule = dv_policy_rule(policy, "patient_id");
    assert_int_equal(rule->action, DV_ACTION_PSEUDONYM);
    assert_string_equal(rule->pseudonym.domain, "patient");
    assert_string_equal(rule->pseudonym.prefix, "pt_");
    assert_int_equal(rule->pseudonym.bytes, 20);
    assert_true(dv_policy_rule(policy, "raw_id")->pseudonym.bare);
    assert_int_equal(dv_policy_rule(policy, "name")->action, DV_ACTION_DROP);
    assert_int_equal(dv_policy_rule(policy, "ssn")->mask.style, DV_MASK_SSN);
    assert_int_equal(dv_policy_rule(policy, "ssn")->mask.keep, 4);
    assert_int_equal(dv_policy_rule(policy, "email")->mask.keep, 1);
    assert_int_equal(dv_policy_rule(policy, "card")->mask.style, DV_MASK_ALNUM);
    rule = dv_policy_rule(policy, "age");
    assert_int_equal(rule->to, DV_TO_AGE_BAND);
    assert_int_equal(rule->band.width, 5);
    assert_int_equal(rule->band.top, 85);
    assert_int_equal(dv_rule_date_part(dv_policy_rule(policy, "visit")), DV_DATE_QUARTER);
    assert_int_equal(dv_policy_rule(policy, "zip")->to, DV_TO_ZIP3);
    assert_int_equal(dv_policy_rule(policy, "amount")->band.width, 100);
    assert_int_equal(dv_policy_rule(policy, "diagnosis")->action, DV_ACTION_KEEP);
    assert_int_equal(dv_policy_rule(policy, "note")->place.line, 14);
    dv_arena_free(&fixture.arena);
}

static void unnamed_field_has_no_rule(void **state)
{
    struct fixture fixture;
    const struct dv_privacy_policy *policy = parse(&fixture, good);
    (void)state;
    assert_non_null(policy);
    assert_null(dv_policy_rule(policy, "phone"));
    assert_null(dv_policy_rule(policy, "Name"));
    assert_null(dv_policy_rule_for(policy, "phone", DV_CLASS_PUBLIC, DV_TYPE_TEXT));
    assert_null(dv_policy_rule_for(policy, "phone", DV_CLASS_QUASI_ID, DV_TYPE_TEXT));
    assert_int_equal(dv_policy_rule_for(policy, "phone", DV_CLASS_DIRECT_ID, DV_TYPE_TEXT)->action, DV_ACTION_DROP);
    assert_int_equal(dv_policy_rule_for(policy, "memo", DV_CLASS_FREE_TEXT, DV_TYPE_TEXT)->action, DV_ACTION_REDACT);
    assert_int_equal(dv_policy_rule_for(policy, "diagnosis", DV_CLASS_DIRECT_ID, DV_TYPE_TEXT)->action, DV_ACTION_KEEP);
    dv_arena_free(&fixture.arena);
}

static void labels_follow_actions(void **state)
{
    static const enum dv_form forms[DV_ACTION_COUNT] = {
        [DV_ACTION_KEEP] = DV_FORM_PLAIN,           [DV_ACTION_DROP] = DV_FORM_PLAIN,
        [DV_ACTION_MASK] = DV_FORM_MASKED,          [DV_ACTION_PSEUDONYM] = DV_FORM_PSEUDONYM,
        [DV_ACTION_GENERALIZE] = DV_FORM_GENERALIZED, [DV_ACTION_REDACT] = DV_FORM_REDACTED,
        [DV_ACTION_SHIFT] = DV_FORM_GENERALIZED,    [DV_ACTION_BUCKET] = DV_FORM_GENERALIZED,
        [DV_ACTION_ROUND] = DV_FORM_GENERALIZED,    [DV_ACTION_SURROGATE] = DV_FORM_PSEUDONYM,
    };
    (void)state;
    for (int action = 0; action < DV_ACTION_COUNT; action++) {
        struct dv_rule rule = { .action = (enum dv_action)action };
        if (rule.action == DV_ACTION_DROP)
            continue;
        struct dv_label label = dv_rule_label(&rule, dv_label(DV_CLASS_QUASI_ID, DV_FORM_PLAIN));
        assert_true(dv_label_equal(label, dv_label(DV_CLASS_QUASI_ID, forms[action])));
    }
}

/* What changes too little to hide anybody leaves the label as it was. */
static void weak_rules_keep_the_label(void **state)
{
    static const struct dv_rule rules[] = {
        { .action = DV_ACTION_GENERALIZE, .to = DV_TO_NUMBER },
        { .action = DV_ACTION_BUCKET },
        { .action = DV_ACTION_ROUND },
        { .action = DV_ACTION_GENERALIZE, .to = DV_TO_DAY },
    };
    struct dv_label plain = dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN);
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        assert_true(dv_label_equal(dv_rule_label(&rules[i], plain), plain));
    plain = dv_label(DV_CLASS_QUASI_ID, DV_FORM_PLAIN);
    assert_true(dv_label_equal(dv_rule_label(&rules[3], plain), plain));
    assert_int_equal(dv_rule_label(&rules[1], plain).form, DV_FORM_GENERALIZED);
}

static void rules_by_class_and_type(void **state)
{
    static const char text[] = "name: level\nclasses:\n  quasi-id: drop\n  quasi-id/int: { bucket: { width: 5 } }\n"
                               "  quasi-id/float: { round: { to: 10 } }\n";
    struct fixture fixture;
    const struct dv_privacy_policy *policy = parse(&fixture, text);
    (void)state;
    assert_non_null(policy);
    assert_int_equal(dv_policy_rule_for(policy, "x", DV_CLASS_QUASI_ID, DV_TYPE_TEXT)->action, DV_ACTION_DROP);
    const struct dv_rule *rule = dv_policy_rule_for(policy, "x", DV_CLASS_QUASI_ID, DV_TYPE_INT);
    assert_int_equal(rule->action, DV_ACTION_BUCKET);
    assert_int_equal(rule->band.width, 5);
    assert_int_equal(dv_rule_type(rule, DV_TYPE_INT), DV_TYPE_TEXT);
    rule = dv_policy_rule_for(policy, "x", DV_CLASS_QUASI_ID, DV_TYPE_FLOAT);
    assert_int_equal(rule->round_to, 10);
    assert_int_equal(dv_rule_type(rule, DV_TYPE_FLOAT), DV_TYPE_FLOAT);
    assert_null(dv_policy_rule_for(policy, "x", DV_CLASS_DIRECT_ID, DV_TYPE_INT));
    dv_arena_free(&fixture.arena);
}

/* A file, the line and part of the message of its one error. */
static void tells_errors(void **state)
{
    static const struct {
        const char *text;
        uint32_t line;
        const char *message, *help;
    } rows[] = {
        { "name: x\nfields:\n  a: dorp\n", 3, "unknown action 'dorp' for 'a'", "drop" },
        { "name: x\nfields:\n  a: { maks: { style: ssn } }\n", 3, "unknown action 'maks' for 'a'", "mask" },
        { "name: x\nfields:\n  a: { mask: { stile: ssn } }\n", 3, "stile", "style" },
        { "name: x\nfields:\n  a: { mask: { style: sn } }\n", 3, "sn", "ssn" },
        { "name: x\nfields:\n  a: { mask: { style: ssn, keep: 5 } }\n", 3, "readable of 'a'", "4" },
        { "name: x\nfields:\n  a: mask\n", 3, "options for 'a'", "mask" },
        { "name: x\nfields:\n  a: pseudonym\n", 3, "options for 'a'", "domain" },
        { "name: x\nfields:\n  a: generalize\n", 3, "options for 'a'", "year" },
        { "name: x\nfields:\n  a: { drop: {} }\n", 3, "no options for 'a'", "alone" },
        { "name: x\nfields:\n  a: { mask: {}, drop: {} }\n", 3, "not one action for 'a'", "ACTION" },
        { "name: x\nfields:\n  a: { pseudonym: { prefix: p_ } }\n", 3, "no domain for 'a'", "domain" },
        { "name: x\nfields:\n  a: { pseudonym: { domain: d, prefix: 'P P' } }\n", 3, "bad prefix for 'a'", "a-z" },
        { "name: x\nfields:\n  a: { generalize: { width: 10 } }\n", 3, "hierarchy for 'a'", "year" },
        { "name: x\nfields:\n  a: { generalize: { to: relative-week } }\n", 3, "count weeks from for 'a'", "since" },
        { "name: x\nfields:\n  a: { generalize: { to: relative-week, since: 2023-02-29 } }\n", 3, "no day", "since" },
        { "name: x\nfields:\n  a: { generalize: { hierarchy: none.csv } }\n", 3, "cannot read the hierarchy", "No such" },
        { "name: x\nfields:\n  a: { generalize: { to: year, hierarchy: none.csv } }\n", 3, "for 'a'", "level" },
        { "name: x\nfields:\n  a: shift\n", 3, "options for 'a'", "subject" },
        { "name: x\nfields:\n  a: { shift: { days: 0 } }\n", 3, "days", NULL },
        { "name: x\nfields:\n  a: { shift: { by: me } }\n", 3, "must be one of subject", NULL },
        { "name: x\nfields:\n  a: { surrogate: { style: fake } }\n", 3, "for 'a'", "domain" },
        { "name: x\nfields:\n  a: { surrogate: { domain: d, type: emial } }\n", 3, "no type of personal data 'emial'", "EMAIL" },
        { "name: x\nfields:\n  a: { redact: { with: surrogate } }\n", 3, "for 'a'", "domain" },
        { "name: x\nfields:\n  a: { round: {} }\n", 3, "to", NULL },
        { "name: x\nclasses:\n  quasi-id/itn: drop\n", 3, "unknown type 'itn'", "int" },
        { "name: x\nclasses:\n  quasi/int: drop\n", 3, "unknown class 'quasi'", NULL },
        { "name: x\nfields:\n  a: { generalize: { to: age-band, width: 1 } }\n", 3, "width", NULL },
        { "name: x\nfields:\n  a:\n", 3, "no action for 'a'", "FIELD" },
        { "name: x\nfields:\n  a: [drop]\n", 3, "no action for 'a'", "FIELD" },
        { "name: x\nfields: drop\n", 2, "'fields'", "FIELD" },
        { "name: x\nfields:\n  a: drop\nclases:\n  direct-id: drop\n", 4, "clases", "classes" },
        { "name: x\nfields:\n  a: drop\nclasses:\n  direct-di: drop\n", 5, "unknown class 'direct-di'", "direct-id" },
        { "fields:\n  a: drop\n", 1, "name", NULL },
        { "name: x\n", 1, "no rules in 'x'", "classes" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture fixture;
        if (parse(&fixture, rows[i].text) != NULL)
            fail_msg("accepted: %s", rows[i].text);
        assert_int_equal(fixture.diags.count, 1);
        const struct dv_diag *diag = fixture.diags.first;
        if (diag->place.line != rows[i].line || strstr(diag->message, rows[i].message) == NULL)
            fail_msg("line %u: %s", (unsigned)diag->place.line, diag->message);
        if (rows[i].help != NULL && (diag->help == NULL || strstr(diag->help, rows[i].help) == NULL))
            fail_msg("%s: help %s", diag->message, diag->help != NULL ? diag->help : "(none)");
        dv_arena_free(&fixture.arena);
    }
}

static void tells_all_errors_at_once(void **state)
{
    struct fixture fixture;
    (void)state;
    assert_null(parse(&fixture, "fields:\n  a: dorp\n  b: { mask: { keep: 99 } }\nclasses:\n  c: drop\n"));
    assert_int_equal(fixture.diags.count, 4);
    dv_arena_free(&fixture.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_action),       cmocka_unit_test(unnamed_field_has_no_rule),
        cmocka_unit_test(labels_follow_actions),    cmocka_unit_test(weak_rules_keep_the_label),
        cmocka_unit_test(rules_by_class_and_type),  cmocka_unit_test(tells_errors),
        cmocka_unit_test(tells_all_errors_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
