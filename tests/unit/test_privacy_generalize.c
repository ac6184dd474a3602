/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_generalize.c - the calendar against counting, dates moved and put back, codes, hierarchies, rounding.
 *
 * shows: ANO-4 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "privacy/date.h"
#include "privacy/generalize.h"
#include "privacy/shift.h"

static char memory[256];

static struct dv_buffer room(void)
{
    memset(memory, '#', sizeof memory);
    return (struct dv_buffer){ .text = memory, .size = 128, .length = 77 };
}

static void expect(dv_rc rc, const struct dv_buffer *out, const char *value, const char *expected)
{
    if (expected == NULL ? rc != DV_E_DATA || out->length != 0
                         : rc != DV_OK || out->length != strlen(expected) || memcmp(out->text, expected, out->length) != 0)
        fail_msg("\"%s\" became %d \"%.*s\", not \"%s\"", value, rc, (int)out->length, out->text,
                 expected != NULL ? expected : "an error");
}

/* Every day there is, one after the other: the numbers follow each other and go back to the same day. */
static void calendar_counts_days(void **state)
{
    struct dv_date date = { 1, 1, 1 };
    struct dv_date back = { 0 };
    (void)state;
    for (int64_t days = -719162; days <= 2932896; days++) {
        if (dv_date_days(&date) != days || !dv_date_from_days(days, &back) || memcmp(&date, &back, sizeof date) != 0)
            fail_msg("day %lld", (long long)days);
        date.day++;
        if (!dv_date_exists(&date))
            date = (struct dv_date){ date.month == 12 ? date.year + 1 : date.year, date.month % 12 + 1, 1 };
    }
    assert_int_equal(date.year, 10000);
    assert_false(dv_date_from_days(-719163, &back) || dv_date_from_days(2932897, &back));
}

static void dates_are_cut(void **state)
{
    static const struct {
        enum dv_date_part part;
        const char *value, *cut;
    } rows[] = {
        { DV_DATE_DAY, "2024-03-18T07:20:02Z", "2024-03-18" }, { DV_DATE_WEEK, "2024-03-18", "2024-W12" },
        { DV_DATE_WEEK, "2021-01-03", "2020-W53" },            { DV_DATE_WEEK, "2024-12-30", "2025-W01" },
        { DV_DATE_WEEK, "2005-01-01", "2004-W53" },            { DV_DATE_WEEK, "2008-12-29", "2009-W01" },
        { DV_DATE_DECADE, "1999-12-31", "1990s" },             { DV_DATE_DECADE, "0009-01-01", "0000s" },
        { DV_DATE_DAY, "2023-02-29", NULL },                   { DV_DATE_WEEK, "18.3.2024", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_buffer out = room();
        dv_rc rc = dv_date_cut(rows[i].part, rows[i].value, strlen(rows[i].value), &out);
        expect(rc, &out, rows[i].value, rows[i].cut);
    }
}

static void weeks_are_counted_from_a_day(void **state)
{
    static const struct {
        const char *value, *week;
    } rows[] = { { "2024-01-01", "W+0" },  { "2024-01-07", "W+0" },  { "2024-01-08", "W+1" }, { "2023-12-31", "W-1" },
                 { "2023-12-25", "W-1" },  { "2023-12-24", "W-2" },  { "2024-1-1", NULL },    { "", NULL } };
    const struct dv_date from = { 2024, 1, 1 };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_buffer out = room();
        dv_rc rc = dv_date_relative_week(dv_date_days(&from), rows[i].value, strlen(rows[i].value), &out);
        expect(rc, &out, rows[i].value, rows[i].week);
    }
}

