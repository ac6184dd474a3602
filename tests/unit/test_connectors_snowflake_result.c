/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_result.c - results of statements: partitions, packed and not, and what is none.
 *
 * shows: SNO-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "engine/memory.h"
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
        { "{\"code\":\"090001\",\"data\":[]}", DV_E_DATA, "the answer is no result of a statement" },
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

/* A caller who asks for columns and for the server's words. */
struct told {
    struct dv_snowflake_statement statement;
    const struct dv_snowflake_column *columns;
    char text[512];
    bool running;
};

static void tell(struct told *told, const char *word, const char *text, size_t length)
{
    size_t used = strlen(told->text);
    (void)snprintf(told->text + used, sizeof told->text - used, "%s %.*s;", word, (int)length, text);
}

static void on_columns(struct dv_snowflake_statement *statement, const struct dv_snowflake_column *columns, uint32_t count)
{
    struct told *told = statement->data;
    told->columns = columns;
    for (uint32_t i = 0; i < count; i++) {
        tell(told, "column", columns[i].name.at, columns[i].name.length);
        tell(told, "kind", "0123456789" + columns[i].kind, 1);
    }
}

static void on_words(struct dv_snowflake_statement *statement, const char *text, size_t length)
{
    tell(statement->data, "words", text, length);
}

static void on_told_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    assert_int_equal(count, 2);
    tell(statement->data, "row", cells[0].at, cells[0].length);
}

/* The columns are still there. */
static void on_told_end(struct dv_snowflake_statement *statement)
{
    struct told *told = statement->data;
    tell(told, "end", told->columns != NULL ? told->columns[1].name.at : "", told->columns != NULL ? told->columns[1].name.length : 0);
    told->running = statement->running;
}

static void run_told(struct snow_script *script, struct told *told)
{
    told->statement = (struct dv_snowflake_statement){ .sql = "SELECT 1", .on_columns = on_columns, .on_words = on_words,
                                                       .on_row = on_told_row, .on_end = on_told_end, .data = told };
    assert_int_equal(dv_snowflake_run(&script->snowflake, &told->statement), DV_OK);
    snow_run(script);
    assert_true(dv_snowflake_is_idle(&script->snowflake));
}

#define TYPES "\"rowType\":[{\"name\":\"A\",\"type\":\"fixed\"},{\"name\":\"b \\u00e4\",\"type\":\"TEXT\"}]"

static void tells_columns_before_rows(void **state)
{
    struct snow_script *script = *state;
    struct told told = { 0 };
    snow_open_default(script);
    snow_reply(script, "?requestId=", 202, SNOW_RUNNING);
    snow_reply(script, "/h-1", 200, "{\"statementHandle\":\"h-1\",\"resultSetMetaData\":{\"numRows\":2,\"partitionInfo\":[{},{}]," TYPES "},\"data\":[[\"1\",null]]}");
    snow_reply(script, "partition=1", 200, "{\"data\":[[\"2\",null]]}");
    run_told(script, &told);
    assert_int_equal(told.statement.rc, DV_OK);
    assert_true(told.running);
    assert_string_equal(told.text, "column A;kind 1;column b \xc3\xa4;kind 0;row 1;row 2;end b \xc3\xa4;");
}

static void tells_columns_of_no_rows_and_of_none(void **state)
{
    struct snow_script *script = *state;
    struct told told = { 0 }, none = { 0 };
    snow_open_default(script);
    snow_reply(script, NULL, 200, "{\"resultSetMetaData\":{\"numRows\":0," TYPES "},\"data\":[]}");
    run_told(script, &told);
    assert_string_equal(told.text, "column A;kind 1;column b \xc3\xa4;kind 0;end b \xc3\xa4;");
    assert_false(told.running);
    snow_reply(script, NULL, 200, "{\"resultSetMetaData\":{\"numRows\":0,\"rowType\":[{},7]},\"data\":[]}");
    run_told(script, &none);
    assert_string_equal(none.text, "column ;kind 0;column ;kind 0;end ;");
}

/* Whatever allocation fails, the statement ends, with its columns or without. */
static void survives_want_of_memory(void **state)
{
    struct snow_script *script = *state;
    bool whole = false;
    snow_open_default(script);
    for (uint64_t nth = 1; !whole; nth++) {
        struct told told = { .statement = { .sql = "SELECT 1", .on_columns = on_columns, .on_row = on_told_row, .on_end = on_told_end } };
        told.statement.data = &told;
        snow_open_again(script);
        snow_reply(script, NULL, 200, "{\"resultSetMetaData\":{\"numRows\":1," TYPES "},\"data\":[[\"1\",null]]}")->times = -1;
        dv_memory_fail_at(nth);
        dv_rc rc = dv_snowflake_run(&script->snowflake, &told.statement);
        if (rc == DV_OK)
            snow_run(script);
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY);
        assert_true(rc != DV_OK || strstr(told.text, "end ") != NULL);
        assert_true(told.statement.rc == DV_OK || told.statement.rc == DV_E_MEMORY || told.statement.rc == DV_E_CONFIG);
        whole = nth > 40 && rc == DV_OK && told.statement.rc == DV_OK;
        assert_true(nth < 200);
    }
}

/* Only to whom asks for it, and only of a failure. */
static void tells_the_server_s_words_to_whom_asks(void **state)
{
    struct snow_script *script = *state;
    struct told told = { 0 };
    snow_open_default(script);
    snow_reply(script, "?requestId=", 202, "{\"code\":\"333334\",\"message\":\"in progress\",\"statementHandle\":\"h-1\"}");
    snow_reply(script, "/h-1", 422, "{\"code\":\"100037\",\"sqlState\":\"22018\",\"message\":\"Numeric value 'Meier'\"}");
    run_told(script, &told);
    assert_int_equal(told.statement.rc, DV_E_DATA);
    assert_string_equal(told.statement.reason, "a value does not fit its column");
    assert_string_equal(told.text, "words Numeric value 'Meier';end ;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fetches_partitions, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_result, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(refuses_handles_that_are_none, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(tells_no_text_of_the_server, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(tells_columns_before_rows, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(tells_columns_of_no_rows_and_of_none, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(survives_want_of_memory, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(tells_the_server_s_words_to_whom_asks, snow_setup, snow_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
