/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_table.c - looks at a table before a scripted Snowflake: its columns, or which name is wrong.
 *
 * shows: SNO-1 SNO-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/snowflake_table.h"
#include "connectors/snowflake_schema.h"
#include "connectors/snowflake_type.h"
#include "engine/memory.h"
#include "tests/unit/snowflake_script.h"

#define RESULT(rows, columns, data)                                                                                    \
    "{\"code\":\"090001\",\"resultSetMetaData\":{\"numRows\":" rows ",\"rowType\":[" columns                           \
    "],\"partitionInfo\":[{}]},"                                                                                       \
    "\"data\":[" data "]}"
#define C "{\"name\":\"x\"}"
#define C5 C "," C "," C "," C "," C
#define DESCRIBED                                                                                                      \
    RESULT("3", C5,                                                                                                    \
           "[\"DV_ID\",\"VARCHAR(16777216)\",\"COLUMN\",\"N\",null],[\"N\",\"NUMBER(38,0)\",\"COLUMN\",\"Y\","         \
           "null],[\"a-b\",\"DATE\",\"COLUMN\",\"N\",\"x\"]")
#define WAREHOUSES(name) RESULT("1", C, "[\"" name "\"]")
#define SCHEMAS(name) RESULT("1", C "," C, "[\"0\",\"" name "\"]")
#define NONE RESULT("0", C, "")
#define PIPES(name, why)                                                                                               \
    RESULT("1", C "," C "," C ",{\"name\":\"invalid_reason\"}," C, "[\"0\",\"" name "\",null," why ",\"x\"]")
#define MISSING "{\"code\":\"002003\",\"sqlState\":\"42S02\",\"message\":\"secret\"}"

static unsigned ends;

static void on_end(struct dv_snowflake_table *table)
{
    (void)table;
    ends++;
}

static struct dv_snowflake_table made(void)
{
    return (struct dv_snowflake_table){ .database = "DB",
                                        .schema = "S",
                                        .name = "T",
                                        .warehouse = "WH",
                                        .pipe = "T-STREAMING",
                                        .pipe_may_lack = true,
                                        .on_end = on_end };
}

static void look(struct snow_script *script, struct dv_snowflake_table *table)
{
    ends = 0;
    assert_int_equal(dv_snowflake_table_look(table, &script->snowflake), DV_OK);
    assert_int_equal(ends, 0);
    snow_run(script);
    assert_int_equal(ends, 1);
}

static void is_asked(const struct snow_script *script, unsigned nth, const char *sql)
{
    const struct snow_asked *asked = snow_asked(script, "/api/v2/statements", nth);
    char wanted[256];
    (void)snprintf(wanted, sizeof wanted, "{\"statement\":\"%s\",", sql);
    assert_non_null(asked);
    assert_memory_equal(asked->body, wanted, strlen(wanted));
}

static void sees_the_columns(void **state)
{
    struct snow_script *script = *state;
    struct dv_snowflake_table table = made();
    snow_open_default(script);
    snow_reply(script, NULL, 200, DESCRIBED);
    snow_reply(script, NULL, 200, WAREHOUSES("WH"));
    snow_reply(script, NULL, 200, NONE);
    look(script, &table);
    assert_int_equal(table.rc, DV_OK);
    assert_int_equal(table.column_count, 3);
    is_asked(script, 0, "DESCRIBE TABLE \\\"DB\\\".\\\"S\\\".\\\"T\\\"");
    is_asked(script, 1, "SHOW WAREHOUSES LIKE 'WH'");
    is_asked(script, 2, "SHOW PIPES LIKE 'T-STREAMING' IN SCHEMA \\\"DB\\\".\\\"S\\\"");
    const struct dv_snowflake_table_column *id = dv_snowflake_table_find(&table, "dv_id"),
                                           *other = dv_snowflake_table_find(&table, "A-B");
    assert_string_equal(id->type, "VARCHAR(16777216)");
    assert_false(id->nullable || id->defaulted);
    assert_true(!other->nullable && other->defaulted);
    assert_true(dv_snowflake_table_find(&table, "n")->nullable);
    assert_null(dv_snowflake_table_find(&table, "none"));
    dv_snowflake_table_close(&table);
}

