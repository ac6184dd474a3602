/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake.c - statements before a scripted Snowflake: sent once, asked for, sent again, fetched, given up.
 *
 * shows: SNO-1 SNO-3 SNO-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/memory.h"
#include "tests/unit/snowflake_script.h"

#define ID "01020304-0506-0708-090a-0b0c0d0e0f10"

static void writes_the_request(void **state)
{
    static const struct dv_snowflake_bind binds[] = { { NULL, { "a\"b\n", 4 } },
                                                      { "FIXED", { "12", 2 } },
                                                      { NULL, { NULL, 0 } } };
    struct snow_script *script = *state;
    struct snow_outcome outcome = { .statement = { .binds = binds, .bind_count = 3, .tag = "dv-1" } };
    snow_open_default(script);
    snow_reply(script, "/api/v2/statements", 200, SNOW_RESULT);
    snow_ask(script, &outcome);
    assert_int_equal(outcome.statement.rc, DV_OK);
    assert_string_equal(outcome.text, SNOW_RESULT_TEXT);
    assert_int_equal(outcome.statement.rows, 2);
    const struct snow_asked *asked = &script->asked[0];
    assert_string_equal(asked->method, "POST");
    assert_string_equal(asked->path, "/api/v2/statements?requestId=" ID);
    assert_string_equal(
        asked->body,
        "{\"statement\":\"select \\\"A\\\", ?\",\"timeout\":120,\"database\":\"DB\",\"schema\":\"S\","
        "\"warehouse\":\"WH\",\"role\":\"WRITER\",\"bindings\":{\"1\":{\"type\":\"TEXT\",\"value\":"
        "\"a\\\"b\\n\"},\"2\":{\"type\":\"FIXED\",\"value\":\"12\"},\"3\":{\"type\":\"TEXT\",\"value\":null}},"
        "\"parameters\":{\"query_tag\":\"dv-1\"}}");
    assert_memory_equal(asked->headers, "Authorization: Bearer ey", 24);
    assert_non_null(strstr(asked->headers,
                           "\nX-Snowflake-Authorization-Token-Type: KEYPAIR_JWT\nAccept: application/json\n"
                           "Accept-Encoding: gzip\nContent-Type: application/json\n"));
}

static void writes_several_statements(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { .statement = {
                                        .sql = "select 1;select 2", .statements = 2, .async = true, .sent = true } };
    snow_open_default(script);
    snow_reply(script, NULL, 200, "{\"code\":\"090001\",\"statementHandles\":[\"a\",\"b\"]}");
    snow_ask(script, &outcome);
    assert_int_equal(outcome.statement.rc, DV_OK);
    assert_string_equal(script->asked[0].path, "/api/v2/statements?requestId=" ID "&retry=true&async=true");
    assert_non_null(strstr(script->asked[0].body, "\"parameters\":{\"multi_statement_count\":\"2\"}"));
}

static void counts_what_changed(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { .statement = { .sql = "merge" } };
    snow_open_default(script);
    snow_reply(script, NULL, 200,
               "{\"code\":\"090001\",\"resultSetMetaData\":null,\"data\":null,\"stats\":{\"numRowsInserted\":3,"
               "\"numRowsUpdated\":2,\"numRowsDeleted\":1,\"numDuplicateRowsUpdated\":0}}");
    snow_ask(script, &outcome);
    assert_int_equal(outcome.statement.rc, DV_OK);
    assert_int_equal(outcome.statement.inserted, 3);
    assert_int_equal(outcome.statement.updated, 2);
    assert_int_equal(outcome.statement.deleted, 1);
}

/* ---- it takes time ---- */

