/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_property.c - the detector against simple references on random input: the two prefilters against each
 * other, and findings in notes against three regular expressions. DV_SEED repeats a run.
 *
 * shows: ANO-1 ANO-2 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <regex.h>

#include "privacy/detect.h"
#include "privacy/redact.h"

enum { NOTES = 20000, TEXTS = 20000, TEXT_MAX = 700, SPANS = 32 };

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static unsigned below(uint64_t *seed, unsigned bound)
{
    return (unsigned)(next_random(seed) >> 33) % bound;
}

static uint64_t start_seed(void)
{
    const char *given = getenv("DV_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u;
    seed |= 1;
    print_message("DV_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Bytes that make findings and near misses likely. */
static size_t random_text(uint64_t *seed, char *text)
{
    static const char *const parts[] = { "078-05-1120",
                                         "451-428-2286",
                                         "@",
                                         "a@b.de",
                                         "4111 1111 1111 1111",
                                         "http://x/y",
                                         "2001:db8::1",
                                         "MRN ",
                                         "12345",
                                         "+44 20 7946 0958",
                                         "DE89370400440532013000",
                                         "1.2.3.4",
                                         "www.x.org",
                                         ":",
                                         "." };
    size_t length = 0;
    size_t wanted = below(seed, TEXT_MAX - 32);
    while (length < wanted) {
        const char *part = parts[below(seed, sizeof parts / sizeof *parts)];
        if (below(seed, 3) != 0) {
            text[length++] = below(seed, 4) == 0 ? (char)below(seed, 256) : "0123456789 .-:@()+/ab"[below(seed, 21)];
            continue;
        }
        memcpy(text + length, part, strlen(part));
        length += strlen(part);
    }
    return length;
}

static void check_spans(const struct dv_span *spans, size_t count, size_t length)
{
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(spans[i].start >= end && spans[i].start < spans[i].end && spans[i].end <= length);
        assert_true((unsigned)spans[i].type < DV_PII_COUNT && spans[i].why != NULL);
        end = spans[i].end;
    }
}

static void prefilters_agree(void **state)
{
    struct dv_detector fast;
    struct dv_detector plain;
    struct dv_span a[SPANS];
    struct dv_span b[SPANS];
    uint64_t seed = start_seed();
    (void)state;
    dv_detector_init(&fast, NULL);
    dv_detector_init(&plain, &(struct dv_detector_options){ .plain_c = true });
    assert_ptr_not_equal(plain.scan, NULL);
    for (int i = 0; i < TEXTS; i++) {
        char buffer[TEXT_MAX];
        size_t length = random_text(&seed, buffer);
        char *text = test_malloc(length + 1); /* its own block, so that a read past the end is seen */
        memcpy(text, buffer, length);
        size_t count = dv_detect(&fast, text, length, a, SPANS);
        assert_int_equal(dv_detect(&plain, text, length, b, SPANS), count);
        check_spans(a, count, length);
        for (size_t k = 0; k < count; k++)
            assert_true(a[k].start == b[k].start && a[k].end == b[k].end && a[k].type == b[k].type);
        test_free(text);
    }
}

/* A finding stays covered whatever stands around it, as long as that is neither letter, digit nor joint. */
static void text_around_hides_nothing(void **state)
{
    static const char *const findings[] = {
        "178-05-1120",  "(451) 428-2286", "jo.k@mail.example.org", "4111111111111111", "DE89 3704 0044 0532 0130 00",
        "203.145.72.40"
    };
    struct dv_detector detector;
    struct dv_span spans[SPANS];
    uint64_t seed = start_seed();
    (void)state;
    dv_detector_init(&detector, NULL);
    for (int i = 0; i < TEXTS; i++) {
        char text[2 * TEXT_MAX];
        size_t start = random_text(&seed, text);
        const char *finding = findings[below(&seed, sizeof findings / sizeof *findings)];
        text[start++] = '\n';
        text[start++] = ',';
        memcpy(text + start, finding, strlen(finding));
        size_t end = start + strlen(finding);
        text[end] = ';';
        size_t length = end + 1 + random_text(&seed, text + end + 1);
        size_t count = dv_detect(&detector, text, length, spans, SPANS);
        bool covered = false;
        for (size_t k = 0; k < count; k++)
            covered |= spans[k].start <= start && spans[k].end >= end;
        if (!covered)
            fail_msg("uncovered: %s", finding);
    }
}

/* The reference: replaces every match of one expression. */
static void replace_all(const char *pattern, const char *label, char *text, size_t size)
{
    regex_t regex;
    regmatch_t match;
    char result[1024] = "";
    const char *rest = text;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED), 0);
    while (regexec(&regex, rest, 1, &match, rest == text ? 0 : REG_NOTBOL) == 0) {
        strncat(result, rest, (size_t)match.rm_so);
        strcat(result, label);
        rest += match.rm_eo;
    }
    strcat(result, rest);
    regfree(&regex);
    assert_true(strlen(result) < size);
    strcpy(text, result);
}

