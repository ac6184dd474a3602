/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_value.c - days, seconds and zones as people write them, and rows as JSON.
 *
 * shows: SNO-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/snowflake_value.h"
#include "engine/memory.h"

static struct dv_snowflake_text text(const char *at)
{
    return (struct dv_snowflake_text){ at, at != NULL ? strlen(at) : 0 };
}

static void knows_types_of_any_case(void **state)
{
    (void)state;
    assert_int_equal(dv_snowflake_kind_of("FIXED", 5), DV_SNOWFLAKE_FIXED);
    assert_int_equal(dv_snowflake_kind_of("timestamp_tz", 12), DV_SNOWFLAKE_TIMESTAMP_TZ);
    assert_int_equal(dv_snowflake_kind_of("FIXEDX", 6), DV_SNOWFLAKE_AS_TEXT);
    assert_int_equal(dv_snowflake_kind_of("", 0), DV_SNOWFLAKE_AS_TEXT);
}

static void tells_times(void **state)
{
    static const struct {
        enum dv_snowflake_kind kind;
        const char *value, *told;
    } rows[] = {
        { DV_SNOWFLAKE_DATE, "0", "1970-01-01" },
        { DV_SNOWFLAKE_DATE, "20415", "2025-11-23" },
        { DV_SNOWFLAKE_DATE, "-1", "1969-12-31" },
        { DV_SNOWFLAKE_DATE, "2932896", "9999-12-31" },
        { DV_SNOWFLAKE_DATE, "2932897", "2932897" },
        { DV_SNOWFLAKE_DATE, "1.5", "1.5" },
        { DV_SNOWFLAKE_DATE, "today", "today" },
        { DV_SNOWFLAKE_DATE, "", "" },
        { DV_SNOWFLAKE_TIME, "82919.000000000", "23:01:59" },
        { DV_SNOWFLAKE_TIME, "1.25", "00:00:01.25" },
        { DV_SNOWFLAKE_TIMESTAMP, "1616173619.000000000", "2021-03-19T17:06:59" },
        { DV_SNOWFLAKE_TIMESTAMP, "1616173619.000000001", "2021-03-19T17:06:59.000000001" },
        { DV_SNOWFLAKE_TIMESTAMP, "-0.500000000", "1969-12-31T23:59:59.5" },
        { DV_SNOWFLAKE_TIMESTAMP, "-1.000000000", "1969-12-31T23:59:59" },
        { DV_SNOWFLAKE_TIMESTAMP_AT, "0.0", "1970-01-01T00:00:00Z" },
        { DV_SNOWFLAKE_TIMESTAMP_TZ, "1616173619.000000000 1500", "2021-03-19T18:06:59+01:00" },
        { DV_SNOWFLAKE_TIMESTAMP_TZ, "1616173619.000000000 960", "2021-03-19T09:06:59-08:00" },
        { DV_SNOWFLAKE_TIMESTAMP_TZ, "1616173619.000000000 x", "1616173619.000000000 x" },
        { DV_SNOWFLAKE_TIMESTAMP, "999999999999999", "999999999999999" },
        { DV_SNOWFLAKE_TIMESTAMP, "1616173619.", "1616173619." },
        { DV_SNOWFLAKE_AS_TEXT, "20415", "20415" },
        { DV_SNOWFLAKE_TIMESTAMP, "00000000000000000000000000000000000000000000000000000000000000000000001",
          "00000000000000000000000000000000000000000000000000000000000000000000001" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char room[DV_SNOWFLAKE_VALUE_MAX];
        struct dv_snowflake_text told = dv_snowflake_value_text(rows[i].kind, text(rows[i].value), room);
        assert_int_equal(told.length, strlen(rows[i].told));
        assert_memory_equal(told.at, rows[i].told, told.length);
    }
    char room[DV_SNOWFLAKE_VALUE_MAX];
    assert_null(dv_snowflake_value_text(DV_SNOWFLAKE_DATE, text(NULL), room).at);
}

static void writes_values_as_json(void **state)
{
    static const struct {
        enum dv_snowflake_kind kind;
        const char *value, *row;
    } rows[] = {
        { DV_SNOWFLAKE_FIXED, "12", "{\"A\":12}" },
        { DV_SNOWFLAKE_FIXED, "-0.50", "{\"A\":-0.50}" },
        { DV_SNOWFLAKE_FIXED, "99999999999999999999999999999999999999", "{\"A\":99999999999999999999999999999999999999}" },
        { DV_SNOWFLAKE_REAL, "1.5e-10", "{\"A\":1.5e-10}" },
        { DV_SNOWFLAKE_REAL, "NaN", "{\"A\":\"NaN\"}" },
        { DV_SNOWFLAKE_REAL, "-inf", "{\"A\":\"-inf\"}" },
        { DV_SNOWFLAKE_FIXED, "01", "{\"A\":\"01\"}" },
        { DV_SNOWFLAKE_FIXED, ".5", "{\"A\":\".5\"}" },
        { DV_SNOWFLAKE_FIXED, "5.", "{\"A\":\"5.\"}" },
        { DV_SNOWFLAKE_FIXED, "5e", "{\"A\":\"5e\"}" },
        { DV_SNOWFLAKE_FIXED, "1,\"B\":2", "{\"A\":\"1,\\\"B\\\":2\"}" },
        { DV_SNOWFLAKE_FIXED, "", "{\"A\":\"\"}" },
        { DV_SNOWFLAKE_FIXED, "-", "{\"A\":\"-\"}" },
        { DV_SNOWFLAKE_BOOLEAN, "true", "{\"A\":true}" },
        { DV_SNOWFLAKE_BOOLEAN, "TRUE", "{\"A\":\"TRUE\"}" },
        { DV_SNOWFLAKE_DATE, "0", "{\"A\":\"1970-01-01\"}" },
        { DV_SNOWFLAKE_AS_TEXT, NULL, "{\"A\":null}" },
        { DV_SNOWFLAKE_AS_TEXT, "12", "{\"A\":\"12\"}" },
        { DV_SNOWFLAKE_AS_TEXT, "\x1b[2J\"\\", "{\"A\":\"\\u001b[2J\\\"\\\\\"}" },
        { DV_SNOWFLAKE_SEMI, "{\n  \"a b\": [1, \"x \\\" y\\\\\", null]\n}", "{\"A\":{\"a b\":[1,\"x \\\" y\\\\\",null]}}" },
        { DV_SNOWFLAKE_SEMI, "\"x\"", "{\"A\":\"x\"}" },
        { DV_SNOWFLAKE_SEMI, "[\n  undefined\n]", "{\"A\":\"[\\n  undefined\\n]\"}" },
        { DV_SNOWFLAKE_SEMI, "1],[2", "{\"A\":\"1],[2\"}" },
        { DV_SNOWFLAKE_SEMI, "1,2", "{\"A\":\"1,2\"}" },
        { DV_SNOWFLAKE_SEMI, "", "{\"A\":\"\"}" },
    };
    struct dv_snowflake_writer writer = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dv_snowflake_column column = { text("A"), rows[i].kind };
        const struct dv_snowflake_text cell = text(rows[i].value);
        assert_int_equal(dv_snowflake_writer_begin(&writer, &column, 1, false), DV_OK);
        assert_int_equal(dv_snowflake_writer_row(&writer, &column, &cell, 1), DV_OK);
        assert_int_equal(writer.row.used, strlen(rows[i].row));
        assert_memory_equal(writer.row.bytes, rows[i].row, writer.row.used);
    }
    dv_snowflake_writer_free(&writer);
}

