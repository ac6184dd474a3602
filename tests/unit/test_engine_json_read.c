/* SPDX-License-Identifier: Apache-2.0
 * test_engine_json_read.c - what the JSON reader takes and refuses, and why.
 *
 * shows: MIS-1 ING-13 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "engine/random.h"
#include "tests/unit/json_fixture.h"
#include "tests/unit/json_malformed.h"

static int setup(void **state)
{
    struct json_fixture *fixture = malloc(sizeof *fixture);
    if (fixture == NULL)
        return -1;
    fixture_open(fixture);
    *state = fixture;
    return fixture->reader == NULL;
}

static int teardown(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static void expect_refused(struct json_fixture *fixture, const char *text, dv_rc expected)
{
    static const char hostile[] = { '7', '"', '}', ',', ' ', '\\', '\0', '\xff' };
    for (size_t i = 0; i < sizeof hostile; i++) {
        dv_rc rc = fixture_read_before(fixture, text, strlen(text), hostile[i]);
        if (rc != expected || fixture->reason[0] == '\0')
            fail_msg("'%s' before '%c': %s (%s)", text, hostile[i], dv_rc_name(rc), fixture->reason);
    }
}

static void refuses_malformed_texts(void **state)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        expect_refused(*state, malformed_texts[i], DV_E_SYNTAX);
}

/* A malformed value is malformed whatever column it stands in, and beside whatever stands after it. */
static void refuses_malformed_values(void **state)
{
    static const char *const places[] = { "{\"x\":%s}", "{\"x\":[%s]}", "{\"x\":{\"y\":%s}}", "{\"tree\":%s}",
                                          "{\"tree\":[[%s]], \"id\":\"x\"}" };
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        for (size_t place = 0; place < sizeof places / sizeof *places; place++) {
            char text[256];
            /* An array may hold nothing and several numbers. */
            bool array = strchr(places[place], '[') != NULL;
            if (array && (malformed_values[i][0] == '\0' || strcmp(malformed_values[i], "1,000") == 0))
                continue;
            (void)snprintf(text, sizeof text, places[place], malformed_values[i]);
            expect_refused(*state, text, DV_E_SYNTAX);
        }
    }
}

/* In a column it may be found to be of the wrong type before it is found to be malformed. */
static void refuses_malformed_values_in_columns(void **state)
{
    static const char *const names[] = { "id", "count", "amount", "active", "blob", "age_of_the_person" };
    struct json_fixture *fixture = *state;
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        for (size_t name = 0; name < sizeof names / sizeof *names; name++) {
            char text[256];
            (void)snprintf(text, sizeof text, "{\"%s\":%s}", names[name], malformed_values[i]);
            dv_rc rc = fixture_read(fixture, text);
            if ((rc != DV_E_SYNTAX && rc != DV_E_DATA) || fixture->reason[0] == '\0')
                fail_msg("'%s': %s (%s)", text, dv_rc_name(rc), fixture->reason);
        }
    }
}

static void refuses_nul(void **state)
{
    struct json_fixture *fixture = *state;
    static const char *const texts[] = { "{\"a\":\"b@\"}", "{\"a@\":1}",    "{@\"a\":1}", "@{}", "{}@",
                                         "{\"a\":1@}",     "{\"id\":\"@\"}" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[32];
        size_t length = strlen(texts[i]);
        memcpy(text, texts[i], length);
        *(char *)memchr(text, '@', length) = '\0';
        assert_int_equal(fixture_read_before(fixture, text, length, '7'), DV_E_SYNTAX);
    }
}

static void refuses_values_that_do_not_fit(void **state)
{
    for (size_t i = 0; i < WRONG_COUNT; i++)
        expect_refused(*state, wrong_values[i], DV_E_DATA);
}

static void refuses_missing_fields(void **state)
{
    struct json_fixture *fixture = *state;
    fixture->columns[AGE].required = true;
    struct dv_json_reader *reader = dv_json_reader_new(&fixture->schema, FIXTURE_LIMIT);
    static const char *const texts[] = { "{}", "{\"id\":\"a\"}", "{\"age_of_the_person\":null}" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "%s%64s", texts[i], "");
        assert_int_equal(dv_json_reader_record(reader, text, strlen(texts[i]), &fixture->batch, 0, &fixture->reason),
                         DV_E_DATA);
        assert_string_equal(fixture->reason, "a required field is missing");
    }
    dv_json_reader_free(reader);
}