static void fails(struct snow_script *script, struct dv_snowflake_table table, const char *text)
{
    look(script, &table);
    assert_int_equal(table.rc, DV_E_CONFIG);
    if (strstr(table.error.text, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, table.error.text);
    assert_null(strstr(table.error.text, "secret"));
    dv_snowflake_table_close(&table);
    snow_open_again(script);
}

static void names_what_is_not_there(void **state)
{
    struct snow_script *script = *state;
    struct dv_snowflake_table piped = made();
    piped.pipe = "P";
    piped.pipe_may_lack = false;
    snow_open_default(script);
    snow_reply(script, NULL, 422, MISSING);
    snow_reply(script, NULL, 422, "{\"code\":\"002043\",\"sqlState\":\"02000\"}");
    fails(script, made(), "there is no such database: DB, or role WRITER may not use it");
    snow_reply(script, NULL, 422, MISSING);
    snow_reply(script, NULL, 200, SCHEMAS("s")); /* LIKE finds names in any case */
    fails(script, made(), "there is no such schema: DB.S");
    snow_reply(script, NULL, 422, MISSING);
    snow_reply(script, NULL, 200, SCHEMAS("S"));
    fails(script, made(), "there is no such table: DB.S.T");
    snow_reply(script, NULL, 200, DESCRIBED);
    snow_reply(script, NULL, 200, NONE);
    fails(script, made(), "there is no such warehouse: WH");
    snow_reply(script, NULL, 200, DESCRIBED);
    snow_reply(script, NULL, 200, WAREHOUSES("WH"));
    snow_reply(script, NULL, 200, PIPES("p", "null"));
    fails(script, piped, "there is no such pipe: DB.S.P");
    snow_reply(script, NULL, 200, DESCRIBED);
    snow_reply(script, NULL, 200, WAREHOUSES("WH"));
    snow_reply(script, NULL, 422, MISSING);
    fails(script, piped, "there is no such pipe: DB.S.P");
    snow_reply(script, NULL, 200, DESCRIBED);
    snow_reply(script, NULL, 200, WAREHOUSES("WH"));
    snow_reply(script, NULL, 200, PIPES("T-STREAMING", "\"table dropped\""));
    fails(script, made(), "pipe T-STREAMING is not sound");
}

static void names_what_the_codes_tell(void **state)
{
    static const struct {
        unsigned status;
        const char *body, *text;
    } cases[] = {
        { 403, "{\"code\":\"390189\"}", "role WRITER does not exist, or user loader does not have it" },
        { 422, "{\"code\":\"391918\",\"sqlState\":\"02000\"}", "there is no such database: DB" },
        { 422, "{\"code\":\"391919\",\"sqlState\":\"02000\"}", "there is no such schema: DB.S" },
        { 422, "{\"code\":\"391920\",\"sqlState\":\"02000\"}", "there is no such warehouse: WH" },
        { 404, "", "is the account right? (account org-acc, user loader)" },
        { 403, "{}", "or may the user or the role not? (account org-acc, user loader)" },
        { 403, "<html>Forbidden</html>", "is the account right, does a network policy keep this machine out" },
        { 403, "{\"code\":\"390403\"}", "Snowflake forbids this to the user or the role (account org-acc, user loader)" },
    };
    struct snow_script *script = *state;
    snow_open_default(script);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snow_reply(script, NULL, cases[i].status, cases[i].body);
        fails(script, made(), cases[i].text);
    }
    snow_reply(script, NULL, 401, "{\"code\":\"390144\",\"message\":\"secret\"}")->times = 2;
    fails(script, made(),
          "Snowflake does not accept the token: is the key the user's, and are account and user right? (account "
          "org-acc, user loader)");
    snow_reply(script, NULL, 401,
               "{\"code\":\"390144\",\"message\":\"JWT token is invalid. [0a1b2c3d-0123-4567-89ab-0123456789ef]\"}")
        ->times = 2;
    fails(script, made(), "user loader); Snowflake's number of the refusal: 0a1b2c3d-0123-4567-89ab-0123456789ef");
    snow_reply(script, NULL, 401, "{\"code\":\"390144\"}")->times = 2;
    script->replies[0].date_s = 600;
    fails(script, made(), "clock and Snowflake's are more than five minutes apart");
    snow_reply(script, NULL, 200, DESCRIBED)->date_s = 600; /* the key was accepted: it would not be for long */
    fails(script, made(), "more than five minutes apart: set the clock");
}