static void dates_move_as_they_are_written(void **state)
{
    static const struct {
        int64_t days;
        const char *value, *moved;
    } rows[] = {
        { 1, "2024-02-28", "2024-02-29" },
        { -60, "2024-03-01T07:20:02.5+02:00", "2024-01-01T07:20:02.5+02:00" },
        { 365, "2023-12-31 23:59", "2024-12-30 23:59" },
        { 1, "9999-12-31", NULL },
        { 1, "2024-02-30", NULL },
        { 1, "March 18", NULL },
    };
    static const struct {
        int64_t days;
        const char *value, *moved;
    } words[] = {
        { 14, "3/18/2024", "4/1/2024" },
        { 14, "03/18/2024", "04/01/2024" },
        { 1, "18/03/2024", "19/03/2024" },
        { 1, "31.12.23", "01.01.24" },
        { 1, "01 Mar 2024", "02 Mar 2024" },
        { 1, "2024/02/28", "2024/02/29" },
        { 1, "March 18, 2024", "March 19, 2024" },
        { 3, "Monday, March 18th, 2024", "Thursday, March 21st, 2024" },
        { 14, "Mon 18 Mar 2024", "Mon 1 Apr 2024" },
        { 60, "18 MARCH 2024", "17 MAY 2024" },
        { 365, "the 1st of May 1999", "the 30th of April 2000" },
        { 1, "sept 30 2024", "october 1 2024" },
        { 1, "3/18/2024 07:20", "3/19/2024 07:20" },
        { 1, "2024-03-18T07:20:02Z", "2024-03-19T07:20:02Z" },
        { 1, "12/31/68", NULL },
        { 1, "March 18", NULL },
        { 1, "2024", NULL },
        { 1, "last Monday", NULL },
        { 1, "13/32/2024", NULL },
        { 1, "3/18/2024 John", NULL },
        { 1, "3/18/2024 12345678901234567890 12345", NULL },
        { 1, "may may may", NULL },
        { 1, "1.2.3.4", NULL },
        { 1, "", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_buffer out = room();
        dv_rc rc = dv_date_move(rows[i].days, rows[i].value, strlen(rows[i].value), &out);
        expect(rc, &out, rows[i].value, rows[i].moved);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct dv_buffer out = room();
        dv_rc rc = dv_date_move_words(words[i].days, words[i].value, strlen(words[i].value), &out);
        expect(rc, &out, words[i].value, words[i].moved);
    }
}

static void shifts_are_even_and_never_none(void **state)
{
    enum { DAYS = 5, PEOPLE = 20000 };
    struct dv_pseudonym maker;
    uint32_t seen[2 * DAYS + 1] = { 0 };
    (void)state;
    const struct dv_pseudonym_options how = { .domain = DV_SHIFT_DOMAIN };
    assert_int_equal(dv_pseudonym_init(&maker, (const unsigned char *)"0123456789abcdef", 16, &how), DV_OK);
    for (int i = 0; i < PEOPLE; i++) {
        char subject[16];
        size_t length = (size_t)snprintf(subject, sizeof subject, "P%d", i);
        int64_t days = dv_shift_days(&maker, subject, length, DAYS);
        assert_true(days >= -DAYS && days <= DAYS && days != 0);
        assert_int_equal(days, dv_shift_days(&maker, subject, length, DAYS));
        seen[days + DAYS]++;
    }
    assert_int_equal(seen[DAYS], 0);
    /* The key is fixed, so this is no matter of luck: each of ten offsets within a tenth of its share. */
    for (int i = 0; i <= 2 * DAYS; i++)
        assert_true(i == DAYS || (seen[i] > PEOPLE / 10 * 9 / 10 && seen[i] < PEOPLE / 10 * 11 / 10));
}

static void codes_become_blocks(void **state)
{
    static const struct {
        const char *value, *category, *block, *chapter;
    } rows[] = {
        { "E11.9", "E11", "E08-E13", "E00-E89" },   { "e119", "E11", "E08-E13", "E00-E89" },
        { "S72.001A", "S72", "S70-S79", "S00-T88" }, { "C4A.0", "C4A", "C43-C44", "C00-D49" },
        { "C44", "C44", "C43-C44", "C00-D49" },      { "D50", "D50", "D50-D53", "D50-D89" },
        { "H60.1", "H60", "H60-H62", "H60-H95" },    { "O9A.11", "O9A", "O94-O9A", "O00-O9A" },
        { "F00.1", "F00", "F01-F09", "F01-F99" },    { "Z99", "Z99", "Z77-Z99", "Z00-Z99" },
        { "E11.", NULL, NULL, NULL },                { "E1", NULL, NULL, NULL },
        { "11E", NULL, NULL, NULL },                 { "E11.12345", NULL, NULL, NULL },
        { "E11 9", NULL, NULL, NULL },               { "diabetes", NULL, NULL, NULL },
        { "", NULL, NULL, NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *expected[] = { rows[i].category, rows[i].block, rows[i].chapter };
        for (int part = 0; part < 3; part++) {
            struct dv_buffer out = room();
            dv_rc rc = dv_icd10((enum dv_icd10_part)part, rows[i].value, strlen(rows[i].value), &out);
            expect(rc, &out, rows[i].value, expected[part]);
        }
    }
}

static const struct dv_hierarchy *parse(struct dv_arena *arena, const char *text, uint32_t *line, const char **why)
{
    static char copy[512];
    dv_arena_init(arena, 1024 * 1024);
    memcpy(copy, text, strlen(text) + 1);
    return dv_hierarchy_parse(copy, strlen(copy), arena, line, why);
}

static void hierarchies_are_read(void **state)
{
    struct dv_arena arena;
    uint32_t line = 0;
    uint32_t length = 0;
    const char *why = NULL;
    const struct dv_hierarchy *table =
        parse(&arena, "Lyon;Rh\xC3\xB4ne;France\r\n\"a;\"\"b\"\"\";;*\nBern;Bern;Schweiz", &line, &why);
    (void)state;
    assert_non_null(table);
    assert_int_equal(dv_hierarchy_levels(table), 2);
    const char *found = dv_hierarchy_find(table, 2, "Lyon", 4, &length);
    assert_true(length == 6 && memcmp(found, "France", 6) == 0);
    assert_non_null(dv_hierarchy_find(table, 1, "a;\"b\"", 5, &length));
    assert_int_equal(length, 0);
    found = dv_hierarchy_find(table, 2, "Bern", 4, &length);
    assert_true(length == 7 && memcmp(found, "Schweiz", 7) == 0);
    assert_null(dv_hierarchy_find(table, 1, "lyon", 4, &length));
    assert_null(dv_hierarchy_find(table, 1, "", 0, &length));
    dv_arena_free(&arena);
}

static void hierarchies_are_refused(void **state)
{
    static const struct {
        const char *text, *why;
        uint32_t line;
    } rows[] = {
        { "", "empty", 1 },
        { "a\nb", "1 to 16 levels", 1 },
        { "a;1\nb;2;3", "as many levels", 2 },
        { "a;1\nb", "as many levels", 2 },
        { "a;1\n\"b;2", "not closed", 2 },
        { "a;1\n\"b\"x;2", "goes on", 2 },
        { "a;1\nb;2\na;3", "earlier line", 3 },
        { "a;1;2;3;4;5;6;7;8;9;0;1;2;3;4;5;6;7", "1 to 16 levels", 1 },
        { "a;1\n\n", "as many levels", 2 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_arena arena;
        uint32_t line = 0;
        const char *why = NULL;
        if (parse(&arena, rows[i].text, &line, &why) != NULL)
            fail_msg("accepted: %s", rows[i].text);
        if (line != rows[i].line || strstr(why, rows[i].why) == NULL)
            fail_msg("row %zu: line %u: %s", i, (unsigned)line, why);
        dv_arena_free(&arena);
    }
}

static void numbers_are_rounded(void **state)
{
    static const struct {
        int64_t to, number, rounded;
    } rows[] = { { 100, 149, 100 },   { 100, 150, 200 }, { 100, -149, -100 },         { 100, -150, -200 },
                 { 7, 3, 0 },         { 7, 4, 7 },       { 1000000000, 499999999, 0 }, { 2, 0, 0 } };
    int64_t whole = 0;
    double number = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(dv_round_int(rows[i].to, rows[i].number, &whole), DV_OK);
        assert_int_equal(whole, rows[i].rounded);
        assert_int_equal(dv_round_float(rows[i].to, (double)rows[i].number, &number), DV_OK);
        assert_true((int64_t)number == rows[i].rounded);
    }
    assert_int_equal(dv_round_int(10, INT64_MAX, &whole), DV_E_DATA);
    assert_int_equal(dv_round_int(10, INT64_MIN, &whole), DV_E_DATA);
    assert_int_equal(dv_round_float(10, 1e300, &number), DV_E_DATA);
    assert_int_equal(dv_round_float(10, 0.0 / 0.0, &number), DV_E_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendar_counts_days),           cmocka_unit_test(dates_are_cut),
        cmocka_unit_test(weeks_are_counted_from_a_day),   cmocka_unit_test(dates_move_as_they_are_written),
        cmocka_unit_test(shifts_are_even_and_never_none), cmocka_unit_test(codes_become_blocks),
        cmocka_unit_test(hierarchies_are_read),           cmocka_unit_test(hierarchies_are_refused),
        cmocka_unit_test(numbers_are_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
