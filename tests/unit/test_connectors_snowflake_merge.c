/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_merge.c - records into a statement: its text, and the array that is its value.
 *
 * shows: SNO-1 SNO-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/snowflake_array.h"
#include "connectors/snowflake_merge.h"
#include "engine/json.h"
#include "engine/json_doc.h"
#include "engine/memory.h"
#include "engine/schema.h"

/* ---- the statement ---- */

static const struct dv_label plain = { 0 };

static void writes_every_type(void **state)
{
    static const struct {
        const char *name;
        enum dv_type type;
    } columns[] = { { "n", DV_TYPE_INT },     { "ward", DV_TYPE_TEXT },  { "Share", DV_TYPE_FLOAT },
                    { "ok", DV_TYPE_BOOL },   { "scan", DV_TYPE_BYTES }, { "all", DV_TYPE_JSON },
                    { "a.b", DV_TYPE_TEXT } };
    struct dv_arena arena;
    (void)state;
    dv_arena_init(&arena, 1 << 20);
    struct dv_schema *schema = dv_schema_new(&arena, "s", 8);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        dv_schema_add(schema, columns[i].name, columns[i].type, plain);
    assert_string_equal(
        dv_snowflake_merge_sql(&arena, "DV", "PUBLIC", "T", schema),
        "MERGE INTO \"DV\".\"PUBLIC\".\"T\" AS T USING (SELECT f.value:\"DV_ID\"::VARCHAR AS \"DV_ID\", CAST(? AS VARCHAR) AS \"DV_UNIT\", "
        "f.value:\"n\"::NUMBER(38, 0) AS \"N\", f.value:\"ward\"::VARCHAR AS \"WARD\", f.value:\"Share\"::FLOAT AS \"SHARE\", "
        "f.value:\"ok\"::BOOLEAN AS \"OK\", f.value:\"scan\"::VARCHAR AS \"SCAN\", f.value:\"all\" AS \"ALL\", "
        "f.value:\"a.b\"::VARCHAR AS \"A.B\" FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) AS f) AS S ON T.\"DV_ID\" = S.\"DV_ID\" "
        "WHEN NOT MATCHED THEN INSERT (\"DV_ID\", \"DV_UNIT\", \"N\", \"WARD\", \"SHARE\", \"OK\", \"SCAN\", \"ALL\", \"A.B\") "
        "VALUES (S.\"DV_ID\", S.\"DV_UNIT\", S.\"N\", S.\"WARD\", S.\"SHARE\", S.\"OK\", S.\"SCAN\", S.\"ALL\", S.\"A.B\")");
    assert_string_equal(dv_snowflake_count_sql(&arena, "DV", "PUBLIC", "T\"x"),
                        "SELECT COUNT(DISTINCT \"DV_ID\") FROM \"DV\".\"PUBLIC\".\"T\"\"x\" WHERE \"DV_ID\" IN "
                        "(SELECT f.value:\"DV_ID\"::VARCHAR FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) AS f)");
    dv_arena_free(&arena);
}

/* The longest names there can be fit, and nothing in a name ends it. */
static void holds_the_longest_names(void **state)
{
    struct dv_arena arena;
    char long_name[129], marks[129];
    (void)state;
    memset(long_name, 'x', 128);
    memset(marks, '"', 128);
    long_name[128] = marks[128] = '\0';
    dv_arena_init(&arena, 1 << 20);
    struct dv_schema *schema = dv_schema_new(&arena, "s", DV_COLUMNS_MAX);
    for (int i = 0; i < DV_COLUMNS_MAX; i++)
        dv_schema_add(schema, i == 0 ? marks : long_name, DV_TYPE_INT, plain);
    const char *text = dv_snowflake_merge_sql(&arena, marks, marks, marks, schema);
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == '"';
    assert_int_equal(count % 2, 0);
    assert_true(strlen(text) < (size_t)(DV_SNOWFLAKE_SQL_MAX - DV_SNOWFLAKE_ARRAY_MAX) / 2);
    struct dv_arena full;
    dv_arena_init(&full, 1 << 10);
    assert_null(dv_snowflake_merge_sql(&full, marks, marks, marks, schema));
    assert_null(dv_snowflake_count_sql(&full, marks, marks, marks));
    dv_arena_free(&full);
    dv_arena_free(&arena);
}

/* ---- the array ---- */

static dv_rc add(struct dv_snowflake_array *array, const char *text, size_t length)
{
    char *room = dv_snowflake_array_room(array, length);
    assert_non_null(room);
    memcpy(room, text, length);
    return dv_snowflake_array_add(array, length);
}

static void assert_array(struct dv_snowflake_array *array, const char *expected)
{
    struct dv_snowflake_text text = dv_snowflake_array_end(array);
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.at, expected, text.length);
}