static void writes_names(void **state)
{
    static const char *const names[] = { "DV_ID", "Name", "A\"B", "DV_ID", "\xc3\x84X", "DV_ID", "name", "dv_id", "NAME", "DV_ID_2" };
    enum { COUNT = sizeof names / sizeof names[0] };
    struct dv_snowflake_writer writer = { 0 };
    struct dv_snowflake_column columns[COUNT] = { 0 };
    struct dv_snowflake_text cells[COUNT] = { { 0 } };
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        columns[i].name = text(names[i]);
    static const char plain[] = "{\"DV_ID\":null,\"Name\":null,\"A\\\"B\":null,\"DV_ID_2\":null,\"\xc3\x84X\":null,\"DV_ID_3\":null,\"name\":null,\"dv_id\":null,"
                                "\"NAME\":null,\"DV_ID_2_2\":null}";
    static const char lower[] = "{\"dv_id\":null,\"Name\":null,\"a\\\"b\":null,\"dv_id_2\":null,\"\xc3\x84x\":null,\"dv_id_3\":null,\"name\":null,\"dv_id_4\":null,"
                                "\"name_2\":null,\"dv_id_2_2\":null}";
    assert_int_equal(dv_snowflake_writer_begin(&writer, columns, COUNT, false), DV_OK);
    assert_int_equal(dv_snowflake_writer_row(&writer, columns, cells, COUNT), DV_OK);
    assert_true(writer.doubled);
    assert_memory_equal(writer.row.bytes, plain, strlen(plain));
    assert_int_equal(dv_snowflake_writer_begin(&writer, columns, COUNT, true), DV_OK);
    assert_int_equal(dv_snowflake_writer_row(&writer, columns, cells, COUNT), DV_OK);
    assert_memory_equal(writer.row.bytes, lower, strlen(lower));
    assert_int_equal(dv_snowflake_writer_begin(&writer, columns, 3, true), DV_OK);
    assert_false(writer.doubled);
    dv_snowflake_writer_free(&writer);
}

/* A row of any length, and every want of memory on the way to it. */
static void grows_and_survives_want_of_memory(void **state)
{
    enum { LONG = 100000 };
    char *value = dv_memory_zeroed(1, LONG + 1);
    const struct dv_snowflake_column columns[] = { { text("A"), DV_SNOWFLAKE_AS_TEXT }, { text("B"), DV_SNOWFLAKE_SEMI } };
    (void)state;
    assert_non_null(value);
    memset(value, '\n', LONG);
    const struct dv_snowflake_text cells[] = { { value, LONG }, text("[1]") };
    for (uint64_t nth = 1;; nth++) {
        struct dv_snowflake_writer writer = { 0 };
        dv_memory_fail_at(nth);
        dv_rc rc = dv_snowflake_writer_begin(&writer, columns, 2, false);
        rc = rc == DV_OK ? dv_snowflake_writer_row(&writer, columns, cells, 2) : rc;
        dv_memory_fail_at(0);
        bool whole = rc == DV_OK && memcmp(writer.row.bytes + writer.row.used - 8, "\"B\":[1]}", 8) == 0;
        assert_true(rc == DV_E_MEMORY || writer.row.used >= 2 * LONG);
        dv_snowflake_writer_free(&writer);
        if (whole)
            break;
        assert_true(nth < 100);
    }
    dv_memory_free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_types_of_any_case), cmocka_unit_test(tells_times),
        cmocka_unit_test(writes_values_as_json),   cmocka_unit_test(writes_names),
        cmocka_unit_test(grows_and_survives_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