static void refuses_unknown_fields_without_a_place_for_them(void **state)
{
    struct json_fixture *fixture = *state;
    fixture->schema.extra = -1;
    struct dv_json_reader *reader = dv_json_reader_new(&fixture->schema, FIXTURE_LIMIT);
    const char *text = "{\"unknown\":1}                                                                ";
    assert_int_equal(dv_json_reader_record(reader, text, 13, &fixture->batch, 0, &fixture->reason), DV_E_DATA);
    dv_json_reader_free(reader);
}

/* {"x":[[...]]} with `levels` levels in all. */
static dv_rc read_nested(struct json_fixture *fixture, size_t levels, char open, char close)
{
    char *text = malloc(levels * 6 + 8);
    if (text == NULL)
        abort();
    size_t length = (size_t)sprintf(text, "{\"x\":");
    for (size_t i = 1; i < levels; i++)
        length += (size_t)sprintf(text + length, open == '{' && i > 1 ? "\"y\":%c" : "%c", open);
    for (size_t i = 1; i < levels; i++)
        text[length++] = close;
    text[length++] = '}';
    dv_rc rc = fixture_read_before(fixture, text, length, '7');
    free(text);
    return rc;
}

static void refuses_deep_nesting(void **state)
{
    assert_int_equal(read_nested(*state, 64, '[', ']'), DV_OK);
    assert_int_equal(read_nested(*state, 64, '{', '}'), DV_OK);
    assert_int_equal(read_nested(*state, 65, '[', ']'), DV_E_SYNTAX);
    assert_int_equal(read_nested(*state, 65, '{', '}'), DV_E_SYNTAX);
    assert_int_equal(read_nested(*state, 10000, '[', ']'), DV_E_SYNTAX);
    assert_string_equal(((struct json_fixture *)*state)->reason, "nested more than 64 levels deep");
}

static void refuses_what_is_too_long(void **state)
{
    struct json_fixture *fixture = *state;
    char *text = malloc(FIXTURE_LIMIT + 1);
    assert_non_null(text);
    memset(text, ' ', FIXTURE_LIMIT + 1);
    memcpy(text, "{}", 2);
    assert_int_equal(fixture_read_before(fixture, text, FIXTURE_LIMIT, ' '), DV_OK);
    assert_int_equal(fixture_read_before(fixture, text, FIXTURE_LIMIT + 1, ' '), DV_E_LIMIT);
    assert_int_equal(
        dv_json_reader_record(fixture->reader, text, FIXTURE_LIMIT + 1, &fixture->batch, 0, &fixture->reason),
        DV_E_LIMIT);
    free(text);
}

struct accepted {
    const char *text;
    const char *written; /* NULL: the same */
};

