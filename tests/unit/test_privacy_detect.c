/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_detect.c - what is found in a text and what is not, kind by kind; the span array when it is full.
 *
 * shows: ANO-1 ANO-2 ANO-3 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "privacy/detect.h"
#include "privacy/redact.h"
#include "redact_rows.h"

static void finds_ssn(void **state)
{
    static const struct redaction rows[] = {
        { "SSN on file 078-05-1120, verify", "SSN on file [SSN], verify" },
        { "078-05-1120", "[SSN]" },
        { "(SSN 000-00-0000)", "(SSN [SSN])" },
        { "ssn 078 05 1120.", "ssn [SSN]." },
        { "ssn 078.05.1120", "ssn [SSN]" },
        { "078\xE2\x80\x91"
          "05\xE2\x80\x91"
          "1120",
          "[SSN]" },
        { "SSN: 078051120", "SSN: [SSN]" },
        { "social security number 078051120", "social security number [SSN]" },
        { "000 12 3456 beds", "000 12 3456 beds" },
        { "part 178-05-11201", "part 178-05-11201" },
        { "lot 078051120", "lot 078051120" },
        { "178-05 1120", "178-05 1120" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_phone(void **state)
{
    static const struct redaction rows[] = {
        { "at 451-428-2286 after hours", "at [PHONE] after hours" },
        { "at (451) 428-2286.", "at [PHONE]." },
        { "at +1 630 425 7359 or", "at [PHONE] or" },
        { "at 451.428.2286", "at [PHONE]" },
        { "at 1-451-428-2286", "at [PHONE]" },
        { "at (451)428-2286", "at [PHONE]" },
        { "at 451-428-2286 ext. 12", "at [PHONE]" },
        { "at 451-428-2286x12,", "at [PHONE]," },
        { "+44 20 7946 0958", "[PHONE]" },
        { "+44 (0)20 7946 0958 daily", "[PHONE] daily" },
        { "+4930123456", "[PHONE]" },
        { "+33 1 39 00 57 48 2 mg", "[PHONE] 2 mg" },
        { "0044 20 7946 0958", "[PHONE]" },
        { "on 020 7946 0958 now", "on [PHONE] now" },
        { "on 07292 293843", "on [PHONE]" },
        { "caller 5086448613", "caller [PHONE]" },
        { "call 555-0123 today", "call [PHONE] today" },
        { "Phone:\n358 0594\n", "Phone:\n[PHONE]\n" },
        { "please call\n358 0594", "please call\n358 0594" },
        { "calling about order PO-2258428", "calling about order PO-2258428" },
        { "heart rate 76. (451) 428-2286", "heart rate 76. [PHONE]" },
    };
    (void)state;
    CHECK(rows);
}

static void leaves_numbers(void **state)
{
    static const struct redaction rows[] = {
        { "Reviewed imaging from 2024-03-18, no findings", "Reviewed imaging from 2024-03-18, no findings" },
        { "Call back on 2024-03-18 please", "Call back on 2024-03-18 please" },
        { "seen 03/18/2024 10:30", "seen 03/18/2024 10:30" },
        { "Blood pressure 132/84, heart rate 76, 38.5 C", "Blood pressure 132/84, heart rate 76, 38.5 C" },
        { "20 mg daily, 90 days, 2x/week, HbA1c 6.5%", "20 mg daily, 90 days, 2x/week, HbA1c 6.5%" },
        { "platelets 250000, WBC 4500", "platelets 250000, WBC 4500" },
        { "ratio 0.5551234567", "ratio 0.5551234567" },
        { "at 12:30:45 today", "at 12:30:45 today" },
        { "Online order 098246.", "Online order 098246." },
        { "2.5 mg/kg, 1,000,000 units", "2.5 mg/kg, 1,000,000 units" },
        { "12345678901234567890123456789012", "12345678901234567890123456789012" },
        { "", "" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_card(void **state)
{
    static const struct redaction rows[] = {
        { "card 4111111111111111 ok", "card [CREDIT_CARD] ok" },
        { "card 4111 1111 1111 1111 12/26", "card [CREDIT_CARD] 12/26" },
        { "5500-0000-0000-0004", "[CREDIT_CARD]" },
        { "3782 822463 10005", "[CREDIT_CARD]" },
        { "6011111111111117", "[CREDIT_CARD]" },
        { "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[CREDIT_CARD]" },
        { "4222222222222", "[CREDIT_CARD]" },
        { "order 4111111111111112", "order 4111111111111112" },
        { "order 9111111111111116", "order 9111111111111116" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_iban(void **state)
{
    static const struct redaction rows[] = {
        { "IBAN DE89370400440532013000.", "IBAN [IBAN]." },
        { "to GB29 NWBK 6016 1331 9268 19, now", "to [IBAN], now" },
        { "fr1420041010050500013m02606", "[IBAN]" },
        { "NO9386011117947", "[IBAN]" },
        { "DE89370400440532013001", "DE89370400440532013001" },
        { "XDE89370400440532013000", "XDE89370400440532013000" },
        { "ZZ89370400440532013000", "ZZ89370400440532013000" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_email(void **state)
{
    static const struct redaction rows[] = {
        { "to mary.khan693@clinic.example.net please.", "to [EMAIL] please." },
        { "<a@b.co>", "<[EMAIL]>" },
        { "email=o'brien+x@mail.example.org.", "email=[EMAIL]." },
        { "'jo@x.com'", "'[EMAIL]'" },
        { "jos\xC3\xA9@example.com", "[EMAIL]" },
        { "5551234567@example.com", "[EMAIL]" },
        { "078-05-1120@example.com", "[EMAIL]" },
        { "a@b@c.de", "a@[EMAIL]" },
        { "2 @ 5 mg, a@b, @c.com", "2 @ 5 mg, a@b, @[URL]" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_addresses(void **state)
{
    static const struct redaction rows[] = {
        { "from 203.145.72.40.", "from [IP]." },
        { "ip=8.8.8.8:53", "ip=[IP]:53" },
        { "version 256.1.1.1, 1.2.3, 1.2.3.4.5", "version 256.1.1.1, 1.2.3, 1.2.3.4.5" },
        { "2001:db8:0:0:0:ff00:42:8329", "[IP]" },
        { "ip:2001:db8::ff00:42:8329!", "ip:[IP]!" },
        { "fe80::1%eth0 up", "[IP] up" },
        { "::ffff:192.0.2.128", "[IP]" },
        { "std::vector, a::b", "std::vector, a::b" },
        { "on 49:fa:33:f1:60:a3", "on [MAC]" },
        { "49:fa:33:f1:60", "49:fa:33:f1:60" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_url(void **state)
{
    static const struct redaction rows[] = {
        { "see https://x.example.org/a?b=451-428-2286, now", "see [URL], now" },
        { "(http://h/)", "([URL])" },
        { "write to www.bradyfamily.net.", "write to [URL]." },
        { "on linkedin.com/in/jo", "on [URL]" },
        { "at example.co.uk today", "at [URL] today" },
        { "dose:// no, today.In the morning, e.g.this", "dose:// no, today.In the morning, e.g.this" },
    };
    (void)state;
    CHECK(rows);
}

static void finds_mrn(void **state)
{
    static const struct redaction rows[] = {
        { "MRN 3561168", "MRN [MRN]" },
        { "MRN: E193914.", "MRN: [MRN]." },
        { "mrn: '038-56-845'", "mrn: '[MRN]'" },
        { "MRN12345", "MRN[MRN]" },
        { "MRN-12345", "MRN-[MRN]" },
        { "MR# 12345", "MR# [MRN]" },
        { "Medical record number 57079852", "Medical record number [MRN]" },
        { "medical record number is A-4711-22", "medical record number is [MRN]" },
        { "MED REC: 7808539", "MED REC: [MRN]" },
        { "chart no. 88123", "chart no. [MRN]" },
        { "UNIT NO: 12-34-56", "UNIT NO: [MRN]" },
        { "patient_id=P00007919", "patient_id=[MRN]" },
        { "Mr 1234, record 2024", "Mr 1234, record 2024" },
        { "patient took 1000 mg", "patient took 1000 mg" },
    };
    (void)state;
    CHECK(rows);
}

static void takes_any_bytes(void **state)
{
    static const char text[] = "a\0b 078-05-1120\0\xFF\xC3 451-428-2286\0";
    struct dv_detector detector;
    struct dv_span spans[4];
    (void)state;
    dv_detector_init(&detector, NULL);
    assert_int_equal(dv_detect(&detector, text, sizeof text - 1, spans, 4), 2);
    assert_int_equal(spans[0].type, DV_PII_SSN);
    assert_int_equal(spans[0].start, 4);
    assert_int_equal(spans[0].end, 15);
    assert_int_equal(spans[1].type, DV_PII_PHONE);
    assert_int_equal(spans[1].end, sizeof text - 2);
    assert_true(spans[1].score > 0 && spans[1].why != NULL);
}

/* Findings on every side of the edges of blocks (64) and windows (4096). */
static void finds_across_edges(void **state)
{
    static char text[9000];
    static const char ssn[] = "078-05-1120";
    struct dv_detector detector;
    struct dv_span span;
    (void)state;
    dv_detector_init(&detector, NULL);
    for (size_t at = 3900; at < 8400; at++) {
        memset(text, 'x', sizeof text);
        text[at - 1] = ' ';
        memcpy(text + at, ssn, sizeof ssn - 1);
        text[at + sizeof ssn - 1] = ' ';
        assert_int_equal(dv_detect(&detector, text, sizeof text, &span, 1), 1);
        assert_int_equal(span.start, at);
        assert_int_equal(span.end, at + sizeof ssn - 1);
    }
}

static void full_array_covers_rest(void **state)
{
    static const char text[] = "078-05-1120 078-05-1121 078-05-1122 and a@b.de";
    struct dv_detector detector;
    struct dv_span spans[2];
    (void)state;
    dv_detector_init(&detector, NULL);
    assert_int_equal(dv_detect(&detector, text, strlen(text), spans, 2), 2);
    assert_int_equal(spans[0].type, DV_PII_SSN);
    assert_int_equal(spans[0].end, 11);
    assert_int_equal(spans[1].type, DV_PII_OTHER);
    assert_int_equal(spans[1].start, 12);
    assert_int_equal(spans[1].end, strlen(text));
    assert_int_equal(dv_detect(&detector, text, 23, spans, 2), 2);
    assert_int_equal(spans[1].type, DV_PII_SSN);
}

/* An address that reaches back over a finding reaches back over a full array too. */
static void full_array_still_grows(void **state)
{
    static const char text[] = "x mary.178-05-1120.178-05-1121@b.de y";
    struct dv_detector detector;
    struct dv_span span;
    (void)state;
    dv_detector_init(&detector, NULL);
    assert_int_equal(dv_detect(&detector, text, strlen(text), &span, 1), 1);
    assert_int_equal(span.start, 2);
    assert_int_equal(span.end, strlen(text));
}

static void leaves_types_out(void **state)
{
    static const char text[] = "178-05-1120 a@b.de";
    struct dv_detector detector;
    struct dv_span spans[2];
    (void)state;
    dv_detector_init(&detector, &(struct dv_detector_options){ .types_off = 1u << DV_PII_SSN });
    assert_int_equal(dv_detect(&detector, text, strlen(text), spans, 2), 1);
    assert_int_equal(spans[0].type, DV_PII_EMAIL);
    assert_string_equal(dv_pii_name(DV_PII_CREDIT_CARD), "CREDIT_CARD");
    assert_string_equal(dv_pii_name(DV_PII_OTHER), "REDACTED");
}

/* Nothing found: no copy. No memory: an error and an empty result, not the text. */
static void redact_copies_only_findings(void **state)
{
    static const char clean[] = "afebrile today";
    static const char dirty[] = "SSN 078-05-1120";
    struct dv_finder finder;
    struct dv_arena arena;
    struct dv_redacted out;
    (void)state;
    assert_int_equal(dv_finder_open(&finder, DV_PII_PATTERNS & ~(1u << DV_PII_DATE)), DV_OK);
    dv_arena_init(&arena, 16);
    assert_int_equal(dv_redact(&finder, &arena, clean, strlen(clean), &out), DV_OK);
    assert_ptr_equal(out.text, clean);
    assert_int_equal(out.length, strlen(clean));
    assert_int_equal(dv_redact(&finder, &arena, dirty, strlen(dirty), &out), DV_E_MEMORY);
    assert_int_equal(out.length, 0);
    assert_int_equal(dv_redact(&finder, &arena, dirty, (size_t)UINT32_MAX + 1, &out), DV_E_LIMIT);
    dv_finder_close(&finder);
    dv_arena_free(&arena);
}

static void redact_covers_many(void **state)
{
    static char text[12 * (DV_REDACT_SPANS_MAX + 5)];
    struct dv_finder finder;
    struct dv_arena arena;
    struct dv_redacted out;
    (void)state;
    for (size_t i = 0; i < DV_REDACT_SPANS_MAX + 5; i++)
        memcpy(text + i * 12, "078-05-1120 ", 12);
    assert_int_equal(dv_finder_open(&finder, DV_PII_PATTERNS & ~(1u << DV_PII_DATE)), DV_OK);
    dv_arena_init(&arena, 1024 * 1024);
    assert_int_equal(dv_redact(&finder, &arena, text, sizeof text, &out), DV_OK);
    assert_int_equal(out.length, (DV_REDACT_SPANS_MAX - 1) * 6 + 10);
    assert_memory_equal(out.text + out.length - 16, "[SSN] [REDACTED]", 16);
    dv_finder_close(&finder);
    dv_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_ssn),          cmocka_unit_test(finds_phone),
        cmocka_unit_test(leaves_numbers),     cmocka_unit_test(finds_card),
        cmocka_unit_test(finds_iban),         cmocka_unit_test(finds_email),
        cmocka_unit_test(finds_addresses),    cmocka_unit_test(finds_url),
        cmocka_unit_test(finds_mrn),          cmocka_unit_test(takes_any_bytes),
        cmocka_unit_test(finds_across_edges), cmocka_unit_test(full_array_covers_rest),
        cmocka_unit_test(leaves_types_out),   cmocka_unit_test(redact_copies_only_findings),
        cmocka_unit_test(redact_covers_many), cmocka_unit_test(full_array_still_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
