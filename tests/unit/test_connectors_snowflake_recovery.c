/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_recovery.c - what goes wrong with a channel, line by line, and where it must not go on: rows
 * would be lost or doubled.
 *
 * shows: SNO-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/snowflake_owner.h"

/* ---- what goes wrong ---- */

/* An answer to an append, and what comes of it. `opens`: how often it was opened; `sends`: how often rows were sent. */
static const struct fault {
    unsigned status;
    const char *body;
    dv_rc rc;
    unsigned opens, sends;
    const char *told;
} append_faults[] = {
    { 200, SNOW_TAKEN, DV_OK, 1, 1, "open(0007,3) end(taken,0) commit(0009,3) " },
    /* it was taken or not: nobody knows before the channel was opened anew */
    { 0, NULL, DV_E_DEPENDENCY, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 200, SNOW_TAKEN, DV_E_DEPENDENCY, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 500, "", DV_OK, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 504, "<html>", DV_OK, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 408, "", DV_OK, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 200, "{}", DV_OK, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 200, "", DV_OK, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    /* nor what became of it if the answer is too long to be read, or a proxy's */
    { 200, SNOW_TAKEN, DV_E_LIMIT, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 400, "<html>", DV_OK, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    /* the chain is broken */
    { 400, "{\"code\":\"ERR_INVALID_CONTINUATION_TOKEN\"}", DV_OK, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 400, "{\"code\":\"STALE_CONTINUATION_TOKEN_SEQUENCER\"}", DV_OK, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 200, "{\"status_code\":4,\"next_continuation_token\":\"9_9\"}", DV_OK, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 409, "{\"error_code\":\"ERR_CHANNEL_MUST_BE_REOPENED_DUE_TO_ROW_SEQ_GAP\"}", DV_OK, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 409, "{\"error_code\":\"ERR_CHANNEL_HAS_UNCOMMITTED_DATA\"}", DV_OK, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 409, "", DV_OK, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 200, "{\"status_code\":7,\"next_continuation_token\":\"9_9\"}", DV_OK, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    /* the opening tells what is gone: not this time */
    { 404, "{\"code\":\"ERR_CHANNEL_DOES_NOT_EXIST_OR_NOT_AUTHORIZED\"}", DV_OK, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 404, "{\"code\":\"ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED\"}", DV_OK, 2, 2,
      "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    { 404, "<html>", DV_OK, 2, 2, "open(0007,3) end(DV_E_DEPENDENCY,0) open(0007,3) end(taken,0) commit(0009,3) " },
    /* it was not taken, as Snowflake says: the same again, with the same token */
    { 429, "", DV_OK, 1, 2, "open(0007,3) end(taken,0) commit(0009,3) " },
    { 503, "\"ERR_GENERAL_EXCEPTION_RETRY_REQUEST\"", DV_OK, 1, 2, "open(0007,3) end(taken,0) commit(0009,3) " },
    { 503, "{\"code\":\"ReceiverSaturated\"}", DV_OK, 1, 2, "open(0007,3) end(taken,0) commit(0009,3) " },
    { 401, "", DV_OK, 1, 2, "open(0007,3) end(taken,0) commit(0009,3) " },
    { 403, "{\"code\":\"390318\"}", DV_OK, 1, 2, "open(0007,3) end(taken,0) commit(0009,3) " },
    { 200, "{\"status_code\":3}", DV_OK, 1, 2, "open(0007,3) end(taken,0) commit(0009,3) " },
    /* fewer rows at a time */
    { 413, "", DV_OK, 1, 1, "open(0007,3) end(DV_E_LIMIT,0) " },
    { 400, "{\"code\":\"ERR_BAD_ROW\"}", DV_OK, 1, 1, "open(0007,3) end(DV_E_DATA,0) " },
    { 422, "{\"code\":\"ERR_BAD_ROW\"}", DV_OK, 1, 1, "open(0007,3) end(DV_E_DATA,0) " },
    /* and the end */
    { 415, "{\"code\":\"ERR_NEW\"}", DV_OK, 1, 1, "open(0007,3) end(DV_E_FAILED,0) fail(DV_E_FAILED,0) " },
    { 301, "", DV_OK, 1, 1, "open(0007,3) end(DV_E_CONFIG,0) fail(DV_E_CONFIG,0) " },
    { 0, NULL, DV_E_CONFIG, 1, 1, "open(0007,3) end(DV_E_CONFIG,0) fail(DV_E_CONFIG,0) " },
};

static void judges_what_comes_of_an_append(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    for (size_t i = 0; i < sizeof append_faults / sizeof append_faults[0]; i++) {
        const struct fault *fault = &append_faults[i];
        owner_start_again(owner);
        owner_fill_rows(owner, "0008", "0009", 2);
        struct snow_reply *reply = snow_reply(script, "/rows?", fault->status, fault->body);
        reply->rc = fault->rc;
        reply->reason = fault->rc != DV_OK ? "of the connection" : NULL;
        owner_script_start(owner, SNOW_OPENED("\"0007\""));
        snow_reply(script, "/rows?", 200, SNOW_TAKEN);
        snow_reply(script, "bulk-channel-status", 200, SNOW_LOOK("\"0009\"", "3"));
        owner_open_known(owner, NULL);
        snow_run(script);
        if (strcmp(owner->told, fault->told) != 0)
            fail_msg("fault %zu: %s", i, owner->told);
        assert_int_equal(snow_count(script, "/channels/c%201?"), fault->opens);
        assert_int_equal(snow_count(script, "/rows?"), fault->sends);
    }
}

/* What comes of the answers before it is open: `opened` is whether it is in the end. */
static const struct start_fault {
    const char *to;
    unsigned status;
    const char *body;
    unsigned asked; /* so often at this path */
    const char *told;
} start_faults[] = {
    { "/v2/streaming/hostname", 503, "", 2, "open(0007,3) " },
    { "/v2/streaming/hostname", 200, "{}", 2, "open(0007,3) " },
    { "/v2/streaming/hostname", 200, "in-gest.example.com", 1, "open(0007,3) " },
    { "/v2/streaming/hostname", 401, "", 2, "open(0007,3) " },
    { "/v2/streaming/hostname", 404, "", 1, "fail(DV_E_CONFIG,0) " },
    { "/oauth/token", 200, "scoped-2", 1, "open(0007,3) " },
    { "/oauth/token", 200, "\"scoped-2\"", 1, "open(0007,3) " },
    { "/oauth/token", 200, "{\"token\":\"\"}", 2, "open(0007,3) " },
    { "/oauth/token", 200, "{\"token\":\"a b\"}", 2, "open(0007,3) " },
    { "/oauth/token", 429, "", 2, "open(0007,3) " },
    { "/oauth/token", 400, "", 1, "fail(DV_E_CONFIG,0) " },
    { "/oauth/token", 400, "{\"code\":\"390142\"}", 1, "fail(DV_E_CONFIG,0) " },
    { "/channels/c%201?", 409, "{\"error_code\":\"ERR_OPEN_CHANNEL_IN_PROGRESS\"}", 2, "open(0007,3) " },
    { "/channels/c%201?", 409, "{\"error_code\":\"ERR_CHANNEL_HAS_UNCOMMITTED_DATA\"}", 2, "open(0007,3) " },
    { "/channels/c%201?", 409, "", 2, "open(0007,3) " },
    { "/channels/c%201?", 500, "", 2, "open(0007,3) " },
    { "/channels/c%201?", 401, "", 2, "open(0007,3) " },
    { "/channels/c%201?", 200, "{}", 2, "open(0007,3) " },
    { "/channels/c%201?", 200, "{\"next_continuation_token\":\"1_1\"}", 2, "open(0007,3) " },
    { "/channels/c%201?", 200, "{\"channel_status\":" SNOW_STATUS("\"0007\"", "3") "}", 2, "open(0007,3) " },
    { "/channels/c%201?", 404, "{\"code\":\"ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED\"}", 1, "fail(DV_E_CONFIG,0) " },
    { "/channels/c%201?", 404, "{\"code\":\"ERR_TABLE_DOES_NOT_EXIST_NOT_AUTHORIZED\"}", 1, "fail(DV_E_CONFIG,0) " },
    { "/channels/c%201?", 409, "\"ERR_PIPE_IN_INVALID_STATE\"", 1, "fail(DV_E_CONFIG,0) " },
    { "/channels/c%201?", 400, "{\"code\":\"ERR_CHANNEL_LIMIT_EXCEEDED_FOR_TABLE\"}", 1, "fail(DV_E_CONFIG,0) " },
    { "/channels/c%201?", 400, "{\"code\":6}", 2, "open(0007,3) " },
    { "/channels/c%201?", 400, "", 2, "open(0007,3) " },
    { "/channels/c%201?", 200,
      "{\"next_continuation_token\":\"1_1\",\"channel_status\":{\"channel_status_code\":\"ERR_PIPE_INVALID\"}}", 1,
      "fail(DV_E_CONFIG,0) " },
    { "/channels/c%201?", 200,
      "{\"next_continuation_token\":\"1_1\",\"channel_status\":{\"channel_status_code\":\"ACTIVE\",\"rows_errors\":0}}", 1,
      "open(,0) " },
    { "/channels/c%201?", 200, /* how many rows were refused is not told */
      "{\"next_continuation_token\":\"1_1\",\"channel_status\":{\"channel_status_code\":\"ACTIVE\"}}", 2, "open(0007,3) " },
};

static void judges_what_comes_before(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    for (size_t i = 0; i < sizeof start_faults / sizeof start_faults[0]; i++) {
        const struct start_fault *fault = &start_faults[i];
        owner_start_again(owner);
        snow_reply(script, fault->to, fault->status, fault->body);
        owner_script_start(owner, SNOW_OPENED("\"0007\""));
        owner_open_known(owner, NULL);
        snow_run(script);
        if (strcmp(owner->told, fault->told) != 0 || snow_count(script, fault->to) != fault->asked)
            fail_msg("fault %zu: %s, %u", i, owner->told, snow_count(script, fault->to));
        assert_int_equal(dv_snowflake_channel_is_ready(&owner->channel), strncmp(fault->told, "open", 4) == 0);
    }
}

/* What is refused for a reason that nobody knows may pass, but is not tried for ever. */
static void does_not_try_for_ever_to_open(void **state)
{
    static const struct {
        unsigned status;
        const char *body;
    } refusals[] = { { 409, "{\"code\":\"ERR_NEW\"}" }, { 409, "" }, { 400, "{\"code\":6}" }, { 422, "" } };
    struct snow_owner *owner = *state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        owner_start_again(owner);
        snow_reply(owner->script, "/channels/", refusals[i].status, refusals[i].body)->times = -1;
        owner_script_start(owner, NULL);
        owner_open_known(owner, NULL);
        snow_run(owner->script);
        assert_string_equal(owner->told, "fail(DV_E_CONFIG,0) ");
        assert_int_equal(snow_count(owner->script, "/channels/"), DV_SNOWFLAKE_REFUSED_MAX);
        assert_non_null(strstr(dv_snowflake_channel_waits(&owner->channel), "are its pipe and its table in order?"));
        assert_true(owner->script->loop.now_ns / 1000000 > 5000); /* one after the other, later and later */
    }
}

/* It is opened, and not known: neither to who appends nor to who looks. */
static void does_not_open_for_ever_what_is_not_known(void **state)
{
    struct snow_owner *owner = *state;
    for (unsigned appends = 0; appends < 2; appends++) {
        owner_start_again(owner);
        owner_fill_rows(owner, "0008", "0009", 100);
        owner_script_start(owner, SNOW_OPENED("\"0007\""));
        snow_reply(owner->script, "/rows?", appends ? 404 : 200, appends ? "" : SNOW_TAKEN)->times = -1;
        snow_reply(owner->script, "bulk", 200, "{\"channel_statuses\":{}}")->times = -1;
        owner_open_known(owner, NULL);
        snow_run(owner->script);
        assert_int_equal(owner->channel.rc, DV_E_CONFIG);
        assert_string_equal(dv_snowflake_channel_waits(&owner->channel),
                            "Snowflake opens the channel again and again, and does not know it afterwards");
        assert_int_equal(snow_count(owner->script, "/channels/c%201?"), DV_SNOWFLAKE_REFUSED_MAX + 1);
        assert_int_equal(snow_count(owner->script, "bulk"), appends ? 0 : 2 * (DV_SNOWFLAKE_REFUSED_MAX + 1));
        assert_true(owner->script->loop.now_ns / 1000000 > 10000);
    }
}

/* Of a table that was made anew, or of a channel that was dropped, the append hears first. */
static void halts_when_what_it_appends_to_is_gone(void **state)
{
    struct snow_owner *owner = *state;
    owner_fill_rows(owner, "0008", "0009", 1);
    snow_reply(owner->script, "/channels/c%201?", 200, SNOW_OPENED("\"0007\""));
    owner_script_start(owner, SNOW_OPENED("null"));
    snow_reply(owner->script, "/rows?", 404, "{\"code\":\"ERR_CHANNEL_DOES_NOT_EXIST_OR_NOT_AUTHORIZED\"}");
    owner_open_known(owner, NULL);
    snow_run(owner->script);
    assert_string_equal(owner->told, "open(0007,3) end(DV_E_DEPENDENCY,0) fail(DV_E_FAILED,0) ");
    assert_string_equal(dv_snowflake_channel_waits(&owner->channel),
                        "the channel has lost its offset: its table was made anew, or it was dropped");
}

static void stops_when_no_token_is_good_enough(void **state)
{
    struct snow_owner *owner = *state;
    owner_script_start(owner, NULL);
    snow_reply(owner->script, "/channels/", 401, "")->times = -1;
    owner_open_known(owner, NULL);
    snow_run(owner->script);
    assert_string_equal(owner->told, "fail(DV_E_CONFIG,0) ");
    assert_int_equal(snow_count(owner->script, "/oauth/token"), 2);
    assert_int_equal(snow_count(owner->script, "/channels/"), 2);
}

/* ---- what must not go on ---- */

/* C absent while K > 0: the table was made anew, or the channel dropped, or the token lost. Nobody can tell. */
static void halts_when_its_offset_is_gone(void **state)
{
    struct snow_owner *owner = *state;
    owner_script_start(owner, SNOW_OPENED("null"));
    owner_open_known(owner, "0005");
    snow_run(owner->script);
    assert_string_equal(owner->told, "fail(DV_E_FAILED,0) ");
    assert_string_equal(dv_snowflake_channel_waits(&owner->channel),
                        "the channel has lost its offset: its table was made anew, or it was dropped");
    assert_false(dv_snowflake_channel_is_ready(&owner->channel));
}

static void halts_when_its_offset_goes_while_it_is_open(void **state)
{
    static const struct {
        unsigned status;
        const char *body;
        int times; /* what is not there is asked of both hosts */
    } looks[] = { { 200, "{\"channel_statuses\":{}}", 2 },
                  { 200, SNOW_LOOK("null", "0"), 1 },
                  { 404, "{\"code\":\"ERR_CHANNEL_DOES_NOT_EXIST_OR_NOT_AUTHORIZED\"}", 2 },
                  { 409, "{\"code\":\"ERR_CHANNEL_MUST_BE_REOPENED\"}", 2 } };
    struct snow_owner *owner = *state;
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        owner_start_again(owner);
        owner_fill_rows(owner, "0008", "0009", 2);
        snow_reply(owner->script, "/channels/c%201?", 200, SNOW_OPENED("\"0007\""));
        owner_script_start(owner, SNOW_OPENED("null"));
        snow_reply(owner->script, "/rows?", 200, SNOW_TAKEN);
        snow_reply(owner->script, "bulk", looks[i].status, looks[i].body)->times = looks[i].times;
        owner_open_known(owner, NULL);
        snow_run(owner->script);
        assert_string_equal(owner->told, "open(0007,3) end(taken,0) fail(DV_E_FAILED,0) ");
    }
}

/* Two owners take the channel from each other, and neither gets anything in. */
static void halts_when_somebody_else_owns_it(void **state)
{
    struct snow_owner *owner = *state;
    owner_fill_rows(owner, "0008", "0009", 100);
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    snow_reply(owner->script, "/rows?", 400, "{\"code\":\"STALE_CONTINUATION_TOKEN_SEQUENCER\"}")->times = -1;
    owner_open_known(owner, NULL);
    snow_run(owner->script);
    assert_int_equal(owner->channel.rc, DV_E_FENCED);
    assert_int_equal(snow_count(owner->script, "/rows?"), DV_SNOWFLAKE_STALE_MAX + 1);
}

/* ---- recovery ---- */

static void waits_for_rows_of_a_process_before_it(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    snow_reply(script, "/channels/c%201?", 409, "{\"code\":\"ERR_CHANNEL_HAS_UNCOMMITTED_DATA\"}")->times = 25;
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    owner_open_known(owner, NULL);
    assert_string_equal(dv_snowflake_channel_waits(&owner->channel), "the channel is being opened");
    snow_run_ms(script, 30000);
    assert_string_equal(dv_snowflake_channel_waits(&owner->channel),
                        "what was sent into the channel before is not committed yet");
    snow_run(script);
    assert_string_equal(owner->told, "open(0007,3) ");
    unsigned opens = snow_count(script, "/channels/");
    assert_int_equal(opens, 26);
    /* After a minute it is not waited for any more: everything behind the offset is sent again. */
    for (unsigned i = 0; i < opens; i++) {
        const struct snow_asked *open = snow_asked(script, "/channels/", i);
        bool waited = open->at_ms - snow_asked(script, "/channels/", 0)->at_ms >= DV_SNOWFLAKE_SETTLE_MS + 5;
        assert_string_equal(open->body, waited ? "{}" : "{\"fail_on_uncommitted_rows\":true}");
    }
}

/* 2xx, and nothing ever comes of it. */
static void does_not_wait_for_ever_for_a_commit(void **state)
{
    struct snow_owner *owner = *state;
    owner_fill_rows(owner, "0008", "0009", 1);
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    snow_reply(owner->script, "/rows?", 200, SNOW_TAKEN);
    snow_reply(owner->script, "bulk", 200, SNOW_LOOK("\"0007\"", "3"))->times = -1;
    owner_open_known(owner, NULL);
    snow_run(owner->script);
    assert_string_equal(owner->told, "open(0007,3) end(taken,0) open(0007,3) ");
    assert_in_range(owner->script->loop.now_ns / 1000000, DV_SNOWFLAKE_COMMIT_MS, DV_SNOWFLAKE_COMMIT_MS + 10000);
}

static void looks_where_it_is_told(void **state)
{
    static const unsigned refusals[] = { 404, 405, 401, 403, 400 };
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        owner_start_again(owner);
        owner_fill_rows(owner, "0008", "0009", 1);
        owner_script_start(owner, SNOW_OPENED("\"0007\""));
        snow_reply(script, "/rows?", 200, SNOW_TAKEN);
        snow_reply(script, "bulk", refusals[i], "")->times =
            refusals[i] / 100 == 4 && refusals[i] % 100 < 4 && refusals[i] != 400 ? 2 : 1;
        snow_reply(script, "bulk", 503, "");
        snow_reply(script, "bulk", 200, "{}");
        snow_reply(script, "bulk", 200, SNOW_LOOK("\"0009\"", "3"));
        owner_open_known(owner, NULL);
        snow_run(script);
        assert_string_equal(owner->told, "open(0007,3) end(taken,0) commit(0009,3) ");
        unsigned looks = snow_count(script, "bulk");
        assert_non_null(strstr(snow_asked(script, "bulk", 0)->headers, "Bearer scoped-1\n"));
        assert_non_null(strstr(snow_asked(script, "bulk", looks - 1)->headers, "Bearer ey"));
    }
    owner_start_again(owner);
    owner_fill_rows(owner, "0008", "0009", 1);
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    snow_reply(script, "/rows?", 200, SNOW_TAKEN);
    snow_reply(script, "bulk", 405, "")->times = -1;
    owner_open_known(owner, NULL);
    snow_run(script);
    assert_string_equal(owner->told, "open(0007,3) end(taken,0) fail(DV_E_CONFIG,0) ");
}

/* A host that the pipe is not of knows none of its channels: the other one does. */
static void looks_at_the_other_host_before_it_opens_anew(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    owner_fill_rows(owner, "0008", "0009", 1);
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    snow_reply(script, "/rows?", 200, SNOW_TAKEN);
    snow_reply(script, "bulk", 200, "{\"channel_statuses\":{}}");
    snow_reply(script, "bulk", 200, SNOW_LOOK("\"0008\"", "3"));
    snow_reply(script, "bulk", 200, "{\"channel_statuses\":{}}");
    snow_reply(script, "bulk", 200, SNOW_LOOK("\"0009\"", "3"));
    owner_open_known(owner, NULL);
    snow_run(script);
    assert_string_equal(owner->told, "open(0007,3) end(taken,0) commit(0008,3) commit(0009,3) ");
    static const char *const bearers[] = { "Bearer scoped-1\n", "Bearer ey", "Bearer ey", "Bearer scoped-1\n" };
    for (unsigned i = 0; i < 4; i++)
        assert_non_null(strstr(snow_asked(script, "bulk", i)->headers, bearers[i]));
}

static void renews_the_hosts_token_in_time(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    snow_reply(script, "/rows?", 200, SNOW_TAKEN)->times = -1;
    snow_reply(script, "bulk", 200, SNOW_LOOK("\"0009\"", "3"))->times = -1;
    owner_open_known(owner, NULL);
    snow_run(script);
    assert_int_equal(snow_count(script, "/oauth/token"), 1);
    script->loop.now_ns += (uint64_t)DV_SNOWFLAKE_SCOPED_LIFE_MS * 1000000;
    owner_fill_rows(owner, "0008", "0009", 1);
    owner_append(owner);
    snow_run(script);
    assert_string_equal(owner->told, "open(0007,3) end(taken,0) commit(0009,3) ");
    assert_int_equal(snow_count(script, "/oauth/token"), 2);
    assert_int_equal(snow_count(script, "/channels/c%201?"), 1);
}

/* What refuses us a token for the host says nothing of the rows: they are no dead letters. */
static void does_not_blame_rows_for_what_fails_before_them(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    snow_reply(script, "/oauth/token", 200, "{\"token\":\"scoped-1\"}");
    snow_reply(script, "/oauth/token", 400, "");
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    owner_open_known(owner, NULL);
    snow_run(script);
    script->loop.now_ns += (uint64_t)DV_SNOWFLAKE_SCOPED_LIFE_MS * 1000000;
    owner_fill_rows(owner, "0008", "0009", 1);
    owner_append(owner);
    snow_run(script);
    assert_string_equal(owner->told, "open(0007,3) end(DV_E_CONFIG,0) fail(DV_E_CONFIG,0) ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(judges_what_comes_of_an_append, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(judges_what_comes_before, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(halts_when_what_it_appends_to_is_gone, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(does_not_open_for_ever_what_is_not_known, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(does_not_try_for_ever_to_open, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(stops_when_no_token_is_good_enough, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(halts_when_its_offset_is_gone, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(halts_when_its_offset_goes_while_it_is_open, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(halts_when_somebody_else_owns_it, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(waits_for_rows_of_a_process_before_it, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(does_not_wait_for_ever_for_a_commit, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(looks_where_it_is_told, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(looks_at_the_other_host_before_it_opens_anew, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(renews_the_hosts_token_in_time, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(does_not_blame_rows_for_what_fails_before_them, owner_setup, owner_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
