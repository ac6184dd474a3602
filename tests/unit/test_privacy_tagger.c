/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_tagger.c - characters, tokens, the tagger's table and what it finds; dates, which are patterns.
 *
 * shows: ANO-1 ANO-2 ANO-3 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "privacy/finder.h"
#include "privacy/tagger.h"
#include "privacy/token.h"
#include "privacy/unicode.h"

static void decodes_any_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        uint32_t code, used;
    } rows[] = {
        { "A", 1, 'A', 1 },          { "\xC3\xA9", 2, 0xE9, 2 },      { "\xE2\x80\x8B", 3, 0x200B, 3 }, { "\xF0\x9F\x98\x80", 4, 0x1F600, 4 },
        { "\xC3", 1, 0xFFFD, 1 },    { "\x80", 1, 0xFFFD, 1 },        { "\xC0\x80", 2, 0xFFFD, 1 },     { "\xED\xA0\x80", 3, 0xFFFD, 1 },
        { "\xF5\x80\x80\x80", 4, 0xFFFD, 1 }, { "\xE0\x80\x80", 3, 0xFFFD, 1 }, { "\xE2\x80" "A", 3, 0xFFFD, 1 }, { "\0", 1, 0, 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t used = 0;
        assert_int_equal(dv_char_decode((const unsigned char *)rows[i].bytes, rows[i].length, &used), rows[i].code);
        assert_int_equal(used, rows[i].used);
    }
}

static void folds_what_is_written_differently(void **state)
{
    static const uint32_t pairs[][2] = { { 'A', 'a' }, { 0xC9, 'e' }, { 0x141, 'l' }, { 0x17E, 'z' }, { 0xFF21, 'a' }, { 0xFF10, '0' }, { 0x2019, '\'' },
                                         { 0x2013, '-' }, { 0x415, 0x435 }, { 0x3A9, 0x3C9 }, { 0x663, '3' }, { 0x96A, '4' }, { 0x40F, 0x45F }, { 'z', 'z' } };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_int_equal(dv_char_fold(pairs[i][0]), pairs[i][1]);
    assert_int_equal(dv_char_class(0xC9), DV_CHAR_UPPER);
    assert_int_equal(dv_char_class(0xD7), DV_CHAR_PUNCT);
    assert_int_equal(dv_char_class(0x4E2D), DV_CHAR_LETTER);
    assert_int_equal(dv_char_class(0x200D), DV_CHAR_IGNORED);
    assert_int_equal(dv_char_class(0x1F600), DV_CHAR_PUNCT);
    assert_int_equal(dv_char_class(0xA0), DV_CHAR_SPACE);
}

/* The tokens of a text, with '|' between them. */
static const char *cut(const char *text, const struct dv_span *spans, size_t count, char *out, size_t size)
{
    struct dv_cutter cutter = { .text = (const unsigned char *)text, .length = strlen(text), .spans = spans, .span_count = count };
    struct dv_token token;
    size_t length = 0;
    while (dv_token_next(&cutter, &token))
        length += (size_t)snprintf(out + length, size - length, "%s%.*s", length > 0 ? "|" : "", (int)(token.end - token.start), text + token.start);
    return out;
}

static void cuts_words_numbers_and_marks(void **state)
{
    static const char *const rows[][2] = {
        { "Call Ann Lee, now.", "Call|Ann|Lee|,|now|." },
        { "on 2024-03-18 at 10:42", "on|2024-03-18|at|10:42" },
        { "A-123-XYZ and Smith-Jones", "A-123-XYZ|and|Smith|-|Jones" },
        { "O'Brien's dog isn't here", "O'Brien|'|s|dog|isn't|here" },
        { "key=value_1;", "key|=|value_1|;" },
        { "a\nb", "a|\n|b" },
        { "", "" },
    };
    char out[256] = "";
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        out[0] = '\0';
        assert_string_equal(cut(rows[i][0], NULL, 0, out, sizeof out), rows[i][1]);
    }
    const struct dv_span found = { .start = 5, .end = 17, .type = DV_PII_PHONE };
    assert_string_equal(cut("call 555 123 4567 now", &found, 1, out, sizeof out), "call|555 123 4567|now");
}

