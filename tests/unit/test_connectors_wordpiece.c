/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_wordpiece.c - BERT's pieces by a small vocabulary: places, accents, what is unknown, and cutting in
 * parts. tests/e2e/test_models.py compares with the reference tokenizer.
 *
 * shows: VEC-1 RAG-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/wordpiece.h"

#define VOCABULARY "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\n,\nmuller\n\xE6\x97\xA5\na\n##a\n##b\n["

enum { UN = 4, AFF, ABLE, COMMA, MULLER, SUN, A, MORE_A, MORE_B, BRACKET };

static struct dv_wordpiece *words;
static struct dv_piece pieces[64];
static size_t used;

static int open_words(void **state)
{
    (void)state;
    return dv_wordpiece_parse(VOCABULARY, strlen(VOCABULARY), &words, NULL) != DV_OK;
}

static int close_words(void **state)
{
    (void)state;
    dv_wordpiece_close(words);
    return 0;
}

static size_t cut(const char *text, size_t max)
{
    return dv_wordpiece_cut(words, text, strlen(text), pieces, max, &used);
}

static void expect(size_t at, int32_t id, uint32_t start, uint32_t end)
{
    assert_int_equal(pieces[at].id, id);
    assert_int_equal(pieces[at].start, start);
    assert_int_equal(pieces[at].end, end);
}

static void test_longest_pieces_first(void **state)
{
    (void)state;
    assert_int_equal(cut("UnAffable,a", 64), 5);
    expect(0, UN, 0, 2);
    expect(1, AFF, 2, 5);
    expect(2, ABLE, 5, 9);
    expect(3, COMMA, 9, 10);
    expect(4, A, 10, 11);
    assert_int_equal(used, 11);
}

static void test_accents_and_ideographs(void **state)
{
    (void)state;
    assert_int_equal(cut("M\xC3\xBCller\xE6\x97\xA5mu\xCC\x88ller", 64), 3); /* composed, then with a combining mark */
    expect(0, MULLER, 0, 7);
    expect(1, SUN, 7, 10);
    expect(2, MULLER, 10, 18);
}

static void test_unknown_and_bad_bytes(void **state)
{
    (void)state;
    assert_int_equal(cut("unx \xFF" "a\xC3 a\x01" "a", 64), 4);
    expect(0, 1, 0, 3);
    expect(1, A, 5, 6);
    expect(2, A, 8, 9);
    expect(3, MORE_A, 10, 11);
    assert_int_equal(cut("[SEP]", 64), 3); /* text, not the mark: "[", an unknown word, an unknown "]" */
    expect(0, BRACKET, 0, 1);
    expect(1, 1, 1, 4);
}

static void test_a_word_over_the_limit_is_unknown(void **state)
{
    (void)state;
    char text[103];
    memset(text, 'a', sizeof text);
    struct dv_piece many[128];
    assert_int_equal(dv_wordpiece_cut(words, text, 100, many, 128, NULL), 100);
    assert_int_equal(dv_wordpiece_cut(words, text, 101, many, 128, NULL), 1);
    assert_int_equal(many[0].id, 1);
    assert_int_equal(many[0].end, 101);
}

static void test_parts_are_whole_words(void **state)
{
    (void)state;
    assert_int_equal(cut("a unaffable a", 3), 1);
    assert_int_equal(used, 2);
    assert_int_equal(dv_wordpiece_cut(words, "a unaffable a" + 2, 11, pieces, 3, &used), 3);
    assert_true(used >= 9);
    assert_int_equal(cut("unaffable", 2), 1); /* too long for any part */
    expect(0, 1, 0, 9);
    assert_int_equal(cut("a", 0), 0);
    assert_int_equal(used, 0);
}

static void test_what_is_no_vocabulary(void **state)
{
    (void)state;
    struct dv_error error = { 0 };
    struct dv_wordpiece *none = NULL;
    assert_int_equal(dv_wordpiece_parse("a\nb\n", 4, &none, &error), DV_E_DATA);
    assert_null(none);
    assert_int_equal(dv_wordpiece_parse("", 0, &none, &error), DV_E_DATA);
    assert_int_equal(dv_wordpiece_open("/nonexistent/vocab.txt", &none, &error), DV_E_MISSING);
    dv_wordpiece_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_pieces_first),
        cmocka_unit_test(test_accents_and_ideographs),
        cmocka_unit_test(test_unknown_and_bad_bytes),
        cmocka_unit_test(test_a_word_over_the_limit_is_unknown),
        cmocka_unit_test(test_parts_are_whole_words),
        cmocka_unit_test(test_what_is_no_vocabulary),
    };
    return cmocka_run_group_tests(tests, open_words, close_words);
}
