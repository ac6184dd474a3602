/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_sql.c - which statements are taken for reading, and how many question marks they have.
 *
 * shows: SNO-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connectors/snowflake_sql.h"

#define NOT_CLOSED "a text, a name or a comment in the statement is not closed"
#define NOT_READING "only statements that read are run: they begin with SELECT, WITH, SHOW, DESCRIBE or EXPLAIN"
#define NOT_SELECT "a WITH is only run if it ends in a SELECT"
#define SEVERAL "only one statement is run at a time"
#define NOTHING "there is no statement"

static void takes_what_reads(void **state)
{
    static const struct {
        const char *sql;
        uint32_t marks;
    } rows[] = {
        { "SELECT 1", 0 },
        { "select 1;", 0 },
        { " \t\n-- DROP TABLE T\n/* DROP; */ // DROP\n(SELECT ?) ; -- over; DROP", 1 },
        { "SELECT ';', '''; DROP', 'it\\'s; DROP', \"a;\"\"b\", $$; DROP ?$$, '?', ?, ?", 2 },
        { "WITH a AS (SELECT 1), b (x) AS (SELECT 2 FROM a) SELECT * FROM b WHERE c = ?", 1 },
        { "((WITH a AS (SELECT 1) SELECT * FROM a))", 0 },
        { "WITH RECURSIVE a AS (SELECT 1) (SELECT 1)", 0 },
        { "WITH a AS (SELECT 1), b (x, y) AS (SELECT 1, 2) (((SELECT ?)) UNION (SELECT 2))", 1 },
        { "SELECT procedure, drop_ FROM updates", 0 },
        { "WITH a AS (SELECT call FROM t) SELECT call FROM a", 0 },
        { "SHOW TABLES ->> SELECT \"name\" FROM $1 WHERE x = ?", 1 },
        { "SHOW TABLES", 0 },
        { "DESCRIBE TABLE T", 0 },
        { "desc TABLE T", 0 },
        { "EXPLAIN USING TEXT DELETE FROM T", 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t marks = 99;
        assert_ptr_equal(dv_snowflake_sql_fault(rows[i].sql, &marks), NULL);
        assert_int_equal(marks, rows[i].marks);
    }
    assert_ptr_equal(dv_snowflake_sql_fault("SELECT 1", NULL), NULL);
}

static void refuses_all_else(void **state)
{
    static const struct {
        const char *sql;
        const char *fault;
    } rows[] = {
        { "", NOTHING },
        { " -- nothing", NOTHING },
        { ";", NOTHING },
        { "()", NOT_READING },
        { "DROP TABLE T", NOT_READING },
        { "/* SELECT */ DELETE FROM T", NOT_READING },
        { "-- SELECT\nUPDATE T SET A = 1", NOT_READING },
        { "SELECTED 1", NOT_READING },
        { "'SELECT' DROP", NOT_READING },
        { "\"SELECT\" 1", NOT_READING },
        { ") SELECT 1", NOT_READING },
        { "?", NOT_READING },
        { "CALL p()", NOT_READING },
        { "BEGIN SELECT 1; END", NOT_READING },
        { "EXECUTE IMMEDIATE 'SELECT 1'", NOT_READING },
        { "\xc3\xa4 SELECT", NOT_READING },
        { "SELECT 1; DROP TABLE T", SEVERAL },
        { "SELECT 1;;", NULL },
        { "SELECT 1; (", SEVERAL },
        { "SELECT 1; 'x'", SEVERAL },
        { "SELECT 1 ->> DROP TABLE T", NOT_READING },
        { "SELECT 1 ->> INSERT INTO T SELECT * FROM $1 ->> SELECT 1", NOT_READING },
        { "SELECT 1 ->>", NOTHING },
        { "SELECT (1 ->> DELETE FROM T", NOT_READING },
        { "WITH a AS (SELECT 1)", NOT_SELECT },
        { "WITH a AS (SELECT 1) UNSET x", NOT_SELECT },
        { "WITH a AS (SELECT 1) (UNSET x)", NOT_SELECT },
        { "WITH a AS (SELECT 1) (DELETE FROM T)", NOT_SELECT },
        { "WITH a (x) AS (SELECT 1), b AS (SELECT 2)", NOT_SELECT },
        { "WITH a AS (SELECT 1);", NOT_SELECT },
        { "WITH a AS (SELECT 1) ->> SELECT 1", NOT_SELECT },
        { "WITH p AS PROCEDURE () RETURNS INT LANGUAGE SQL AS 'DROP TABLE T' CALL p()", NOT_SELECT },
        { "with p as procedure() returns int as $$x$$ call p()", NOT_SELECT },
        { "WITH a AS (SELECT 1) DELETE FROM T", NOT_SELECT },
        { "(WITH a AS (SELECT 1) INSERT INTO T SELECT 1)", NOT_SELECT },
        { "SELECT 1 ->> WITH a AS (SELECT 1) MERGE INTO T USING a", NOT_SELECT },
        { "SELECT 'x", NOT_CLOSED },
        { "SELECT 'x\\'", NOT_CLOSED },
        { "SELECT \"x", NOT_CLOSED },
        { "SELECT $$x", NOT_CLOSED },
        { "SELECT 1 /* x", NOT_CLOSED },
        { "/*/ SELECT 1", NOT_CLOSED },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *fault = dv_snowflake_sql_fault(rows[i].sql, NULL);
        if (rows[i].fault == NULL)
            assert_null(fault);
        else {
            assert_non_null(fault);
            assert_string_equal(fault, rows[i].fault);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_reads),
        cmocka_unit_test(refuses_all_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