static void joins_elements(void **state)
{
    struct dv_snowflake_array array = { 0 };
    (void)state;
    assert_array(&array, "[]");
    assert_int_equal(add(&array, "{\"a\":1}", 7), DV_OK);
    assert_array(&array, "[{\"a\":1}]");
    assert_non_null(dv_snowflake_array_room(&array, 100)); /* room that is not used changes nothing */
    assert_int_equal(add(&array, "2", 1), DV_OK);
    assert_array(&array, "[{\"a\":1},2]");
    dv_snowflake_array_reset(&array);
    assert_array(&array, "[]");
    assert_int_equal(add(&array, "3", 1), DV_OK);
    assert_array(&array, "[3]");
    dv_snowflake_array_free(&array);
    dv_snowflake_array_free(&array);
}

/* It grows with what is in it, holds what fits to the byte, and says what is too much. */
static void knows_its_limit(void **state)
{
    struct dv_snowflake_array array = { 0 };
    char *element = malloc(DV_SNOWFLAKE_ARRAY_MAX);
    (void)state;
    memset(element, '1', DV_SNOWFLAKE_ARRAY_MAX);
    assert_int_equal(add(&array, element, DV_SNOWFLAKE_ARRAY_MAX - 1), DV_E_LIMIT);
    assert_array(&array, "[]");
    assert_int_equal(add(&array, element, DV_SNOWFLAKE_ARRAY_MAX - 2), DV_OK);
    assert_int_equal(dv_snowflake_array_end(&array).length, DV_SNOWFLAKE_ARRAY_MAX);
    assert_int_equal(add(&array, element, 1), DV_E_FULL);
    assert_int_equal(dv_snowflake_array_end(&array).length, DV_SNOWFLAKE_ARRAY_MAX);
    dv_snowflake_array_reset(&array);
    assert_int_equal(add(&array, element, DV_SNOWFLAKE_ARRAY_MAX - 4), DV_OK);
    assert_int_equal(add(&array, element, 2), DV_E_FULL);
    assert_int_equal(add(&array, element, 1), DV_OK);
    assert_int_equal(dv_snowflake_array_end(&array).length, DV_SNOWFLAKE_ARRAY_MAX);
    assert_memory_equal(dv_snowflake_array_end(&array).at + DV_SNOWFLAKE_ARRAY_MAX - 4, "1,1]", 4);
    dv_snowflake_array_free(&array);
    free(element);
}

static void lacks_memory_without_a_loss(void **state)
{
    struct dv_snowflake_array array = { 0 };
    (void)state;
    dv_memory_fail_at(1);
    assert_null(dv_snowflake_array_room(&array, 1));
    assert_int_equal(add(&array, "1", 1), DV_OK);
    dv_memory_fail_at(1);
    assert_null(dv_snowflake_array_room(&array, 1 << 20));
    assert_int_equal(add(&array, "2", 1), DV_OK);
    assert_array(&array, "[1,2]");
    dv_snowflake_array_free(&array);
}

/* Whatever a text is, it comes out as it went in: Snowflake reads what we write. */
static void keeps_every_text(void **state)
{
    static const char *const texts[] = { "", "\"", "\\", "'); DROP TABLE T; --", "]", "},{", "\x01\x1f\x7f\n\r\t", "Gr\xc3\xbcnkohl \xf0\x9f\xa5\xac" };
    struct dv_snowflake_array array = { 0 };
    struct dv_doc doc = { 0 };
    struct dv_json json;
    char whole[1024] = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        dv_json_init(&json, dv_snowflake_array_room(&array, 200), 200);
        dv_json_text(&json, texts[i], strlen(texts[i]));
        assert_false(json.full);
        assert_int_equal(dv_snowflake_array_add(&array, dv_json_length(&json)), DV_OK);
    }
    struct dv_snowflake_text text = dv_snowflake_array_end(&array);
    assert_true(text.length + DV_JSON_PADDING < sizeof whole);
    memcpy(whole, text.at, text.length);
    assert_int_equal(dv_doc_init(&doc, sizeof whole), DV_OK);
    assert_int_equal(dv_doc_read(&doc, whole, text.length), DV_OK);
    dv_doc_at at = dv_doc_first(&doc, dv_doc_root(&doc));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++, at = dv_doc_next(&doc, at)) {
        const char *read = NULL;
        size_t length = 0;
        assert_true(dv_doc_text(&doc, at, &read, &length));
        assert_int_equal(length, strlen(texts[i]));
        assert_memory_equal(read, texts[i], length);
    }
    assert_null(at);
    dv_doc_free(&doc);
    dv_snowflake_array_free(&array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_every_type),  cmocka_unit_test(holds_the_longest_names),     cmocka_unit_test(joins_elements),
        cmocka_unit_test(knows_its_limit),    cmocka_unit_test(lacks_memory_without_a_loss), cmocka_unit_test(keeps_every_text),
    };
    return cmocka_run_group_tests_name("connectors_snowflake_merge", tests, NULL, NULL);
}