static void asks_until_it_is_over(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { 0 };
    snow_open_default(script);
    snow_reply(script, "?requestId=", 202, SNOW_RUNNING);
    snow_reply(script, "/h-1", 202, SNOW_RUNNING)->times = 2;
    snow_reply(script, "/h-1", 429, "{\"code\":\"390505\"}");
    snow_reply(script, "/h-1", 401, "{\"code\":\"390144\"}");
    snow_reply(script, "/h-1", 200, SNOW_RESULT);
    snow_ask(script, &outcome);
    assert_int_equal(outcome.statement.rc, DV_OK);
    assert_string_equal(outcome.text, SNOW_RESULT_TEXT);
    assert_int_equal(snow_count(script, "?requestId="), 1);
    const struct snow_asked *poll = snow_asked(script, "/h-1", 0);
    assert_string_equal(poll->method, "GET");
    assert_string_equal(poll->path, "/api/v2/statements/h-1");
    assert_null(strstr(poll->headers, "Content-Type"));
    assert_in_range(poll->at_ms - script->asked[0].at_ms, 100, 110);
    assert_in_range(snow_asked(script, "/h-1", 1)->at_ms - poll->at_ms, 200, 210);
}

static void gives_up_at_its_deadline_also_in_snowflake(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { .statement = { .total_ms = 3000 } };
    snow_open_default(script);
    snow_reply(script, "?requestId=", 202, SNOW_RUNNING);
    snow_reply(script, "/cancel", 200, "{\"code\":\"000604\",\"sqlState\":\"57014\"}");
    snow_reply(script, "/h-1", 202, SNOW_RUNNING)->times = -1;
    snow_ask(script, &outcome);
    assert_int_equal(outcome.statement.rc, DV_E_DEPENDENCY);
    assert_string_equal(outcome.statement.reason, "the statement takes too long");
    assert_in_range(script->loop.now_ns / 1000000, 3000, 3020);
    assert_int_equal(snow_count(script, "/h-1/cancel"), 1);
    assert_string_equal(snow_asked(script, "/cancel", 0)->method, "POST");
    assert_int_equal(snow_asked(script, "/cancel", 0)->length, 0);
}

static void is_cancelled_by_its_owner(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { 0 }, early = { 0 };
    snow_open_default(script);
    snow_reply(script, "/cancel", 503, "");
    snow_reply(script, "?requestId=", 202, SNOW_RUNNING)->times = 2;
    snow_reply(script, "/h-1", 202, SNOW_RUNNING)->times = -1;
    snow_begin(script, &early);
    dv_snowflake_cancel(&script->snowflake, &early.statement);
    snow_run(script);
    assert_int_equal(script->asked_count, 0);
    snow_begin(script, &outcome);
    snow_run_ms(script, 1000);
    dv_snowflake_cancel(&script->snowflake, &outcome.statement);
    dv_snowflake_cancel(&script->snowflake, &outcome.statement);
    snow_run(script);
    assert_int_equal(outcome.ends + early.ends, 0);
    assert_int_equal(snow_count(script, "/cancel"), 1);
}

static void is_cancelled_while_it_gives_rows(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { .cancel_at = 1 };
    snow_open_default(script);
    snow_reply(script, NULL, 200, SNOW_RESULT);
    snow_begin(script, &outcome);
    snow_run(script);
    assert_int_equal(outcome.ends, 0);
    assert_string_equal(outcome.text, "1,~;");
    assert_int_equal(script->asked_count, 1);
}

/* ---- it is sent again ---- */