static void says_what_may_heal(void **state)
{
    struct snow_script *script = *state;
    struct dv_snowflake_config config = snow_config();
    struct dv_snowflake_table table = made();
    config.deadlines.total_ms = 3000;
    snow_open(script, &config);
    snow_reply(script, NULL, 503, "")->times = -1;
    look(script, &table);
    assert_int_equal(table.rc, DV_E_DEPENDENCY);
    script->reply_count = 0;
    snow_reply(script, NULL, 200, DESCRIBED)->times = 2;
    table.warehouse = table.pipe = NULL;
    snow_run_ms(script, 120000);
    look(script, &table);
    assert_int_equal(table.rc, DV_OK);
    look(script, &table);
    assert_int_equal(table.column_count, 3);
    dv_snowflake_table_close(&table);
}

static void can_be_given_up(void **state)
{
    struct snow_script *script = *state;
    struct dv_snowflake_table table = made(), none = { 0 };
    snow_open_default(script);
    ends = 0;
    assert_int_equal(dv_snowflake_table_look(&table, &script->snowflake), DV_OK);
    dv_snowflake_table_close(&table);
    dv_snowflake_table_close(&none);
    snow_run(script);
    assert_int_equal(ends, 0);
    assert_int_equal(script->asked_count, 0);
}

static void lacks_memory(void **state)
{
    struct snow_script *script = *state;
    struct dv_snowflake_table table = made();
    snow_open_default(script);
    dv_memory_fail_at(1);
    assert_int_equal(dv_snowflake_table_look(&table, &script->snowflake), DV_E_MEMORY);
    dv_memory_fail_at(0);
    for (unsigned nth = 1; nth < 20; nth++) { /* wherever it fails, no column is left out without a word */
        snow_open_again(script);
        script->reply_count = 0;
        snow_reply(script, NULL, 200, DESCRIBED)->times = -1;
        table.warehouse = table.pipe = NULL;
        assert_int_equal(dv_snowflake_table_look(&table, &script->snowflake), DV_OK);
        ends = 0;
        dv_memory_fail_at(nth);
        snow_run(script);
        dv_memory_fail_at(0);
        assert_int_equal(ends, 1);
        assert_true(table.rc != DV_OK || table.column_count == 3);
        dv_snowflake_table_close(&table);
    }
}

static void refuses_names_that_are_too_long(void **state)
{
    struct snow_script *script = *state;
    struct dv_snowflake_table table = made();
    static char name[1200];
    memset(name, '"', sizeof name - 1);
    table.name = name;
    snow_open_default(script);
    assert_int_equal(dv_snowflake_table_look(&table, &script->snowflake), DV_E_CONFIG);
    table.name = "";
    assert_int_equal(dv_snowflake_table_look(&table, &script->snowflake), DV_E_CONFIG);
}

static void quotes_names_and_texts(void **state)
{
    char out[32];
    (void)state;
    assert_true(dv_snowflake_quote_place(out, sizeof out, "D", "a\"b", "T-X"));
    assert_string_equal(out, "\"D\".\"a\"\"b\".\"T-X\"");
    assert_true(dv_snowflake_quote_place(out, sizeof out, "D", NULL, NULL));
    assert_string_equal(out, "\"D\"");
    assert_true(dv_snowflake_quote_text(out, sizeof out, "it's \\ \""));
    assert_string_equal(out, "'it''s \\\\ \"'");
    assert_true(dv_snowflake_quote_text(out, sizeof out, ""));
    for (size_t size = 0; size < sizeof "\"D\".\"S\".\"TT\""; size++)
        assert_false(dv_snowflake_quote_place(out, size, "D", "S", "TT"));
    assert_false(dv_snowflake_quote_name(out, sizeof out, ""));
}

