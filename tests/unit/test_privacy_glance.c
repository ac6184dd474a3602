/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_glance.c - what a glance leaves out nobody misses: finders that are told what is there find what finders do that
 * look for everything, in random texts. DV_SEED repeats a run.
 *
 * shows: ANO-1 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "privacy/detect_id.h"
#include "privacy/finder.h"
#include "privacy/glance.h"

enum { TEXTS = 6000, TAGGED = 400, NUMBERS = 32000, TEXT_MAX = 1200, LONG_MAX = 9000, SPANS = 512 };

static const char *const parts[] = {
    "The patient was seen at two and again at five. ", "Blood pressure 132/84, heart rate 76, afebrile today. ", "pulse 72, ",
    "078-05-1120", "451-428-2286", "+44 20 7946 0958", "ann.lee@example.org", "ann at example dot org", "ann (at) example [.] org", " AT ",
    "a t @ x . y ", "arroba", "obas", "punto", "punkt", " . ", "[at]", "at )", "dot", "five five five one two three four five six seven",
    "null eins zwei drei vier f\xC3\xBCnf sechs sieben acht", "cinq sept huit neuf un deux trois quatre", "double two o oh oh o o", "uno", "sei", "\xC3\xA9",
    "4 1 1 1 1 1 1 2 3 4", "j o h n @ e x . o r g", "\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x93-45-6789", "\xE2\x80\x8B", "078%2D05%2D1120", "ann&#64;example.org",
    "ann\\u0040example.org", "=40example", "+", "%", "VGhlIG51bWJlciBpcyA0NTEtNDI4LTIyODY=", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY", "token-", " MDc4LTA1LTExMjAgc3NuIG5v ",
    "{\"ssn\": \"078051120\", \"name\": \"Ann Lee\"}", "<name>Ann Lee</name>", "name: Ann Lee\n", "ssn=078051120 ", "id,name,phone\n1,Ann,451-428-2286\n",
    "a\tb\tc\n1\t2\t3\n", "PID|1||4711^^^MRN||LEE^ANN\r", "NM1*IL*1*LEE*ANN~", "INSERT INTO t (name) VALUES ('Ann Lee')", "\v", "|", ";", "\n", "\r", ",",
    "MRN 3561168", "plate AB 12", "member number 12-34-56", "NI AB 12 34 56 C", "1HGCM82633A004352", "RSSMRA85T10A562S", "DE89370400440532013000",
    "756.9217.0769.85", "131052-308T", "DEA F91234563", "2001:db8::1", "1.2.3.4", "18 March 2024", "2024-03-18", "http://example.com/x", "x",
};

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

/* Parts and single bytes; now and then a byte of a part is another. */
static size_t random_text(uint64_t *seed, char *text, size_t max)
{
    size_t length = 0, wanted = below(seed, (unsigned)max - 128);
    while (length < wanted) {
        if (below(seed, 3) == 0) {
            text[length++] = below(seed, 8) == 0 ? (char)below(seed, 256) : " .-:@()+/aTot0123456789\t\n\r"[below(seed, 26)];
            continue;
        }
        const char *part = parts[below(seed, sizeof parts / sizeof *parts)];
        size_t bytes = strlen(part);
        memcpy(text + length, part, bytes);
        if (below(seed, 4) == 0)
            text[length + below(seed, (unsigned)bytes)] = (char)below(seed, 256);
        length += bytes;
    }
    return length;
}

static void check_alike(const struct dv_span *a, size_t a_count, const struct dv_span *b, size_t b_count)
{
    assert_int_equal(a_count, b_count);
    for (size_t i = 0; i < a_count; i++) {
        assert_true(a[i].start == b[i].start && a[i].end == b[i].end && a[i].type == b[i].type && a[i].score == b[i].score);
        assert_string_equal(a[i].why, b[i].why);
    }
}

static void compare(uint64_t *seed, uint32_t types, size_t texts, size_t max)
{
    struct dv_finder all, told;
    struct dv_span a[SPANS], b[SPANS];
    size_t found = 0;
    assert_int_equal(dv_finder_open(&all, types), DV_OK);
    assert_int_equal(dv_finder_open(&told, types), DV_OK);
    all.glance.look = dv_glance_all;
    for (size_t i = 0; i < texts; i++) {
        char buffer[LONG_MAX];
        size_t length = random_text(seed, buffer, max);
        char *text = test_malloc(length + 1); /* its own block, so that a read past the end is seen */
        memcpy(text, buffer, length);
        size_t count = dv_find(&all, text, length, a, SPANS);
        check_alike(a, count, b, dv_find(&told, text, length, b, SPANS));
        found += count;
        test_free(text);
    }
    assert_true(found > texts);
    dv_finder_close(&told);
    dv_finder_close(&all);
}

