/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_fold.c - personal data in disguise: every plant in every disguise is covered to the last byte, prose with the
 * same words is left alone, windows change nothing, and what a character stands for is never longer than itself. DV_SEED
 * repeats a run.
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

#include "privacy/finder.h"
#include "privacy/fold.h"
#include "privacy/glance.h"

enum { PLANTS = 20000, SPANS = 64, TEXT_MAX = 1024 };

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

static size_t put_code(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    uint32_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (uint32_t i = bytes; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00u >> bytes & 0xF0) | code);
    return bytes;
}

/* One character in a disguise of the given kind; itself if there is none for it. */
static size_t put_disguised(uint64_t *seed, char *out, char byte, unsigned kind)
{
    static const uint32_t zeros[] = { 0xFF10, 0x660, 0x6F0, 0x966, 0x9E6, 0x1D7CE, 0x1D7F6, 0xE50 };
    static const uint32_t dashes[] = { 0x2010, 0x2011, 0x2013, 0x2014, 0x2212, 0xFF0D };
    static const uint32_t unseen[] = { 0x200B, 0x200D, 0xAD, 0x2060, 0xFEFF, 0x336 };
    bool digit = byte >= '0' && byte <= '9', letter = byte >= 'a' && byte <= 'z';
    if (kind == 0)
        return put_code(out, (uint32_t)byte - 0x20 + 0xFF00);
    if (kind == 1 && digit)
        return put_code(out, zeros[below(seed, 8)] + (uint32_t)(byte - '0'));
    if (kind == 1 && byte == '-')
        return put_code(out, dashes[below(seed, 6)]);
    if (kind == 2) {
        size_t length = put_code(out, (uint32_t)byte);
        return length + put_code(out + length, unseen[below(seed, 6)]);
    }
    if (kind == 3 && letter)
        return put_code(out, 0x1D41A + (uint32_t)(byte - 'a'));
    if (kind == 3 && digit)
        return put_code(out, byte == '0' ? 0x24EA : 0x2460 + (uint32_t)(byte - '1'));
    if (kind == 4 && strchr("aceopxy", byte) != NULL)
        return put_code(out, (const uint32_t[]){ 0x430, 0x441, 0x435, 0x43E, 0x440, 0x445, 0x443 }[strchr("aceopxy", byte) - "aceopxy"]);
    return put_code(out, (uint32_t)byte);
}

enum { KINDS = 5 };

static const char *const plants[] = { "451-428-2286", "078-05-1120", "4111111111111111", "jo.cap@example.com", "de89370400440532013000",
                                      "203.145.72.40", "ann_lee@mail.example.org" };
enum { PLANT_COUNT = sizeof plants / sizeof *plants };

static size_t disguise(uint64_t *seed, const char *plain, unsigned kind, char *out)
{
    size_t length = 0;
    for (size_t i = 0; plain[i] != '\0'; i++)
        length += put_disguised(seed, out + length, plain[i], kind < KINDS ? kind : below(seed, KINDS));
    return length;
}

static const char *const words[] = { "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine" };
static const char *const palabras[] = { "cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve" };
static const char *const worte[] = { "null", "eins", "zwei", "drei", "vier", "f\xC3\xBCnf", "sechs", "sieben", "acht", "neun" };

/* Seven to sixteen digits that nobody counts: the second is not the first and one. */
static size_t spell(uint64_t *seed, char *out)
{
    const char *const *language = (const char *const *[]){ words, palabras, worte }[below(seed, 3)];
    const char *const separators[] = { " ", ", ", "-", " - ", ". " };
    const char *separator = separators[below(seed, 5)];
    unsigned count = 7 + below(seed, 10), first = below(seed, 10);
    size_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned digit = i < 2 ? first : below(seed, 10);
        length += (size_t)sprintf(out + length, "%s%s", i > 0 ? separator : "", language[digit]);
    }
    return length;
}

static size_t spell_address(uint64_t *seed, char *out)
{
    const char *const ats[] = { " at ", " (at) ", "[at]", " AT ", " arroba ", " [ at ] ", " {at} " };
    const char *const dots[] = { " dot ", " (dot) ", "[dot]", " DOT ", " punto ", "[.]" };
    return (size_t)sprintf(out, "jo%u%sexample%s%s", below(seed, 90), ats[below(seed, 7)], dots[below(seed, 6)], "com");
}

static size_t space_out(const char *plain, char *out)
{
    size_t length = 0;
    for (size_t i = 0; plain[i] != '\0'; i++) {
        if (i > 0)
            out[length++] = ' ';
        out[length++] = plain[i];
    }
    return length;
}

static size_t make_plant(uint64_t *seed, char *out)
{
    switch (below(seed, 4)) {
    case 0:
        return spell(seed, out);
    case 1:
        return spell_address(seed, out);
    case 2:
        return space_out(plants[below(seed, PLANT_COUNT)], out);
    default:
        return disguise(seed, plants[below(seed, PLANT_COUNT)], below(seed, KINDS + 1), out);
    }
}

static bool covers(const struct dv_span *spans, size_t count, size_t start, size_t end)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i].start <= start && end <= spans[i].end)
            return true;
    return false;
}