static void hidden_characters_change_no_word(void **state)
{
    static const char plain[] = "Miller", hidden[] = "Mil\xE2\x80\x8Bler", accented[] = "M\xC3\xADller";
    struct dv_token a, b, c;
    (void)state;
    assert_true(dv_token_next(&(struct dv_cutter){ .text = (const unsigned char *)plain, .length = strlen(plain) }, &a));
    assert_true(dv_token_next(&(struct dv_cutter){ .text = (const unsigned char *)hidden, .length = strlen(hidden) }, &b));
    assert_true(dv_token_next(&(struct dv_cutter){ .text = (const unsigned char *)accented, .length = strlen(accented) }, &c));
    assert_int_equal(a.word, b.word);
    assert_int_equal(a.word, c.word);
    assert_int_equal(a.shape, b.shape);
    assert_int_equal(b.end, strlen(hidden));
}

static void opens_only_whole_tables(void **state)
{
    struct dv_tagger tagger;
    size_t length = 0;
    const unsigned char *table = dv_tagger_table(&length);
    (void)state;
    assert_int_equal(dv_tagger_open(&tagger, table, length), DV_OK);
    struct dv_tagger own;
    dv_tagger_open_own(&own);
    assert_ptr_equal(own.list_bits, tagger.list_bits);
    assert_memory_equal(own.transitions, tagger.transitions, sizeof own.transitions);
    unsigned char *copy = aligned_alloc(64, length);
    assert_non_null(copy);
    memcpy(copy, table, length);
    for (size_t bytes = 0; bytes < 128; bytes += 7)
        assert_int_equal(dv_tagger_open(&tagger, copy, bytes), DV_E_DATA);
    assert_int_equal(dv_tagger_open(&tagger, copy, length - 64), DV_E_DATA);
    for (size_t at = 0; at < length; at += at < 64 ? 1 : length / 50) {
        if (at >= 40 && at < 64)
            continue; /* reserved */
        copy[at] ^= 0x40;
        dv_rc rc = dv_tagger_open(&tagger, copy, length);
        bool harmless = at >= 28 && at < 36; /* the bias and the version are settings */
        assert_true(rc == DV_E_DATA || harmless);
        copy[at] ^= 0x40;
    }
    free(copy);
}

/* A text with what is found replaced. */
struct finding {
    const char *text, *found;
};

static const char *mark(const struct dv_finder *finder, const char *text, char *out, size_t size)
{
    struct dv_span spans[32];
    size_t count = dv_find(finder, text, strlen(text), spans, 32);
    size_t length = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        length += (size_t)snprintf(out + length, size - length, "%.*s<%s>", (int)(spans[i].start - at), text + at, dv_pii_name(spans[i].type));
        at = spans[i].end;
    }
    (void)snprintf(out + length, size - length, "%s", text + at);
    return out;
}

static void finds_names_and_places(void **state)
{
    static const struct finding rows[] = {
        { "Patient Maria Gonzalez was seen by Dr. Robert Kim in Boston.", "Patient <PERSON> was seen by Dr. <PERSON> in <LOCATION>." },
        { "Name: Wei Zhang\nDOB: 03/12/1961\nMRN: 4471123", "Name: <PERSON>\nDOB: <DATE>\nMRN: <MRN>" },
        { "{\"first_name\": \"Aisha\", \"status\": \"active\"}", "{\"first_name\": \"<PERSON>\", \"status\": \"active\"}" },
        { "Patient denies chest pain, fever and chills.", "Patient denies chest pain, fever and chills." },
        { "Blood pressure 132/84, heart rate 76.", "Blood pressure 132/84, heart rate 76." },
    };
    struct dv_finder finder;
    char out[512];
    (void)state;
    assert_int_equal(dv_finder_open(&finder, DV_PII_ALL), DV_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(mark(&finder, rows[i].text, out, sizeof out), rows[i].found);
    dv_finder_close(&finder);
}

/* A number that a word announced once needs no word where it stands again; nor do other numbers become one. */
static void a_number_found_once_is_found_again(void **state)
{
    static const char *const cases[][2] = {
        { "MRN: 4471203 noted.\nwell, 4471203, 44712034 and x4471203 are ours", "well, <MRN>, 44712034 and x4471203 are ours" },
        { "ours: 4471203.\nMRN: 4471203", "ours: <MRN>.\nMRN: <MRN>" },
        { "SSN 123456788.\nTotal (123456788), or 123456789", "Total (<SSN>), or 123456789" },
        { "account number: AB-447.120\nsee ab-447.120.", "see <ACCOUNT>." },
        { "MRN: 4471203\nsee %34471203, \\u0034471203!", "see <MRN>, <MRN>!" },
        { "MRN: 44712\nall 44712 of them", "all 44712 of them" },
    };
    struct dv_finder finder;
    char out[512];
    (void)state;
    assert_int_equal(dv_finder_open(&finder, DV_PII_PATTERNS), DV_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)mark(&finder, cases[i][0], out, sizeof out);
        if (strstr(out, cases[i][1]) == NULL)
            fail_msg("no \"%s\" in \"%s\"", cases[i][1], out);
    }
    dv_finder_close(&finder);
}