static void nothing_is_missed(void **state)
{
    const uint32_t guarded = 1u << DV_PII_SSN | 1u << DV_PII_ID | 1u << DV_PII_EMAIL | 1u << DV_PII_PHONE | 1u << DV_PII_MRN | DV_PII_NO_TAGGER;
    uint64_t seed = start_seed();
    (void)state;
    compare(&seed, DV_PII_PATTERNS, TEXTS, TEXT_MAX);
    compare(&seed, guarded, TEXTS, TEXT_MAX / 4);
    compare(&seed, DV_PII_ALL, TAGGED, TEXT_MAX);
}

/* A text of several windows. */
static void nothing_is_missed_in_long_texts(void **state)
{
    uint64_t seed = start_seed();
    (void)state;
    compare(&seed, DV_PII_PATTERNS, TEXTS / 20, LONG_MAX);
}

/* Each byte, anywhere in texts of every length about two blocks, is seen as the table says; digits and triggers, too. */
static void both_ways_see_the_same(void **state)
{
    const uint32_t certain = DV_SEEN_ALL & ~(uint32_t)(DV_SEEN_SIGNS | DV_SEEN_WORDS | DV_SEEN_RUNS);
    unsigned char text[3 * 64];
    uint64_t bits[4][4];
    struct dv_finder finder;
    (void)state;
    assert_int_equal(dv_finder_open(&finder, DV_PII_PATTERNS), DV_OK);
    for (uint32_t i = 0; i < 256 * 140; i++) {
        uint32_t length = 1 + i / 256, at = (i * 7919u) % length;
        memset(text, 'a', sizeof text);
        text[at] = (unsigned char)i;
        uint32_t plain = dv_glance_plain(&finder.glance, text, length, 0, length, bits[0], bits[1]);
        uint32_t here = finder.glance.look(&finder.glance, text, length, 0, length, bits[2], bits[3]);
        assert_int_equal(plain & certain, here & certain);
        assert_memory_equal(bits[0], bits[2], (length + 63) / 64 * sizeof **bits);
        assert_memory_equal(bits[1], bits[3], (length + 63) / 64 * sizeof **bits);
    }
    dv_finder_close(&finder);
}

/* A number in the shape of a row, with separators or without, right or wrong. Where either may stand, letters come first, or
 * anywhere. */
static size_t random_number(uint64_t *seed, const char *shape, char *text)
{
    static const char *const gaps[] = { "", "", " ", "-", ".", "/", "\xC2\xA0", "\xE2\x80\x91", "+", "A" };
    size_t length = 0, letters = below(seed, 16);
    for (; *shape != '\0'; shape++) {
        bool digit = *shape == 'd' || (*shape == 'A' && (letters < 8 ? length >= letters : below(seed, 2) == 0));
        if (digit || *shape == 'L' || *shape == 'A') {
            text[length++] = digit ? (char)('0' + below(seed, 10)) : (char)((below(seed, 2) == 0 ? 'A' : 'a') + below(seed, 26));
            continue;
        }
        const char *gap = gaps[below(seed, sizeof gaps / sizeof *gaps)];
        memcpy(text + length, gap, strlen(gap));
        length += strlen(gap);
    }
    return length;
}

/* What tells which rows a number may be of leaves none out that is found when all are asked. */
static void no_row_is_left_out(void **state)
{
    struct dv_detector told, all;
    struct dv_span a[SPANS], b[SPANS];
    uint64_t seed = start_seed();
    size_t count = 0, found = 0;
    const struct dv_id_row *rows = dv_id_rows(&count);
    (void)state;
    dv_detector_init(&told, NULL);
    dv_detector_init(&all, NULL);
    const uint64_t *every = all.ids.by_near[DV_NEAR_BYTES];
    for (size_t run = 0; run < sizeof all.ids.by_run / sizeof *all.ids.by_run; run++)
        for (size_t next = 0; next < DV_ID_NEXT; next++)
            memcpy(all.ids.by_run[run][next], every, sizeof all.ids.by_run[run][next]);
    for (size_t near = 0; near < DV_NEAR_BYTES; near++)
        memcpy(all.ids.by_near[near], every, sizeof all.ids.by_near[near]);
    for (size_t i = 0; i < NUMBERS; i++) {
        const struct dv_id_row *row = &rows[i % count];
        char text[TEXT_MAX];
        size_t length = (size_t)snprintf(text, sizeof text, "%.*s ", (int)strcspn(row->words, "|"), row->words);
        length += random_number(&seed, row->shape, text + length);
        memcpy(text + length, &" ,x9."[below(&seed, 5)], 1);
        length += below(&seed, 2);
        size_t spans = dv_detect(&all, text, length, a, SPANS);
        check_alike(a, spans, b, dv_detect(&told, text, length, b, SPANS));
        found += spans;
    }
    assert_true(found > NUMBERS / 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_missed),
        cmocka_unit_test(nothing_is_missed_in_long_texts),
        cmocka_unit_test(both_ways_see_the_same),
        cmocka_unit_test(no_row_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
