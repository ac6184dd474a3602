/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_transform.c - masks and generalizations: results, malformed input, small buffers.
 *
 * shows: ANO-1 ANO-3 ANO-4 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "privacy/transform.h"

static char memory[256];

static struct dv_buffer room(size_t size)
{
    memset(memory, '#', sizeof memory);
    return (struct dv_buffer){ .text = memory, .size = size, .length = 77 };
}

static void expect(dv_rc rc, const struct dv_buffer *out, const char *value, const char *expected)
{
    assert_int_equal(rc, expected == NULL ? DV_E_DATA : DV_OK);
    if (expected == NULL)
        assert_int_equal(out->length, 0);
    else if (out->length != strlen(expected) || memcmp(out->text, expected, out->length) != 0)
        fail_msg("\"%s\" became \"%.*s\", not \"%s\"", value, (int)out->length, out->text, expected);
}

static void masks(void **state)
{
    static const struct {
        enum dv_mask_style style;
        uint32_t keep;
        const char *value, *masked;
    } rows[] = {
        { DV_MASK_SSN, 4, "078-05-1120", "***-**-1120" },
        { DV_MASK_SSN, 4, "078051120", "***-**-1120" },
        { DV_MASK_SSN, 2, "078-05-1120", "***-**-**20" },
        { DV_MASK_SSN, 0, "078-05-1120", "***-**-****" },
        { DV_MASK_SSN, 4, "078-05-112", "***-**-****" },
        { DV_MASK_SSN, 4, "", "***-**-****" },
        { DV_MASK_PHONE, 4, "+1 630 425 7359", "***-***-7359" },
        { DV_MASK_PHONE, 4, "(451) 428-2286", "***-***-2286" },
        { DV_MASK_PHONE, 4, "2286", "***-***-****" },
        { DV_MASK_EMAIL, 1, "wei.brown693@clinic.example.net", "w***@clinic.example.net" },
        { DV_MASK_EMAIL, 1, "j@x.com", "j***@x.com" },
        { DV_MASK_EMAIL, 9, "wei@x.com", "w***@x.com" },
        { DV_MASK_EMAIL, 0, "wei@x.com", "***@x.com" },
        { DV_MASK_EMAIL, 1, "\xC3\xA9ric@x.com", "\xC3\xA9***@x.com" },
        { DV_MASK_EMAIL, 1, "wei@home@x.com", "w***@x.com" },
        { DV_MASK_EMAIL, 1, "wei brown", "***@***" },
        { DV_MASK_EMAIL, 1, "@x.com", "***@***" },
        { DV_MASK_EMAIL, 1, "wei@", "***@***" },
        { DV_MASK_EMAIL, 1, "wei@home of wei", "***@***" },
        { DV_MASK_EMAIL, 1, "", "***@***" },
        { DV_MASK_TEXT, 4, "4111111111111111", "************1111" },
        { DV_MASK_TEXT, 4, "1234", "****" },
        { DV_MASK_TEXT, 4, "1234567", "*******" },
        { DV_MASK_TEXT, 1, "\xC3\xA9\xE2\x82\xACx\xFF", "***\xFF" },
        { DV_MASK_TEXT, 4, "", "*" },
        { DV_MASK_ALNUM, 4, "4111 1111-1111 1111", "**** ****-**** 1111" },
        { DV_MASK_ALNUM, 0, "A-12 b", "*-** *" },
        { DV_MASK_ALNUM, 2, "--", "*" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_mask mask = { rows[i].style, rows[i].keep };
        struct dv_buffer out = room(sizeof memory);
        dv_rc rc = dv_mask_value(&mask, rows[i].value, strlen(rows[i].value), &out);
        expect(rc, &out, rows[i].value, rows[i].masked);
        assert_true(out.length != strlen(rows[i].value) || memcmp(out.text, rows[i].value, out.length) != 0);
    }
}

static void small_buffers_stay_empty(void **state)
{
    (void)state;
    for (enum dv_mask_style style = DV_MASK_TEXT; style <= DV_MASK_EMAIL; style++) {
        for (size_t size = 0; size < 7; size++) {
            struct dv_buffer out = room(size);
            assert_int_equal(dv_mask_value(&(struct dv_mask){ style, 4 }, "joe.k@x.com", 11, &out), DV_E_LIMIT);
            assert_int_equal(out.length, 0);
            assert_int_equal(memory[size], '#');
        }
    }
    struct dv_buffer out = room(3);
    assert_int_equal(dv_age_band(&(struct dv_band){ 10, 90 }, 37, &out), DV_E_LIMIT);
    assert_int_equal(dv_date_cut(DV_DATE_YEAR, "2024-03-18", 10, &out), DV_E_LIMIT);
    assert_int_equal(dv_number_bucket(10, 5, &out), DV_E_LIMIT);
    out = room(2);
    assert_int_equal(dv_zip3("12345", 5, &out), DV_E_LIMIT);
    assert_int_equal(out.length, 0);
}

static void bands_ages(void **state)
{
    static const struct {
        struct dv_band band;
        const char *age, *result;
    } rows[] = {
        { { 10, 90 }, "37", "30-39" },  { { 10, 90 }, "0", "0-9" },    { { 10, 90 }, "89", "80-89" },
        { { 10, 90 }, "90", "90+" },    { { 10, 90 }, "104", "90+" },  { { 10, 0 }, "99", "90-99" },
        { { 5, 0 }, "37", "35-39" },    { { 10, 85 }, "84", "80-84" }, { { 10, 85 }, "85", "85+" },
        { { 10, 90 }, "150", "90+" },   { { 10, 90 }, "151", NULL },   { { 10, 90 }, "-1", NULL },
        { { 10, 90 }, "", NULL },       { { 10, 90 }, " 37", NULL },   { { 10, 90 }, "37.5", NULL },
        { { 10, 90 }, "thirty", NULL }, { { 10, 90 }, "0037", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_buffer out = room(sizeof memory);
        dv_rc rc = dv_age_band_text(&rows[i].band, rows[i].age, strlen(rows[i].age), &out);
        expect(rc, &out, rows[i].age, rows[i].result);
    }
    struct dv_buffer out = room(sizeof memory);
    expect(dv_age_band(&(struct dv_band){ 10, 90 }, INT64_MIN, &out), &out, "INT64_MIN", NULL);
    expect(dv_age_band(&(struct dv_band){ 10, 90 }, 41, &out), &out, "41", "40-49");
}

static void cuts_dates(void **state)
{
    static const struct {
        enum dv_date_part part;
        const char *date, *result;
    } rows[] = {
        { DV_DATE_YEAR, "2024-03-18", "2024" },
        { DV_DATE_MONTH, "2024-03-18", "2024-03" },
        { DV_DATE_QUARTER, "2024-03-31", "2024-Q1" },
        { DV_DATE_QUARTER, "2024-04-01", "2024-Q2" },
        { DV_DATE_QUARTER, "2024-12-31", "2024-Q4" },
        { DV_DATE_YEAR, "2025-11-07T07:20:02Z", "2025" },
        { DV_DATE_YEAR, "2025-11-07 07:20", "2025" },
        { DV_DATE_MONTH, "2025-11-07T07:20:02.125+05:30", "2025-11" },
        { DV_DATE_MONTH, "2025-11-07T07:20-0800", "2025-11" },
        { DV_DATE_MONTH, "2025-11-07T07:20+01", "2025-11" },
        { DV_DATE_YEAR, "2024-02-29", "2024" },
        { DV_DATE_YEAR, "2000-02-29", "2000" },
        { DV_DATE_YEAR, "1900-02-29", NULL },
        { DV_DATE_YEAR, "2023-02-29", NULL },
        { DV_DATE_YEAR, "2024-04-31", NULL },
        { DV_DATE_YEAR, "2024-13-01", NULL },
        { DV_DATE_YEAR, "2024-00-10", NULL },
        { DV_DATE_YEAR, "2024-01-00", NULL },
        { DV_DATE_YEAR, "0000-01-01", NULL },
        { DV_DATE_YEAR, "03/18/2024", NULL },
        { DV_DATE_YEAR, "2024-3-18", NULL },
        { DV_DATE_YEAR, "2024-03-18x", NULL },
        { DV_DATE_YEAR, "2024-03-18T", NULL },
        { DV_DATE_YEAR, "2024-03-18T25:00", NULL },
        { DV_DATE_YEAR, "2024-03-18T10:60", NULL },
        { DV_DATE_YEAR, "2024-03-18T10:00:61", NULL },
        { DV_DATE_YEAR, "2024-03-18T10:00:00.", NULL },
        { DV_DATE_YEAR, "2024-03-18T10:00+", NULL },
        { DV_DATE_YEAR, "2024-03-18T10:00+05:", NULL },
        { DV_DATE_YEAR, "2024-03-18T10:00+24", NULL },
        { DV_DATE_YEAR, "2024-03-18T10:00Zx", NULL },
        { DV_DATE_YEAR, "", NULL },
        { DV_DATE_YEAR, "Mary Khan was born on 2024-03-18", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_buffer out = room(sizeof memory);
        dv_rc rc = dv_date_cut(rows[i].part, rows[i].date, strlen(rows[i].date), &out);
        expect(rc, &out, rows[i].date, rows[i].result);
    }
}

static void cuts_zips(void **state)
{
    static const char *const rows[][2] = {
        { "12345", "123" },     { "12345-6789", "123" },
        { "123456789", "123" }, { "03601", "000" },
        { "05912", "000" },     { "89399", "000" },
        { "82190", "000" },     { "00501", "005" },
        { "1234", NULL },       { "123456", NULL },
        { "12345-678", NULL },  { "12345 6789", NULL },
        { "1234a", NULL },      { "", NULL },
        { "SW1A 1AA", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_buffer out = room(sizeof memory);
        dv_rc rc = dv_zip3(rows[i][0], strlen(rows[i][0]), &out);
        expect(rc, &out, rows[i][0], rows[i][1]);
    }
}

static void restricts_17_zips(void **state)
{
    int restricted = 0;
    (void)state;
    for (unsigned zip = 0; zip < 1000; zip++) {
        char text[8];
        struct dv_buffer out = room(sizeof memory);
        (void)snprintf(text, sizeof text, "%03u01", zip);
        assert_int_equal(dv_zip3(text, 5, &out), DV_OK);
        restricted += memcmp(out.text, "000", 3) == 0 && zip != 0;
    }
    assert_int_equal(restricted, 17);
}

static void buckets_numbers(void **state)
{
    static const struct {
        uint32_t width;
        const char *number, *result;
    } rows[] = {
        { 10, "37", "[30,40)" },
        { 10, "-3.5", "[-10,0)" },
        { 10, "-10", "[-10,0)" },
        { 100, "325.69", "[300,400)" },
        { 10, "0", "[0,10)" },
        { 10, "1e3", "[1000,1010)" },
        { 10, "-0", "[0,10)" },
        { 10, "1.5E+1", "[10,20)" },
        { 10, "", NULL },
        { 10, "-", NULL },
        { 10, "1.", NULL },
        { 10, ".5", NULL },
        { 10, "01", NULL },
        { 10, "1e", NULL },
        { 10, "0x10", NULL },
        { 10, "inf", NULL },
        { 10, "nan", NULL },
        { 10, "1 ", NULL },
        { 10, "1e300", NULL },
        { 10, "1,5", NULL },
        { 10, "111111111111111111111111111111111111111111111111111", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_buffer out = room(sizeof memory);
        dv_rc rc = dv_number_bucket_text(rows[i].width, rows[i].number, strlen(rows[i].number), &out);
        expect(rc, &out, rows[i].number, rows[i].result);
    }
    struct dv_buffer out = room(sizeof memory);
    expect(dv_number_bucket(10, NAN, &out), &out, "NaN", NULL);
    expect(dv_number_bucket(10, -INFINITY, &out), &out, "-infinity", NULL);
    expect(dv_number_bucket(UINT32_MAX, -9007199254740992.0, &out), &out, "-2^53",
           "[-9007203547611135,-9007199252643840)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks),           cmocka_unit_test(small_buffers_stay_empty),
        cmocka_unit_test(bands_ages),      cmocka_unit_test(cuts_dates),
        cmocka_unit_test(cuts_zips),       cmocka_unit_test(restricts_17_zips),
        cmocka_unit_test(buckets_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
