/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_result.c - results of statements: partitions, packed and not, and what is none.
 *
 * shows: SNO-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/unit/snowflake_script.h"

static size_t gzip(const char *text, char *out, size_t size)
{
    z_stream stream = { 0 };
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)text;
    stream.avail_in = (uInt)strlen(text);
    stream.next_out = (unsigned char *)out;
    stream.avail_out = (uInt)size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t used = size - stream.avail_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return used;
}

static void fetches_partitions(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { 0 };
    char packed[200];
    size_t length = gzip("{\"data\":[[\"3\",\"4\"]]}", packed, sizeof packed);
    snow_open_default(script);
    snow_reply(script, "?requestId=", 200, SNOW_HEAD("3", "{},{},{}") ",\"data\":[[\"1\",\"2\"]]}");
    snow_reply(script, "partition=1", 503, NULL);
    struct snow_reply *reply = snow_reply(script, "partition=1", 200, packed);
    reply->length = length;
    snow_reply(script, "partition=2", 200, "{\"data\":[[\"5\",\"6\"]]}");
    snow_begin(script, &outcome);
    snow_run(script);
    assert_int_equal(outcome.ends, 1);
    assert_int_equal(outcome.statement.rc, DV_OK);
    assert_string_equal(outcome.text, "1,2;3,4;5,6;");
    assert_string_equal(snow_asked(script, "partition", 0)->path, "/api/v2/statements/h-1?partition=1");
    assert_int_equal(snow_count(script, "partition=2"), 1);
}

static void refuses_what_is_no_result(void **state)
{
    static const struct {
        const char *body;
        dv_rc rc;
        const char *reason;
    } rows[] = {
        { "", DV_E_DATA, "the answer is no result of a statement" },
        { "[]", DV_E_DATA, "the answer is no result of a statement" },
        { "\"x\"", DV_E_DATA, "the answer is no result of a statement" },
        { "{}", DV_E_DATA, "the answer is no result of a statement" },
        { SNOW_HEAD("1", "{}") ",\"data\":[[\"1\"]]}", DV_E_DATA, "the answer is no result of a statement" },
        { SNOW_HEAD("1", "{}") ",\"data\":[[\"1\",\"2\",\"3\"]]}", DV_E_DATA,
          "the answer is no result of a statement" },
        { SNOW_HEAD("1", "{}") ",\"data\":[[\"1\",2]]}", DV_E_DATA, "the answer is no result of a statement" },
        { SNOW_HEAD("1", "{}") ",\"data\":[7]}", DV_E_DATA, "the answer is no result of a statement" },
        { "{\"resultSetMetaData\":{\"partitionInfo\":[{},{}]},\"data\":[]}", DV_E_DATA,
          "the answer is no result of a statement" },
        { SNOW_HEAD("2", "{}") ",\"data\":[[\"1\",\"2\"]]}", DV_E_DATA, "the result has not as many rows as it says" },
        { SNOW_HEAD("1", "{}") ",\"data\":[]}", DV_E_DATA, "the result has not as many rows as it says" },
        { "{\"code\":\"391908\"}", DV_E_LIMIT, "the statement's result is too large" },
    };
    struct snow_script *script = *state;
    snow_open_default(script);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct snow_outcome outcome = { 0 };
        snow_open_again(script);
        snow_reply(script, NULL, 200, rows[i].body);
        snow_ask(script, &outcome);
        assert_int_equal(outcome.statement.rc, rows[i].rc);
        assert_string_equal(outcome.statement.reason, rows[i].reason);
    }
}

static void refuses_handles_that_are_none(void **state)
{
    static const char *const bodies[] = { "{}", "{\"statementHandle\":\"../x\"}", "{\"statementHandle\":7}", "" };
    struct snow_script *script = *state;
    snow_open_default(script);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct snow_outcome outcome = { 0 };
        snow_open_again(script);
        snow_reply(script, NULL, 202, bodies[i]);
        snow_ask(script, &outcome);
        assert_int_equal(outcome.statement.rc, DV_E_DATA);
        assert_string_equal(outcome.statement.reason, "the answer names no handle of the statement");
    }
}

/* What Snowflake says about a statement holds pieces of it: only codes are taken over. */
static void tells_no_text_of_the_server(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { 0 };
    snow_open_default(script);
    snow_reply(script, NULL, 422,
               "{\"code\":\"100037\",\"sqlState\":\"22018\",\"message\":\"Numeric value 'Meier' is not recognized\"}");
    snow_ask(script, &outcome);
    assert_int_equal(outcome.statement.rc, DV_E_DATA);
    assert_string_equal(outcome.statement.reason, "a value does not fit its column");
    assert_string_equal(outcome.statement.code, "100037");
    assert_string_equal(outcome.statement.sqlstate, "22018");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fetches_partitions, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_result, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(refuses_handles_that_are_none, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(tells_no_text_of_the_server, snow_setup, snow_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
