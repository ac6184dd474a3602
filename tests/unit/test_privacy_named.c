/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_named.c - numbers behind words that announce them, ages over 89, and a user's own detectors.
 *
 * shows: ANO-1 ANO-2 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/diag.h"
#include "privacy/policy.h"
#include "redact_rows.h"

static void finds_numbers_behind_words(void **state)
{
    static const struct redaction rows[] = {
        { "UNIT NO: 12-34-56", "UNIT NO: [MRN]" },
        { "chart no. 88123 pulled", "chart no. [MRN] pulled" },
        { "hx# 88123", "hx# [MRN]" },
        { "Historia cl\xC3\xADnica n\xC2\xBA 4711", "Historia cl\xC3\xADnica n\xC2\xBA [MRN]" },
        { "NHC: 12345", "NHC: [MRN]" },
        { "Expediente n\xC3\xBAmero 998877", "Expediente n\xC3\xBAmero [MRN]" },
        { "acct # 0012 3456 7890", "acct # [ACCOUNT]" },
        { "account 12345678", "account [ACCOUNT]" },
        { "Konto-Nr. 4711081", "Konto-Nr. [ACCOUNT]" },
        { "Policy No. AB-123456", "Policy No. [ID]" },
        { "p\xC3\xB3liza 9912345", "p\xC3\xB3liza [ID]" },
        { "MBR ID: XK55512", "MBR ID: [ID]" },
        { "passport 533380006", "passport [ID]" },
        { "serial number is 99812-A", "serial number is [ID]" },
        { "plate: 7ABC123", "plate: [ID]" },
        { "S/N 445-1298", "S/N [ID]" },
    };
    (void)state;
    CHECK(rows);
}

