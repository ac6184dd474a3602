/* SPDX-License-Identifier: Apache-2.0
 * test_engine_json_doc.c - looking into JSON that no schema describes.
 *
 * shows: RAG-5 MIS-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/json.h"
#include "engine/json_doc.h"
#include "engine/memory.h"
#include "tests/unit/json_malformed.h"

/* The text is a heap block of its own, with as many bytes behind it as are asked for and no more. */
struct reading {
    struct dv_doc doc;
    char *text;
};

static int setup(void **state)
{
    struct reading *reading = calloc(1, sizeof *reading);
    *state = reading;
    return reading == NULL || dv_doc_init(&reading->doc, 100000) != DV_OK;
}

static int teardown(void **state)
{
    struct reading *reading = *state;
    dv_doc_free(&reading->doc);
    free(reading->text);
    free(reading);
    return 0;
}

static dv_rc read_text(struct reading *reading, const char *text)
{
    size_t length = strlen(text);
    dv_doc_forget(&reading->doc);
    free(reading->text);
    reading->text = malloc(length + DV_JSON_PADDING);
    memcpy(reading->text, text, length);
    memset(reading->text + length, ',', DV_JSON_PADDING);
    return dv_doc_read(&reading->doc, reading->text, length);
}

static dv_doc_at member(struct reading *reading, const char *name)
{
    return dv_doc_in(&reading->doc, dv_doc_root(&reading->doc), name);
}

static void finds_members(void **state)
{
    struct reading *reading = *state;
    struct dv_doc *doc = &reading->doc;
    const char *text = NULL;
    size_t length = 0;
    int64_t number = 0;
    double real = 0;
    assert_int_equal(read_text(reading,
                               " {\"a\" : {\"b\":[1,{\"c\":\"x\\u00e4\\n\"},[]]} ,\"n\":-12,\"r\":1.5e1,\"t\":true,"
                               "\"f\":false,\"z\":null,\"\\u0071\":\"\",\"e\":{}}  "),
                     DV_OK);
    assert_int_equal(dv_doc_count(doc, dv_doc_root(doc)), 8);
    assert_int_equal(dv_doc_count(doc, member(reading, "a")), 1);
    assert_int_equal(dv_doc_count(doc, member(reading, "e")), 0);
    assert_int_equal(dv_doc_count(doc, member(reading, "n")), 0);
    assert_int_equal(dv_doc_count(doc, member(reading, "nowhere")), 0);
    dv_doc_at list = dv_doc_in(doc, member(reading, "a"), "b");
    dv_doc_at first = dv_doc_first(doc, list), second = dv_doc_next(doc, first), third = dv_doc_next(doc, second);
    assert_true(dv_doc_whole(doc, first, &number) && number == 1);
    assert_true(dv_doc_says(doc, dv_doc_in(doc, second, "c"), "x\xc3\xa4\n"));
    assert_false(dv_doc_says(doc, dv_doc_in(doc, second, "c"), "x"));
    assert_true(third != NULL && dv_doc_first(doc, third) == NULL && dv_doc_next(doc, third) == NULL);
    assert_true(dv_doc_whole(doc, member(reading, "n"), &number) && number == -12);
    assert_true(dv_doc_number(doc, member(reading, "r"), &real) && real == 15);
    assert_false(dv_doc_whole(doc, member(reading, "r"), &number));
    assert_true(dv_doc_is_true(doc, member(reading, "t")) && !dv_doc_is_true(doc, member(reading, "f")));
    assert_true(dv_doc_is_null(doc, member(reading, "z")) && dv_doc_is_null(doc, member(reading, "nowhere")));
    assert_false(dv_doc_is_null(doc, member(reading, "f")));
    assert_true(dv_doc_text(doc, member(reading, "q"), &text, &length) && length == 0); /* its name is escaped */
    assert_null(dv_doc_in(doc, member(reading, "e"), "a"));
    assert_false(dv_doc_text(doc, member(reading, "n"), &text, &length));
    assert_false(dv_doc_number(doc, member(reading, "q"), &real));
}