static void sends_it_again_under_the_same_id(void **state)
{
    static const struct {
        unsigned status;
        dv_rc rc;
        bool again;
    } rows[] = { { 500, DV_OK, true },           { 502, DV_OK, true },    { 503, DV_OK, true },
                 { 504, DV_OK, true },           { 429, DV_OK, true },    { 0, DV_E_DEPENDENCY, true },
                 { 200, DV_E_DEPENDENCY, true }, { 0, DV_E_DATA, true },  { 0, DV_E_CONFIG, false },
                 { 200, DV_E_LIMIT, false },     { 0, DV_E_LIMIT, true }, { 400, DV_OK, false },
                 { 403, DV_OK, false },          { 404, DV_OK, false },   { 405, DV_OK, false },
                 { 415, DV_OK, false },          { 422, DV_OK, false },   { 408, DV_OK, false } };
    struct snow_script *script = *state;
    snow_open_default(script);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct snow_outcome outcome = { 0 };
        snow_open_again(script);
        struct snow_reply *reply = snow_reply(script, NULL, rows[i].status, NULL);
        reply->rc = rows[i].rc;
        reply->reason = rows[i].rc != DV_OK ? "of the connection" : NULL;
        snow_reply(script, NULL, 200, SNOW_RESULT);
        snow_ask(script, &outcome);
        assert_int_equal(script->asked_count, rows[i].again ? 2 : 1);
        assert_int_equal(outcome.statement.rc == DV_OK, rows[i].again);
        if (!rows[i].again)
            continue;
        assert_string_equal(script->asked[0].path, "/api/v2/statements?requestId=" ID);
        assert_string_equal(script->asked[1].path, "/api/v2/statements?requestId=" ID "&retry=true");
        assert_string_equal(script->asked[1].body, script->asked[0].body);
        assert_in_range(script->asked[1].at_ms - script->asked[0].at_ms, 500, 1010);
        assert_string_equal(outcome.text, SNOW_RESULT_TEXT);
    }
}

static void waits_as_long_as_it_is_asked_to(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { 0 };
    snow_open_default(script);
    snow_reply(script, NULL, 429, NULL)->retry_after_s = 20;
    snow_reply(script, NULL, 200, SNOW_RESULT);
    snow_ask(script, &outcome);
    assert_in_range(script->asked[1].at_ms - script->asked[0].at_ms, 20000, 20010);
}

static void stops_at_its_deadline(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { .statement = { .total_ms = 20000 } };
    snow_open_default(script);
    snow_reply(script, NULL, 503, NULL)->times = -1;
    snow_ask(script, &outcome);
    assert_int_equal(outcome.statement.rc, DV_E_DEPENDENCY);
    assert_string_equal(outcome.statement.reason, "Snowflake is busy or down");
    assert_in_range(script->loop.now_ns / 1000000, 4000, 20001);
    assert_in_range(script->asked_count, 3, 7);
}

/* ---- the circuit ---- */

static void waits_for_the_circuit(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome first = { .statement = { .total_ms = 600000 } }, second = { .statement = { .total_ms = 1000 } };
    snow_open_default(script);
    snow_reply(script, NULL, 503, NULL)->times = 5;
    snow_reply(script, NULL, 200, SNOW_RESULT)->times = -1;
    snow_begin(script, &first);
    while (script->snowflake.breaker.state != DV_BREAKER_OPEN)
        assert_true(dv_loop_sim_step(&script->loop));
    assert_string_equal(dv_snowflake_waits(&script->snowflake), "Snowflake is busy or down");
    assert_int_equal(script->asked_count, 5);
    snow_begin(script, &second); /* has no time for that */
    snow_run(script);
    assert_int_equal(second.statement.rc, DV_E_DEPENDENCY);
    assert_string_equal(second.statement.reason, "Snowflake is busy or down");
    assert_int_equal(first.statement.rc, DV_OK);
    assert_null(dv_snowflake_waits(&script->snowflake));
    assert_int_equal(dv_snowflake_breaker(&script->snowflake)->opened_total, 1);
}

/* ---- tokens ---- */

static void renews_the_token_once(void **state)
{
    static const char *const bodies[] = { "{\"code\":\"390144\"}", "{\"code\":\"390318\"}", "\"x\"", "<html>" };
    struct snow_script *script = *state;
    snow_open_default(script);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct snow_outcome outcome = { 0 };
        snow_open_again(script);
        script->loop.now_ns += UINT64_C(2000000000); /* in the same second it would be the same */
        snow_reply(script, NULL, 401, bodies[i]);
        snow_reply(script, NULL, 200, SNOW_RESULT);
        snow_ask(script, &outcome);
        assert_int_equal(outcome.statement.rc, DV_OK);
        assert_int_equal(script->asked_count, 2);
        assert_string_not_equal(script->asked[0].headers, script->asked[1].headers); /* signed anew */
        assert_string_equal(script->asked[1].path, script->asked[0].path);           /* it was not executed */
    }
}

