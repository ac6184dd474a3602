/* SPDX-License-Identifier: Apache-2.0
 * test_operators_thorough.c - the thorough mode by the real model: names it adds, texts it is not asked about, what fits
 * no window, and what is left of findings that were there. `tools/parts models` brings the model.
 *
 * shows: ANO-1 ANO-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "engine/arena.h"
#include "operators/thorough.h"
#include "privacy/recognizer.h"
#include "privacy/tagger.h"

enum { SKIPPED = 77, SPANS = 64, LONG = 40000 };

static struct dv_thorough *thorough;
static struct dv_arena arena;

static const char *parts(void)
{
    const char *folder = getenv("DATAVAULT_PARTS");
    return folder != NULL ? folder : "parts";
}

static int open_model(void **state)
{
    (void)state;
    struct dv_error error = { 0 };
    dv_arena_init(&arena, 1 << 20);
    dv_rc rc = dv_thorough_open(&thorough, &arena, NULL, parts(), &error);
    if (rc != DV_OK)
        print_error("%s\n", error.text);
    return rc != DV_OK;
}

static int close_model(void **state)
{
    (void)state;
    dv_thorough_close(thorough);
    dv_arena_free(&arena);
    return 0;
}

static size_t ask(const char *text, struct dv_span *spans, size_t count, size_t max)
{
    struct dv_thorough_text one = { .text = text, .length = strlen(text), .spans = spans, .count = count, .max = max };
    struct dv_thorough_question *question = dv_thorough_question_new(thorough);
    assert_non_null(question);
    question->texts = &one;
    question->count = 1;
    assert_int_equal(dv_thorough_now(question), DV_OK);
    dv_thorough_question_free(question);
    return one.count;
}

static bool covers(const struct dv_span *spans, size_t count, const char *text, const char *word)
{
    uint32_t at = (uint32_t)(strstr(text, word) - text);
    for (size_t i = 0; i < count; i++) {
        if (spans[i].start <= at && spans[i].end >= at + strlen(word))
            return true;
    }
    return false;
}

static void test_names_are_added_whole(void **state)
{
    (void)state;
    struct dv_span spans[SPANS];
    const char *text = "hello, my name is thorsten lindqvist-weber and i live in Gothenburg";
    size_t count = ask(text, spans, 0, SPANS);
    assert_true(covers(spans, count, text, "thorsten"));
    assert_true(covers(spans, count, text, "lindqvist"));
    for (size_t i = 1; i < count; i++)
        assert_true(spans[i - 1].end <= spans[i].start);
}

static void test_findings_stay(void **state)
{
    (void)state;
    const char *text = "my name is Thorsten Lindqvist";
    struct dv_span spans[SPANS] = { { .start = 11, .end = 19, .type = DV_PII_USERNAME, .score = 1000, .why = "given" } };
    size_t count = ask(text, spans, 1, SPANS);
    assert_int_equal(spans[0].type, DV_PII_USERNAME);
    assert_int_equal(spans[0].end, 19);
    assert_true(covers(spans, count, text, "Lindqvist"));
}

static void test_everyday_words_are_no_question(void **state)
{
    (void)state;
    struct dv_tagger tagger;
    dv_tagger_open_own(&tagger);
    const struct dv_span none[1] = { { 0 } };
    const char *plain = "the pump was cleaned and the water is clear";
    assert_false(dv_recognizer_wonders(&tagger, plain, 0, (uint32_t)strlen(plain), none, 0));
    const char *odd = "the pump was cleaned by Thorsten";
    assert_true(dv_recognizer_wonders(&tagger, odd, 0, (uint32_t)strlen(odd), none, 0));
    const struct dv_span covered[1] = { { .start = 24, .end = 32, .type = DV_PII_PERSON } };
    assert_false(dv_recognizer_wonders(&tagger, odd, 0, (uint32_t)strlen(odd), covered, 1));
}

static void test_full_arrays_cover_the_rest(void **state)
{
    (void)state;
    const char *text = "names: Thorsten Lindqvist; Anneliese Brandt; Giuseppe Marchetti; Oluwaseun Adeyemi";
    struct dv_span spans[SPANS] = { { .start = 0, .end = 5, .type = DV_PII_OTHER, .score = 1000, .why = "given" } };
    size_t count = ask(text, spans, 1, 1);
    assert_int_equal(count, 1);
    assert_int_equal(spans[0].start, 0);
    assert_int_equal(spans[0].end, strlen(text));
}

/* Names at the end of a text of many windows, and a word as long as some. */
static void test_long_texts(void **state)
{
    (void)state;
    static char text[LONG];
    static struct dv_span spans[SPANS];
    size_t length = 0;
    while (length < 3000)
        length += (size_t)snprintf(text + length, sizeof text - length, "the pump was cleaned.\n");
    (void)snprintf(text + length, sizeof text - length, "my name is Thorsten Lindqvist, and I live in Gothenburg");
    size_t count = ask(text, spans, 0, SPANS);
    assert_true(covers(spans, count, text, "Lindqvist"));
    memset(text, 'x', LONG - 1);
    text[LONG - 1] = '\0';
    (void)ask(text, spans, 0, SPANS);
    (void)ask("", spans, 0, SPANS);
    (void)ask("\xFF\xFE\xCC\x88", spans, 0, SPANS);
}

static void test_labels_that_are_none(void **state)
{
    (void)state;
    struct dv_recognizer recognizer;
    assert_int_equal(dv_recognizer_init(&recognizer, "", 0), DV_E_DATA);
    assert_int_equal(dv_recognizer_init(&recognizer, "B-CITY\nO\n", 9), DV_E_DATA);
    assert_int_equal(dv_recognizer_init(&recognizer, "O\nB-CITY\nB-TAX_ID\n", 18), DV_OK);
    assert_int_equal(recognizer.count, 3);
    assert_int_equal(recognizer.types[1], DV_PII_LOCATION);
    assert_int_equal(recognizer.types[2], DV_PII_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_added_whole),
        cmocka_unit_test(test_findings_stay),
        cmocka_unit_test(test_everyday_words_are_no_question),
        cmocka_unit_test(test_full_arrays_cover_the_rest),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_labels_that_are_none),
    };
    if (getenv("DATAVAULT_PARTS") == NULL && access("parts/rampart/model.onnx", R_OK) != 0) {
        print_message("no models here: tools/parts models brings them\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, open_model, close_model);
}