static void finds_nothing_in_nothing(void **state)
{
    struct reading *reading = *state;
    struct dv_doc *doc = &reading->doc;
    int64_t number = 0;
    assert_null(dv_doc_root(doc));
    assert_null(dv_doc_in(doc, dv_doc_in(doc, NULL, "a"), "b"));
    assert_null(dv_doc_first(doc, NULL));
    assert_null(dv_doc_next(doc, NULL));
    assert_false(dv_doc_whole(doc, NULL, &number));
    assert_int_equal(read_text(reading, "[1]"), DV_OK);
    assert_null(member(reading, "a"));
    dv_doc_at first = dv_doc_first(doc, dv_doc_root(doc));
    assert_null(dv_doc_in(doc, first, "a"));
    assert_null(dv_doc_first(doc, first));
    assert_null(dv_doc_next(doc, dv_doc_root(doc)));
    assert_int_equal(read_text(reading, "{\"a\":"), DV_E_SYNTAX);
    assert_null(dv_doc_root(doc)); /* nor in what was refused */
}

static void refuses_what_is_malformed(void **state)
{
    struct reading *reading = *state;
    static const char *const texts[] = {
        "", " ", "1", "\"a\"", "null", "{}{}", "[1] 2", "{\"a\":1,\"a\":2}", "[1,]", "{\"a\":9007199254740993}x"
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(read_text(reading, texts[i]), DV_E_SYNTAX);
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "{\"x\":%s}", malformed_values[i]);
        if (read_text(reading, text) != DV_E_SYNTAX)
            fail_msg("taken: %s", text);
    }
}

static void numbers_have_their_bounds(void **state)
{
    struct reading *reading = *state;
    int64_t number = 0;
    double real = 0;
    assert_int_equal(
        read_text(reading,
                  "{\"a\":9007199254740992,\"b\":9007199254740994,\"c\":1e999,\"d\":1.0,\"e\":-9007199254740992}"),
        DV_OK);
    assert_true(dv_doc_whole(&reading->doc, member(reading, "a"), &number) && number == INT64_C(9007199254740992));
    assert_false(dv_doc_whole(&reading->doc, member(reading, "b"), &number));
    assert_false(dv_doc_number(&reading->doc, member(reading, "c"), &real));
    assert_false(dv_doc_whole(&reading->doc, member(reading, "d"), &number));
    assert_true(dv_doc_whole(&reading->doc, member(reading, "e"), &number) && number == -INT64_C(9007199254740992));
}

static void grows_up_to_its_bound(void **state)
{
    struct reading *reading = *state;
    char *text = malloc(200001);
    for (size_t length = 10; length <= 200000; length *= 10) {
        for (int over = 0; over <= (length == 100000); over++) {
            memset(text, ' ', length + 1);
            memcpy(text, "[1", 2);
            text[length + (size_t)over - 1] = ']';
            text[length + (size_t)over] = '\0';
            assert_int_equal(read_text(reading, text), length + (size_t)over <= 100000 ? DV_OK : DV_E_LIMIT);
        }
    }
    free(text);
}

static void survives_failing_memory(void **state)
{
    struct reading *reading = *state;
    struct dv_doc doc;
    dv_memory_fail_at(1);
    assert_int_equal(dv_doc_init(&doc, 1000), DV_E_MEMORY);
    dv_doc_free(&doc);
    dv_memory_fail_at(1); /* the arena's, for the text without its escape */
    assert_int_equal(read_text(reading, "{\"a\":\"\\n\"}"), DV_E_MEMORY);
    assert_null(dv_doc_root(&reading->doc));
    assert_int_equal(read_text(reading, "{\"a\":\"\\n\"}"), DV_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_members, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_nothing_in_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_have_their_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(grows_up_to_its_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_failing_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