static void stops_when_no_token_will_do(void **state)
{
    static const struct {
        int64_t date_s;
        const char *reason;
    } rows[] = {
        { 0, "Snowflake does not accept the token: is the key the user's, and are account and user right?" },
        { 1700000299, "Snowflake does not accept the token: is the key the user's, and are account and user right?" },
        { 1700000600, "this machine's clock and Snowflake's are more than five minutes apart" },
        { 1699999400, "this machine's clock and Snowflake's are more than five minutes apart" },
    };
    struct snow_script *script = *state;
    snow_open_default(script);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct snow_outcome outcome = { 0 };
        snow_open_again(script);
        struct snow_reply *reply = snow_reply(script, NULL, 401, "{\"code\":\"390144\"}");
        reply->times = -1;
        reply->date_s = rows[i].date_s;
        snow_ask(script, &outcome);
        assert_int_equal(outcome.statement.rc, DV_E_CONFIG);
        assert_string_equal(outcome.statement.reason, rows[i].reason);
        assert_string_equal(outcome.statement.code, "390144");
        assert_int_equal(script->asked_count, 2);
    }
}

static void stops_when_the_key_is_gone(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome outcome = { 0 };
    snow_open_default(script);
    assert_int_equal(unsetenv("SNOW_TEST_KEY"), 0);
    script->loop.now_ns += UINT64_C(3600000000000);
    snow_ask(script, &outcome);
    assert_int_equal(outcome.statement.rc, DV_E_CONFIG);
    assert_string_equal(outcome.statement.reason, "the key cannot be used");
    assert_int_equal(script->asked_count, 0);
}

static void shows_other_kinds_of_tokens(void **state)
{
    static const char *const words[] = { "", "PROGRAMMATIC_ACCESS_TOKEN", "OAUTH" };
    struct snow_script *script = *state;
    for (int proof = DV_SNOWFLAKE_PAT; proof <= DV_SNOWFLAKE_OAUTH; proof++) {
        struct dv_snowflake_config config = snow_config();
        struct snow_outcome outcome = { 0 };
        char wanted[100];
        config.identity.proof = (enum dv_snowflake_proof)proof;
        config.identity.secret = "env:SNOW_TEST_GIVEN";
        snow_close(script);
        memset(script, 0, sizeof *script);
        assert_int_equal(setenv("SNOW_TEST_GIVEN", "t-1", 1), 0);
        snow_open(script, &config);
        snow_reply(script, NULL, 401, "{\"code\":\"390303\"}")->times = 2;
        snow_ask(script, &outcome);
        assert_int_equal(outcome.statement.rc, DV_E_CONFIG);
        assert_string_equal(outcome.statement.reason, "the token has expired, or is not one that Snowflake knows");
        (void)snprintf(wanted, sizeof wanted, "Authorization: Bearer t-1\nX-Snowflake-Authorization-Token-Type: %s\n",
                       words[proof]);
        assert_memory_equal(script->asked[0].headers, wanted, strlen(wanted));
    }
}

/* ---- limits ---- */

static void takes_so_many_at_a_time(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome *outcomes = calloc(DV_SNOWFLAKE_TALKS_MAX + 1, sizeof *outcomes);
    struct snow_outcome *last = &outcomes[DV_SNOWFLAKE_TALKS_MAX];
    snow_open_default(script);
    snow_reply(script, NULL, 200, SNOW_RESULT)->times = -1;
    for (unsigned i = 0; i < DV_SNOWFLAKE_TALKS_MAX; i++)
        snow_begin(script, &outcomes[i]);
    last->statement = outcomes[0].statement;
    assert_int_equal(dv_snowflake_run(&script->snowflake, &last->statement), DV_E_LIMIT);
    dv_snowflake_cancel(&script->snowflake, &last->statement);
    snow_run(script);
    for (unsigned i = 0; i < DV_SNOWFLAKE_TALKS_MAX; i++)
        assert_int_equal(outcomes[i].statement.rc, DV_OK);
    const struct dv_snowflake_bind large = { NULL, { "", DV_SNOWFLAKE_SQL_MAX } };
    last->statement.binds = &large;
    last->statement.bind_count = 1;
    assert_int_equal(dv_snowflake_run(&script->snowflake, &last->statement), DV_E_LIMIT);
    free(outcomes);
}