static void reference(char *text, size_t size)
{
    replace_all("\\b[0-9]{3}-[0-9]{2}-[0-9]{4}\\b", "[SSN]", text, size);
    replace_all("[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}", "[EMAIL]", text, size);
    replace_all("(\\+?1[ .-]?)?\\(?[0-9]{3}\\)?[ .-][0-9]{3}[ .-][0-9]{4}\\b", "[PHONE]", text, size);
}

static int put_identifier(uint64_t *seed, char *at, size_t size)
{
    static const char *const phones[] = { "%03u-%03u-%04u", "(%03u) %03u-%04u", "+1 %03u %03u %04u", "%03u.%03u.%04u" };
    static const char *const names[] = { "mary", "wei", "carlos", "olga" };
    unsigned kind = below(seed, 3);
    if (kind == 0)
        return snprintf(at, size, "%03u-%02u-%04u", 1 + below(seed, 665), 1 + below(seed, 99), 1 + below(seed, 9999));
    if (kind == 1)
        return snprintf(at, size, "%s.khan%u@mail.example.org", names[below(seed, 4)], below(seed, 1000));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return snprintf(at, size, phones[below(seed, 4)], 201 + below(seed, 789), 200 + below(seed, 800),
                    below(seed, 10000));
#pragma GCC diagnostic pop
}

static void random_note(uint64_t *seed, char *note, size_t size)
{
    static const char *const sentences[] = {
        "Blood pressure 132/84, heart rate 76, afebrile today. ", "Follow up in 6 weeks with labs including HbA1c. ",
        "Reviewed imaging from 2024-03-18, no acute findings. ",  "Return if fever above 38.5 C. ",
        "Dose adjusted to 20 mg daily, next refill in 90 days. ", "Patient is stable. ",
    };
    static const char *const before[] = { "SSN on file ", "Reach at ", "Send results to ", "(", "Call " };
    static const char *const after[] = { ", verify. ", " after hours. ", " please. ", ") ", ". " };
    size_t length = 0;
    for (int i = 0; i < 4; i++) {
        if (below(seed, 2) == 0) {
            length += (size_t)snprintf(note + length, size - length, "%s", sentences[below(seed, 6)]);
            continue;
        }
        length += (size_t)snprintf(note + length, size - length, "%s", before[below(seed, 5)]);
        length += (size_t)put_identifier(seed, note + length, size - length);
        length += (size_t)snprintf(note + length, size - length, "%s", after[below(seed, 5)]);
    }
}

static void notes_equal_reference(void **state)
{
    struct dv_finder finder;
    struct dv_arena arena;
    uint64_t seed = start_seed();
    (void)state;
    assert_int_equal(dv_finder_open(&finder, DV_PII_PATTERNS & ~(1u << DV_PII_DATE)), DV_OK);
    dv_arena_init(&arena, 1024 * 1024);
    for (int i = 0; i < NOTES; i++) {
        char note[512];
        char expected[1024];
        struct dv_redacted out;
        random_note(&seed, note, sizeof note);
        strcpy(expected, note);
        reference(expected, sizeof expected);
        assert_int_equal(dv_redact(&finder, &arena, note, strlen(note), &out), DV_OK);
        if (out.length != strlen(expected) || memcmp(out.text, expected, out.length) != 0)
            fail_msg("\"%s\" became \"%.*s\", not \"%s\"", note, (int)out.length, out.text, expected);
        dv_arena_reset(&arena);
    }
    dv_finder_close(&finder);
    dv_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefilters_agree),
        cmocka_unit_test(text_around_hides_nothing),
        cmocka_unit_test(notes_equal_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