static void open_patterns(struct dv_finder *finder)
{
    dv_rc rc = dv_finder_open(finder, DV_PII_PATTERNS);
    assert_int_equal(rc, DV_OK);
}

static void covers_every_disguise(void **state)
{
    (void)state;
    const char *given = getenv("DV_SEED");
    uint64_t seed = (given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u) | 1;
    print_message("DV_SEED=%llu\n", (unsigned long long)seed);
    struct dv_finder finder;
    struct dv_span spans[SPANS];
    char text[TEXT_MAX], plant[TEXT_MAX / 2];
    open_patterns(&finder);
    for (int i = 0; i < PLANTS; i++) {
        size_t bytes = make_plant(&seed, plant);
        int start = sprintf(text, "%.*s", (int)below(&seed, 40), "The caller says that it is reached by us ");
        start += sprintf(text + start, "; ");
        int length = start + sprintf(text + start, "%.*s; thank you", (int)bytes, plant);
        size_t count = dv_find(&finder, text, (size_t)length, spans, SPANS);
        if (!covers(spans, count, (size_t)start, (size_t)start + bytes))
            fail_msg("not covered: %s", text);
        for (size_t k = 0; k < count; k++) {
            assert_true(((unsigned char)text[spans[k].start] & 0xC0) != 0x80);
            assert_true(((unsigned char)text[spans[k].end] & 0xC0) != 0x80);
        }
    }
    dv_finder_close(&finder);
}

static void leaves_prose_alone(void **state)
{
    static const char *const texts[] = {
        "at one point, two or three of them were seen at home",
        "has a foreskin. At this point in time, he is well",
        "the dot com era ended; polka dot dress, dot the line at the bottom",
        "one two three four five six seven eight nine ten eleven",
        "ten nine eight seven six five four three two one zero",
        "she counted: zero one two three four five six seven",
        "look at the dot. At that dot, net profit rose",
        "scores 1 0 0 1 0 1 1 1 0 and 1 2 3 4 5 6 7 8 9",
        "two thousand and five, one hundred and one, four or five of seven",
        "un dos tres. \302\277Cu\xC3\xA1ntos? Cuatro o cinco",
        "a b c d e f g h i j k", "A & O x 3 , R . N . , P . T . and so on",
        "caf\xC3\xA9 \xE2\x80\x94 \xE2\x80\x9Cquoted\xE2\x80\x9D \xE2\x80\xA2 item, \xD0\xBE\xD0\xBD\xD0\xB0 \xD1\x81\xD0\xBA\xD0\xB0\xD0\xB7\xD0\xB0\xD0\xBB\xD0\xB0",
    };
    struct dv_finder finder;
    struct dv_span spans[SPANS];
    (void)state;
    open_patterns(&finder);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (dv_find(&finder, texts[i], strlen(texts[i]), spans, SPANS) != 0)
            fail_msg("touched: %s: %s", texts[i], spans[0].why);
    dv_finder_close(&finder);
}

static void asks_only_for_a_reason(void **state)
{
    static const char *const clean[] = { "", "a", "The patient was seen at two and again at five.", "ann@example.org, 555-123-4567",
                                         "caf\xC3\xA9 na\xC3\xAFve \xE2\x80\x9Cquoted\xE2\x80\x9D", "probable osteomyelitis" };
    struct dv_fold *fold = dv_fold_new();
    (void)state;
    assert_non_null(fold);
    for (size_t i = 0; i < sizeof clean / sizeof *clean; i++)
        assert_false(dv_fold_wanted(fold, clean[i], strlen(clean[i]), DV_SEEN_ALL));
    assert_true(dv_fold_wanted(fold, "x dot y", 7, DV_SEEN_ALL));
    dv_fold_free(fold);
}

/* Whatever stands before it, a plant is found across the edges of windows. */
static void windows_change_nothing(void **state)
{
    enum { LONG = 40000 };
    static const char plant[] = "jo at example dot com, four five one four two eight two two eight six";
    static char text[LONG + sizeof plant];
    struct dv_finder finder;
    struct dv_span spans[SPANS];
    (void)state;
    open_patterns(&finder);
    for (size_t at = 14000; at < 18000; at += 7) {
        memset(text, '-', sizeof text);
        memcpy(text + at, " ", 1);
        memcpy(text + at + 1, plant, sizeof plant - 1);
        memcpy(text + at + sizeof plant, " ", 1);
        size_t count = dv_find(&finder, text, sizeof text, spans, SPANS);
        assert_true(covers(spans, count, at + 1, at + 1 + strlen("jo at example dot com")));
        assert_true(covers(spans, count, at + 1 + strlen("jo at example dot com, "), at + sizeof plant));
    }
    dv_finder_close(&finder);
}

static void characters_never_grow(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        unsigned char ascii[4] = { 0 };
        char utf8[4];
        int count = dv_fold_char(code, ascii);
        assert_true(count <= (int)put_code(utf8, code));
        for (int i = 0; i < count; i++)
            assert_true(ascii[i] != 0 && ascii[i] < 0x80);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covers_every_disguise),  cmocka_unit_test(leaves_prose_alone),
        cmocka_unit_test(asks_only_for_a_reason), cmocka_unit_test(windows_change_nothing),
        cmocka_unit_test(characters_never_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
