/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_id.c - identity numbers in texts: what names them, what they may stand beside, and what is left alone.
 *
 * Whether a number is a good one is compared with a reference library in tests/oracle.
 *
 * shows: ANO-1 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "redact_rows.h"

static void finds_numbers_that_prove_themselves(void **state)
{
    static const struct redaction rows[] = {
        { "codice RSSMRA85T10A562S ok", "codice [ID] ok" },
        { "rssmra85t10a562s", "[ID]" },
        { "DNI 12345678Z", "DNI [ID]" },
        { "seen: 12.345.678-Z,", "seen: [ID]," },
        { "X1234567L", "[ID]" },
        { "X-1234567-L", "[ID]" },
        { "756.9217.0769.85", "[ID]" },
        { "131052-308T", "[ID]" },
        { "2 55 08 14 168 025 38", "[ID]" },
        { "AB 12 34 56 C", "[ID]" },
        { "AB123456C", "[ID]" },
        { "BOXW310820HNERXN09", "[ID]" },
        { "11010519491231002X", "[ID]" },
        { "15 070649 C 103", "[ID]" },
        { "S1234567D", "[ID]" },
        { "A123456789 in Taipei", "[ID] in Taipei" },
        { "1HGCM82633A004352", "[ID]" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_numbers_in_groups(void **state)
{
    static const struct redaction rows[] = {
        { "390.533.447-05", "[ID]" },
        { "30.686.957-4", "[ID]" },
        { "811228-9874", "[ID]" },
        { "19811228-9874", "[ID]" },
        { "710319/2745", "[ID]" },
        { "85.07.30-033.28", "[ID]" },
        { "2341 2341 2346", "[ID]" },
        { "800101 5009 087", "[ID]" },
        { "046 454 286", "[ID]" },
        { "20-05536168-2", "[ID]" },
        { "11.222.333/0001-81", "[ID]" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_plain_numbers_that_are_named(void **state)
{
    static const struct redaction rows[] = {
        { "NHS no 943 476 5919", "NHS no [ID]" },
        { "NHS number: 9434765919", "NHS number: [ID]" },
        { "PESEL 44051401359", "PESEL [ID]" },
        { "BSN: 111222333", "BSN: [ID]" },
        { "OIB: 33392005961", "OIB: [ID]" },
        { "T.C. Kimlik No: 10000000146", "T.C. Kimlik No: [ID]" },
        { "TFN 123 456 782", "TFN [ID]" },
        { "ABA routing 021000021", "ABA routing [ACCOUNT]" },
        { "NPI 1234567893", "NPI [ID]" },
        { "national id 44051401359", "national id [ID]" },
        { "\xD0\x98\xD0\x9D\xD0\x9D 500100732259", "\xD0\x98\xD0\x9D\xD0\x9D [ID]" },
    };
    (void)state;
    CHECK(rows);
}

static void leaves_other_numbers(void **state)
{
    static const struct redaction rows[] = {
        { "order 44051401359", "order 44051401359" },
        { "lot 111222333 of 1434765919", "lot 111222333 of 1434765919" },
        { "12345678A", "12345678A" },
        { "2341 2341 2347", "2341 2341 2347" },
        { "RSSMRA85T10A562X", "RSSMRA85T10A562X" },
        { "at 1700000000000 ms", "at 1700000000000 ms" },
        { "isbn 978-3-16-148410-0", "isbn 978-3-16-148410-0" },
        { "QQ123456C", "QQ123456C" },
        { "v1.2.3 of 12 345 678 rows", "v1.2.3 of 12 345 678 rows" },
        { "3f2504e04f8911d39a0c0305e82c3301", "3f2504e04f8911d39a0c0305e82c3301" },
    };
    (void)state;
    CHECK(rows);
}

static void types_can_be_left_out(void **state)
{
    struct dv_finder finder;
    struct dv_span spans[4];
    const char *text = "DNI 12345678Z, ABA routing 021000021";
    (void)state;
    assert_int_equal(dv_finder_open(&finder, 1u << DV_PII_ACCOUNT | DV_PII_NO_TAGGER), DV_OK);
    assert_int_equal(dv_find(&finder, text, strlen(text), spans, 4), 1);
    assert_int_equal(spans[0].type, DV_PII_ACCOUNT);
    assert_string_equal(spans[0].why, "routing number (US)");
    dv_finder_close(&finder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_numbers_that_prove_themselves), cmocka_unit_test(finds_numbers_in_groups),
        cmocka_unit_test(finds_plain_numbers_that_are_named),  cmocka_unit_test(leaves_other_numbers),
        cmocka_unit_test(types_can_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