/* As many values as one likes, and a place of the first of them far behind. */
static void many_numbers_are_found_again(void **state)
{
    static char text[1 << 16];
    static struct dv_span spans[4096];
    struct dv_finder finder;
    size_t length = 0;
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        length += (size_t)sprintf(text + length, "MRN: %u\n", 4471203 + i);
    size_t again = length + strlen("well, ");
    length += (size_t)sprintf(text + length, "well, 4471203, and 4471303\n");
    assert_int_equal(dv_finder_open(&finder, DV_PII_PATTERNS), DV_OK);
    size_t count = dv_find(&finder, text, length, spans, 4096);
    assert_int_equal(count, 1002);
    assert_int_equal(spans[1000].start, again);
    assert_int_equal(spans[1001].end, length - 1);
    dv_finder_close(&finder);
}

static void a_name_found_once_is_found_again(void **state)
{
    struct dv_finder finder;
    char out[512];
    (void)state;
    assert_int_equal(dv_finder_open(&finder, DV_PII_ALL), DV_OK);
    (void)mark(&finder, "Mr. John Okonkwo was admitted.\nx Okonkwo y", out, sizeof out);
    assert_null(strstr(out, "Okonkwo"));
    dv_finder_close(&finder);
}

static void finds_dates(void **state)
{
    static const struct finding rows[] = {
        { "version 12.10.31, on 12.10.31", "version 12.10.31, on <DATE>" },
        { "on 2024-03-18.", "on <DATE>." },           { "3/18/2024, 18.03.2024", "<DATE>, <DATE>" },
        { "on 3/18/24", "on <DATE>" },                { "March 18th, 2024", "<DATE>" },
        { "18 de marzo de 2024", "<DATE>" },          { "18-MAR-2024", "<DATE>" },
        { "in March 2024", "in <DATE>" },             { "2024-03-18T10:00:00Z", "<DATE>T10:00:00Z" },
        { "ratio 3/4, v1.2.3, 120/80", "ratio 3/4, v1.2.3, 120/80" }, { "2024-13-45", "2024-13-45" },
        { "call 12-34-56", "call 12-34-56" },         { "1.2.2024.5", "1.2.2024.5" },
    };
    struct dv_finder finder;
    char out[512];
    (void)state;
    assert_int_equal(dv_finder_open(&finder, 1u << DV_PII_DATE), DV_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(mark(&finder, rows[i].text, out, sizeof out), rows[i].found);
    dv_finder_close(&finder);
}

/* More tokens than are tagged at a time, more findings than there is room for. */
static void long_texts_are_covered(void **state)
{
    enum { COPIES = 600 };
    static const char line[] = "Seen by Dr. Maria Gonzalez in Boston on 2024-03-18, SSN 078-05-1120.\n";
    size_t length = COPIES * (sizeof line - 1);
    char *text = malloc(length);
    struct dv_span *spans = calloc(COPIES * 8, sizeof *spans);
    struct dv_finder finder;
    (void)state;
    for (size_t i = 0; i < COPIES; i++)
        memcpy(text + i * (sizeof line - 1), line, sizeof line - 1);
    assert_int_equal(dv_finder_open(&finder, DV_PII_ALL), DV_OK);
    size_t count = dv_find(&finder, text, length, spans, COPIES * 8);
    assert_true(count >= COPIES * 4 && count < COPIES * 5);
    count = dv_find(&finder, text, length, spans, 10);
    assert_int_equal(count, 10);
    assert_int_equal(spans[9].type, DV_PII_OTHER);
    assert_int_equal(spans[9].end, length);
    dv_finder_close(&finder);
    free(spans);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_any_bytes),
        cmocka_unit_test(folds_what_is_written_differently),
        cmocka_unit_test(cuts_words_numbers_and_marks),
        cmocka_unit_test(hidden_characters_change_no_word),
        cmocka_unit_test(opens_only_whole_tables),
        cmocka_unit_test(finds_names_and_places),
        cmocka_unit_test(a_name_found_once_is_found_again),
        cmocka_unit_test(a_number_found_once_is_found_again),
        cmocka_unit_test(many_numbers_are_found_again),
        cmocka_unit_test(finds_dates),
        cmocka_unit_test(long_texts_are_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