static const struct accepted accepted_texts[] = {
    { "{}", NULL },
    { " \t\r\n{ } \n", "{}" },
    { "{\"id\":\"\"}", NULL },
    { "{\"id\":null}", "{}" },
    { "{\"id\" : \"a  \"  ,\"count\"\t:\n1}", "{\"id\":\"a  \",\"count\":1}" },
    { "{\"count\":1,\"id\":\"a\"}", "{\"id\":\"a\",\"count\":1}" },
    { "{\"count\":0}", NULL },
    { "{\"count\":-0}", "{\"count\":0}" },
    { "{\"count\":9223372036854775807}", NULL },
    { "{\"count\":-9223372036854775808}", NULL },
    { "{\"count\":999999999999999999}", NULL },
    { "{\"amount\":0}", NULL },
    { "{\"amount\":-0}", "{\"amount\":-0.0}" },
    { "{\"amount\":-0.0}", NULL },
    { "{\"amount\":12}", NULL },
    { "{\"amount\":12.50}", "{\"amount\":12.5}" },
    { "{\"amount\":-325.69}", NULL },
    { "{\"amount\":1E2}", "{\"amount\":100}" },
    { "{\"amount\":1e+2}", "{\"amount\":100}" },
    { "{\"amount\":0.1}", NULL },
    { "{\"amount\":123456789012345.5}", NULL },
    { "{\"amount\":1234567890123456.7}", "{\"amount\":1234567890123456.8}" },
    { "{\"amount\":1e-400}", "{\"amount\":0}" },
    { "{\"amount\":5e-324}", NULL },
    { "{\"amount\":2.2250738585072011e-308}", "{\"amount\":2.225073858507201e-308}" },
    { "{\"amount\":0.30000000000000004}", NULL },
    { "{\"amount\":100000000000000000000}", "{\"amount\":1e+20}" },
    { "{\"active\":true}", NULL },
    { "{\"active\":false }", "{\"active\":false}" },
    { "{\"blob\":\"\"}", NULL },
    { "{\"blob\":\"YQ==\"}", NULL },
    { "{\"blob\":\"YWI=\"}", NULL },
    { "{\"blob\":\"YWJj+/8A\"}", NULL },
    { "{\"blob\":\"YWJj\\u002b\\/8A\"}", "{\"blob\":\"YWJj+/8A\"}" },
    { "{\"tree\":1e999}", NULL },
    { "{\"tree\":[ 1,\n2 ]}", "{\"tree\":[ 1, 2 ]}" },
    { "{\"tree\":{\"a\":[{}, [], \"\\ud83d\\ude00\", null, true, false, -1.5e-3]} }",
      "{\"tree\":{\"a\":[{}, [], \"\\ud83d\\ude00\", null, true, false, -1.5e-3]}}" },
    { "{\"tree\":{\"b\":{\"b\":{\"b\":1}}, \"c\":[{\"b\":1},{\"b\":2}]}}", NULL },
    { "{\"age_of_the_person\":130}", NULL },
    { "{\"age_of_the_person\":0}", NULL },
    { "{\"a_name_that_is_longer_than_the_words_compared\":\"x\"}", NULL },
    { "{\"a_name_that_is_longer_than_the_words_comparex\":\"x\"}", NULL },
    { "{\"x\":1,\"id\":\"a\",\"y\" : [ 2 ] }", "{\"id\":\"a\",\"x\":1,\"y\" : [ 2 ]}" },
    { "{\"x\"\n:\t1}", "{\"x\" : 1}" },
    { "{\"_extra\":{\"a\":1}}", NULL },
    { "{\"_extra\":null}", NULL },
    { "{\"i\":1,\"idd\":2,\"\":3,\"ID\":4}", NULL },
    { "{\"\\u0069\\u0064\":\"a\"}", "{\"id\":\"a\"}" },
    { "{\"\\u0069\\u0064d\":\"a\"}", NULL },
    { "{\"id\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "{\"id\":\"\\\"\\\\/\\b\\f\\n\\r\\t\"}" },
    { "{\"id\":\"\\u0001\\u001F\\u007f\\u0080\\u07ff\\u0800\\uffff\"}",
      "{\"id\":\"\\u0001\\u001f\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\"}" },
    { "{\"id\":\"\\ud800\\udc00\\uDBFF\\uDFFF\"}", "{\"id\":\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}" },
    { "{\"id\":\"{\\\"a\\\":[1,2]}\"}", NULL },
    { "{\"id\":\"\xf0\x9f\x98\x80\xed\x9f\xbf\xee\x80\x80\"}", NULL },
    { "{\"x\":\"\\\\\",\"id\":\"\\\\\\\"\"}", "{\"id\":\"\\\\\\\"\",\"x\":\"\\\\\"}" },
};

static void takes_and_writes(void **state)
{
    struct json_fixture *fixture = *state;
    for (size_t i = 0; i < sizeof accepted_texts / sizeof *accepted_texts; i++) {
        const struct accepted *one = &accepted_texts[i];
        dv_rc rc = fixture_read(fixture, one->text);
        if (rc != DV_OK)
            fail_msg("'%s': %s (%s)", one->text, dv_rc_name(rc), fixture->reason);
        char *written = fixture_write(fixture);
        assert_string_equal(written, one->written != NULL ? one->written : one->text);
        free(written);
    }
}

static void points_into_the_text(void **state)
{
    struct json_fixture *fixture = *state;
    assert_int_equal(fixture_read(fixture, "{\"id\":\"plain\",\"tree\":[1]}"), DV_OK);
    assert_ptr_equal(fixture_cell(fixture, ID)->text, fixture->room + 7);
    assert_int_equal(fixture_cell(fixture, ID)->length, 5);
    assert_ptr_equal(fixture_cell(fixture, TREE)->text, fixture->room + 21);
    assert_int_equal(fixture_cell(fixture, COUNT)->present, 0);
}

static void copies_the_text(void **state)
{
    struct json_fixture *fixture = *state;
    char text[128] = "{\"id\":\"plain\",\"x\":\"\\n\"}";
    size_t length = strlen(text);
    assert_int_equal(dv_json_reader_record(fixture->reader, text, length, &fixture->batch, 3, &fixture->reason), DV_OK);
    memset(text, 'z', sizeof text);
    assert_memory_equal(fixture->batch.cells[ID][3].text, "plain", 5);
    assert_memory_equal(fixture->batch.cells[EXTRA][3].text, "{\"x\":\"\\n\"}", 10);
}

/* What the reader expects changes with every record here, and must never change what it reads. */
static void reads_fields_in_any_order(void **state)
{
    struct json_fixture *fixture = *state;
    static const char *const members[] = {
        "\"id\":\"a\"", "\"count\":2", "\"amount\":1.5", "\"active\":true", "\"age_of_the_person\":7",
        "\"x\":1",      "\"tree\":[]"
    };
    static const char *const sorted = "{\"id\":\"a\",\"count\":2,\"amount\":1.5,\"active\":true,\"tree\":[],"
                                      "\"age_of_the_person\":7,\"x\":1}";
    struct dv_random random;
    dv_random_seed(&random, 5);
    for (int round = 0; round < 2000; round++) {
        char text[256] = "{";
        unsigned used = 0;
        while (used != 0x7f) {
            unsigned pick = (unsigned)dv_random_below(&random, 7);
            if ((used >> pick & 1u) != 0)
                continue;
            if (used != 0)
                strcat(text, ",");
            strcat(text, members[pick]);
            used |= 1u << pick;
        }
        strcat(text, "}");
        assert_int_equal(fixture_read(fixture, text), DV_OK);
        char *written = fixture_write(fixture);
        assert_string_equal(written, sorted);
        free(written);
    }
}

static void forgets_the_record_before(void **state)
{
    struct json_fixture *fixture = *state;
    assert_int_equal(fixture_read(fixture, "{\"id\":\"a\",\"count\":1,\"x\":2,\"tree\":[]}"), DV_OK);
    assert_int_equal(fixture_read(fixture, "{\"count\":5}"), DV_OK);
    char *written = fixture_write(fixture);
    assert_string_equal(written, "{\"count\":5}");
    free(written);
    assert_int_equal(fixture_read(fixture, "{\"x\":3}"), DV_OK);
}

/* Enough names that their set has to grow several times. */
static void compares_many_names(void **state)
{
    enum { NAMES = 20000 };
    char *text = malloc(NAMES * 12 + 32);
    assert_non_null(text);
    size_t length = (size_t)sprintf(text, "{\"x\":{");
    for (int i = 0; i < NAMES; i++)
        length += (size_t)sprintf(text + length, "\"n%d\":%d,", i, i % 10);
    (void)sprintf(text + length, "\"last\":1}}");
    assert_int_equal(fixture_read(*state, text), DV_OK);
    (void)sprintf(text + length, "\"n7\":1}}");
    assert_int_equal(fixture_read(*state, text), DV_E_SYNTAX);
    free(text);
}

static void tells_when_memory_is_short(void **state)
{
    struct json_fixture *fixture = *state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        dv_memory_fail_at(nth);
        assert_null(dv_json_reader_new(&fixture->schema, FIXTURE_LIMIT));
    }
    dv_memory_fail_at(0);
    static const char *const texts[] = { "{\"id\":\"\\n\"}", "{\"x\":1}",           "{\"x\":\"\\n\"}",
                                         "{\"\\n\":1}",      "{\"blob\":\"YWJj\"}", "{\"tree\":[\n]}" };
    dv_arena_free(&fixture->batch.arena);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        dv_arena_init(&fixture->batch.arena, 0);
        assert_int_equal(fixture_read(fixture, texts[i]), DV_E_MEMORY);
        assert_int_equal(dv_json_reader_record(fixture->reader, fixture->room, strlen(texts[i]), &fixture->batch, 0,
                                               &fixture->reason),
                         DV_E_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_malformed_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_malformed_values, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_malformed_values_in_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_nul, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_values_that_do_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_missing_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_unknown_fields_without_a_place_for_them, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_deep_nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_and_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(points_into_the_text, setup, teardown),
        cmocka_unit_test_setup_teardown(copies_the_text, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_fields_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(forgets_the_record_before, setup, teardown),
        cmocka_unit_test_setup_teardown(compares_many_names, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_when_memory_is_short, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