static void closes_in_the_middle(void **state)
{
    struct snow_script *script = *state;
    struct snow_outcome first = { 0 }, second = { 0 };
    snow_open_default(script);
    snow_reply(script, "?requestId=", 202, SNOW_RUNNING);
    snow_reply(script, NULL, 200, SNOW_RESULT)->never = true;
    snow_begin(script, &first);
    snow_run_ms(script, 2);
    snow_begin(script, &second);
    snow_run_ms(script, 1000);
    snow_close(script);
    assert_int_equal(first.ends + second.ends, 0);
    assert_null(first.statement.talk);
}

static void survives_without_memory(void **state)
{
    struct snow_script *script = *state;
    unsigned fine = 0;
    snow_open_default(script);
    for (unsigned nth = 1; fine < 3; nth++) {
        struct snow_outcome outcome = { 0 };
        snow_open_again(script);
        snow_reply(script, NULL, 200, SNOW_RESULT)->times = -1;
        dv_memory_fail_at(nth);
        dv_rc rc = snow_try(script, &outcome);
        if (rc == DV_OK)
            snow_run(script);
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY);
        assert_int_equal(outcome.ends, rc == DV_OK);
        assert_true(outcome.statement.rc == DV_OK || outcome.statement.rc == DV_E_MEMORY);
        fine += rc == DV_OK && outcome.statement.rc == DV_OK && script->asked_count == 1;
    }
}

static void refuses_wrong_configurations(void **state)
{
    struct snow_script *script = *state;
    struct dv_snowflake_config config = snow_config();
    struct dv_error error = { 0 };
    struct dv_snowflake snowflake = { 0 };
    dv_loop_sim_init(&script->loop);
    config.loop = &script->loop.base;
    config.http = &script->base;
    static const struct {
        const char *url, *account, *text;
    } rows[] = {
        { "http://example.com", "a", "a key travels to another host under https:// only" },
        { "https://user@example.com", "a", "no user and no password" },
        { "ftp://example.com", "a", "begins with http" },
        { NULL, NULL, "an account is like" },
        { NULL, "a/b", "an account is like" },
        { "https://example.com", "a/b", "an account is like" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        config.url = rows[i].url;
        config.identity.account = rows[i].account;
        assert_int_equal(dv_snowflake_open(&snowflake, &config, &error), DV_E_CONFIG);
        assert_non_null(strstr(error.text, rows[i].text));
        dv_snowflake_close(&snowflake);
    }
    snow_open_default(script);
    assert_string_equal(script->snowflake.url, "https://org-acc.snowflakecomputing.com");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_the_request, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(writes_several_statements, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(counts_what_changed, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(asks_until_it_is_over, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(gives_up_at_its_deadline_also_in_snowflake, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(is_cancelled_by_its_owner, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(is_cancelled_while_it_gives_rows, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(sends_it_again_under_the_same_id, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(waits_as_long_as_it_is_asked_to, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(stops_at_its_deadline, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(waits_for_the_circuit, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(renews_the_token_once, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(stops_when_no_token_will_do, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(stops_when_the_key_is_gone, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(shows_other_kinds_of_tokens, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(takes_so_many_at_a_time, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(closes_in_the_middle, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(survives_without_memory, snow_setup, snow_teardown),
        cmocka_unit_test_setup_teardown(refuses_wrong_configurations, snow_setup, snow_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