static void leaves_numbers_behind_other_words(void **state)
{
    static const struct redaction rows[] = {
        { "unit 12 of 5000", "unit 12 of 5000" },    { "account of 1999 events", "account of 1999 events" },
        { "in case 12345 fails", "in case 12345 fails" }, { "group of 50000", "group of 50000" },
        { "no. 12345", "no. 12345" },                { "patient took 40000 units", "patient took 40000 units" },
        { "file 2024 lines", "file 2024 lines" },    { "member of 12 boards", "member of 12 boards" },
        { "record high 10000", "record high 10000" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_great_ages(void **state)
{
    static const struct redaction rows[] = {
        { "a 94-year-old man", "a [AGE]-year-old man" },
        { "aged 91,", "aged [AGE]," },
        { "92 yo F", "[AGE] yo F" },
        { "Age: 101", "Age: [AGE]" },
        { "mujer de 91 a\xC3\xB1os", "mujer de [AGE] a\xC3\xB1os" },
        { "95 y/o", "[AGE] y/o" },
        { "93 years old", "[AGE] years old" },
        { "an 89-year-old man, 45 yo, aged 7", "an 89-year-old man, 45 yo, aged 7" },
        { "BP 120/95, sat 97%, age 9.5", "BP 120/95, sat 97%, age 9.5" },
        { "over 95 years of smoking", "over 95 years of smoking" },
        { "page 94", "page 94" },
        { "average 91", "average 91" },
        { "131 yo", "131 yo" },
    };
    (void)state;
    CHECK(rows);
}

/* A policy that redacts `note`, with detectors. */
#define POLICY(detectors) "name: own\nfields:\n  note: redact\ndetectors:\n" detectors

struct fixture {
    struct dv_arena arena;
    struct dv_diags diags;
};

static const struct dv_privacy_policy *parse(struct fixture *fixture, const char *text)
{
    dv_arena_init(&fixture->arena, 16 * 1024 * 1024);
    dv_diags_init(&fixture->diags, &fixture->arena);
    return dv_policy_parse("p.yaml", text, strlen(text), &fixture->arena, &fixture->diags);
}

static void check_own(const char *policy_text, uint32_t types, const struct redaction *rows, size_t count)
{
    struct fixture fixture;
    struct dv_finder finder;
    struct dv_redacted out;
    const struct dv_privacy_policy *policy = parse(&fixture, policy_text);
    assert_non_null(policy);
    assert_ptr_equal(policy->rules[0].custom, policy->custom);
    assert_int_equal(dv_finder_open(&finder, types), DV_OK);
    assert_int_equal(dv_finder_add(&finder, policy->custom), DV_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(dv_redact(&finder, &fixture.arena, rows[i].text, strlen(rows[i].text), &out), DV_OK);
        if (out.length != strlen(rows[i].redacted) || memcmp(out.text, rows[i].redacted, out.length) != 0)
            fail_msg("\"%s\" became \"%.*s\"", rows[i].text, (int)out.length, out.text);
    }
    dv_finder_close(&finder);
    dv_arena_free(&fixture.arena);
}

static const char own_detectors[] = POLICY("  - { name: STUDY_ID, pattern: '\\bST-[0-9]{4,6}\\b' }\n"
                                           "  - { name: BADGE, pattern: '\\b[0-9]{8}\\b', context: [Badge, staff], validator: luhn }\n"
                                           "  - { name: REF, pattern: '\\b[A-Z0-9]{10}\\b', validator: mod97 }\n"
                                           "  - { name: PROJECT, dictionary: [Blue Heron, nightjar, 'C++'], score: 0.5 }\n");

static void finds_what_a_user_defines(void **state)
{
    static const struct redaction rows[] = {
        { "ST-1234, ST-123456 and ST-1234567", "[STUDY_ID], [STUDY_ID] and ST-1234567" },
        { "badge 12345674", "badge [BADGE]" },
        { "badge 12345675", "badge 12345675" },
        { "lot 12345674", "lot 12345674" },
        { "project BLUE heron, nightjars", "project [PROJECT], nightjars" },
        { "in C++.", "in [PROJECT]." },
        { "ref AB00000075 AB00000076", "ref [REF] AB00000076" },
        { "ST-12345 078-05-1120 a@example.org", "[STUDY_ID] [SSN] [EMAIL]" },
        { "", "" },
    };
    (void)state;
    check_own(own_detectors, DV_PII_PATTERNS, rows, sizeof rows / sizeof *rows);
    check_own(own_detectors, 1u << DV_PII_CUSTOM, rows, 7);
}

static void names_of_a_users_detectors_pass_the_tagger(void **state)
{
    static const struct redaction rows[] = {
        { "Dr. Maria Gonzalez of nightjar wrote.", "Dr. [PERSON] of [PROJECT] wrote." },
    };
    (void)state;
    check_own(own_detectors, DV_PII_ALL, rows, 1);
}

static void too_many_findings_cover_the_rest(void **state)
{
    struct fixture fixture;
    struct dv_finder finder;
    struct dv_span spans[2];
    const char *text = "nightjar x nightjar y nightjar z";
    const struct dv_privacy_policy *policy = parse(&fixture, own_detectors);
    (void)state;
    assert_non_null(policy);
    assert_int_equal(dv_finder_open(&finder, DV_PII_PATTERNS), DV_OK);
    assert_int_equal(dv_finder_add(&finder, policy->custom), DV_OK);
    assert_int_equal(dv_find(&finder, text, strlen(text), spans, 2), 2);
    assert_int_equal(spans[1].start, 11);
    assert_int_equal(spans[1].end, strlen(text));
    dv_finder_close(&finder);
    dv_arena_free(&fixture.arena);
}

/* A section, and the place and message that refuse it. */
struct refusal {
    const char *text;
    uint32_t line, column;
    const char *message;
};

static void tells_what_is_wrong_where(void **state)
{
    static const struct refusal rows[] = {
        { POLICY("  - { name: A, pattern: '\\bST-[0-9{4,6}' }\n"), 5, 31, "bad pattern of detector 'A': Unterminated character class" },
        { POLICY("  - { name: A, pattern: 'x*' }\n"), 5, 26, "bad pattern of detector 'A': Pattern matches empty buffer" },
        { POLICY("  - { name: B, dictionary: [x] }\n  - { name: A, pattern: '(?=x)y' }\n"), 6, 0, "bad pattern of detector 'A'" },
        { POLICY("  - { name: A, pattern: '(x)\\1' }\n"), 5, 0, "bad pattern of detector 'A'" },
        { POLICY("  - { name: A }\n"), 5, 5, "nothing to look for in detector 'A'" },
        { POLICY("  - { name: A, dictionary: [''] }\n"), 5, 5, "bad list of words in detector 'A'" },
        { POLICY("  x: 1\n"), 5, 3, "no list of 'detectors'" },
        { POLICY("  - { pattern: x }\n"), 5, 5, "name" },
        { POLICY("  - { name: A, pattern: x, validator: luna }\n"), 5, 0, "validator" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture fixture;
        assert_null(parse(&fixture, rows[i].text));
        const struct dv_diag *first = fixture.diags.first;
        assert_non_null(first);
        if (strstr(first->message, rows[i].message) == NULL || (first->help == NULL && rows[i].column != 0))
            fail_msg("row %zu: %s", i, first->message);
        if (first->place.line != rows[i].line || (rows[i].column != 0 && first->place.column != rows[i].column))
            fail_msg("row %zu: %u:%u: %s", i, first->place.line, first->place.column, first->message);
        dv_arena_free(&fixture.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_numbers_behind_words),       cmocka_unit_test(leaves_numbers_behind_other_words),
        cmocka_unit_test(finds_great_ages),                 cmocka_unit_test(finds_what_a_user_defines),
        cmocka_unit_test(names_of_a_users_detectors_pass_the_tagger), cmocka_unit_test(too_many_findings_cover_the_rest),
        cmocka_unit_test(tells_what_is_wrong_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