static void knows_which_column_takes_what(void **state)
{
    static const struct {
        const char *told, *wanted;
        bool takes;
    } cases[] = {
        { "VARCHAR(16777216)", "VARCHAR", true },
        { "VARCHAR(36)", "VARCHAR(36)", true },
        { "VARCHAR(35)", "VARCHAR(36)", false },
        { "VARCHAR", "VARCHAR(36)", true },
        { "VARCHAR(10)", "NUMBER(38,0)", true },
        { "text", "VARCHAR", true },
        { "NUMBER(38,0)", "VARCHAR", false },
        { "DATE", "VARCHAR", true },
        { "TIMESTAMP_NTZ(9)", "VARCHAR(36)", false },
        { "NUMBER(38,0)", "NUMBER(38,0)", true },
        { "NUMBER(10,2)", "NUMBER(38,0)", true },
        { "NUMBER(10,0)", "NUMBER(38,0)", true }, /* a number that is too large is refused, not changed */
        { "FLOAT", "NUMBER(38,0)", false },        /* 2^53 + 1 would be another number */
        { "REAL", "NUMBER(38,0)", false },
        { "DECFLOAT", "NUMBER(38,0)", true },
        { "NUMBER(38,0)", "FLOAT", false },
        { "NUMBER(38,6)", "FLOAT", false }, /* rounded to millionths */
        { "NUMBER(10,2)", "FLOAT", false },
        { "double", "FLOAT", true },
        { "BOOLEAN", "FLOAT", false },
        { "BOOLEAN", "BOOLEAN", true },
        { "NUMBER(1,0)", "BOOLEAN", false },
        { "VARIANT", "BOOLEAN", true },
        { "VARIANT", "VARIANT", true },
        { "OBJECT", "VARIANT", true },
        { "DATE", "VARIANT", false },
        { "ARRAY", "ARRAY", true },
        { "VARCHAR(16777216)", "ARRAY", false },
        { "VARIANT", "ARRAY", true },
        { "VECTOR(FLOAT, 384)", "VECTOR(FLOAT,384)", true },
        { "VECTOR(FLOAT, 384)", "VECTOR(FLOAT,768)", false },
        { "VARIANT", "VECTOR(FLOAT,384)", false },
        { "BINARY(8388608)", "VARCHAR", false },
        { "GEOGRAPHY", "VARIANT", false },
        { "DECFLOAT", "FLOAT", true },
        { "", "VARCHAR", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (dv_snowflake_type_takes(cases[i].told, cases[i].wanted) != cases[i].takes)
            fail_msg("%s takes %s", cases[i].told, cases[i].wanted);
    for (int type = DV_TYPE_TEXT; type <= DV_TYPE_JSON; type++)
        assert_true(dv_snowflake_type_takes(dv_snowflake_type_of((enum dv_type)type),
                                            dv_snowflake_type_of((enum dv_type)type)));
    assert_string_equal(dv_snowflake_type_of(DV_TYPE_BYTES), "VARCHAR");
}

static void keeps_one_mark_in_a_comment(void **state)
{
    static const struct {
        const char *comment;
        int version;
        const char *written;
    } cases[] = {
        { "", 0, "'[datavault 1]'" },
        { "the ward's", 0, "'the ward''s [datavault 1]'" },
        { "[datavault 7]", 7, "'[datavault 1]'" },
        { "the ward's [datavault 7], ours", 7, "'the ward''s [datavault 1], ours'" },
        { "[datavault 1] [datavault 12]", 12, "'[datavault 1] [datavault 1]'" },
        { "[datavault x] [datavault 2] [datavault 0]", 2, "'[datavault x] [datavault 1] [datavault 0]'" },
        { "[datavault 1000000] [datavault 3", 0, "'[datavault 1000000] [datavault 3 [datavault 1]'" },
    };
    static struct dv_snowflake_wanted wanted = { .database = "DV", .schema = "PUBLIC" };
    static char sql[DV_SNOWFLAKE_STATEMENT_MAX];
    struct dv_error error = { 0 };
    (void)state;
    assert_int_equal(dv_snowflake_want(&wanted, DV_SNOWFLAKE_HEADS, NULL, NULL, 0, &error), DV_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(dv_snowflake_comment_version(cases[i].comment), cases[i].version);
        dv_snowflake_write_comment(sql, &wanted, cases[i].comment);
        assert_non_null(strstr(sql, " IS "));
        assert_string_equal(strstr(sql, " IS ") + 4, cases[i].written);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sees_the_columns, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(names_what_is_not_there, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(names_what_the_codes_tell, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(says_what_may_heal, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(can_be_given_up, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(lacks_memory, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(refuses_names_that_are_too_long, snow_setup, snow_teardown),
        cmocka_unit_test(quotes_names_and_texts),
        cmocka_unit_test(knows_which_column_takes_what),
        cmocka_unit_test(keeps_one_mark_in_a_comment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
