/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_channel.c - a channel before a scripted Snowflake: found, opened, appended to, committed, dropped,
 * closed at any time.
 *
 * shows: SNO-1 SNO-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/memory.h"
#include "tests/unit/snowflake_owner.h"

/* ---- the way in ---- */

static void opens_appends_and_sees_it_committed(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    owner_fill_rows(owner, "0008", "0009", 1);
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    snow_reply(script, "/rows?", 200, SNOW_TAKEN);
    snow_reply(script, "bulk-channel-status", 200, SNOW_LOOK("\"0007\"", "3"));
    snow_reply(script, "bulk-channel-status", 200, SNOW_LOOK("\"0008\"", "4"));
    snow_reply(script, "bulk-channel-status", 200, SNOW_LOOK("\"0009\"", "4"));
    owner_open_known(owner, "0007");
    snow_run(script);
    assert_string_equal(owner->told, "open(0007,3) end(taken,0) commit(0008,4) commit(0009,4) ");
    assert_int_equal(script->asked_count, 7); /* and nobody looks any more */
    assert_null(dv_snowflake_channel_waits(&owner->channel));
    assert_string_equal(script->asked[0].method, "GET");
    assert_non_null(strstr(script->asked[0].headers, "Authorization: Bearer ey"));
    assert_non_null(strstr(script->asked[0].headers, "Token-Type: KEYPAIR_JWT\n"));
    assert_string_equal(script->asked[1].method, "POST");
    assert_non_null(strstr(script->asked[1].headers, "Content-Type: application/x-www-form-urlencoded\n"));
    assert_string_equal(script->asked[1].body,
                        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer"
                        "&scope=in-gest.example.com%20session%3Arole%3AWRITER");
    assert_null(strstr(script->asked[1].headers, "Token-Type")); /* no client says it there */
    assert_string_equal(script->asked[2].method, "PUT");
    assert_memory_equal(script->asked[2].path,
                        "/v2/streaming/databases/DB/schemas/S/pipes/T-STREAMING/channels/c%201?requestId=", 80);
    assert_string_equal(script->asked[2].body, "{\"fail_on_uncommitted_rows\":true}");
    assert_memory_equal(script->asked[2].headers,
                        "Authorization: Bearer scoped-1\nX-Snowflake-Authorization-Token-Type: OAUTH\n", 75);
}

/* A role is as SHOW writes it: one that is no plain name goes in quotation marks, and without one the user's own counts. */
static void asks_for_the_role(void **state)
{
    static const struct {
        const char *role, *scope;
    } roles[] = { { NULL, "in-gest.example.com" },
                  { "", "in-gest.example.com" },
                  { "_R$1", "in-gest.example.com%20session%3Arole%3A_R%241" },
                  { "writer", "in-gest.example.com%20session%3Arole%3A%22writer%22" },
                  { "1 a&\"b", "in-gest.example.com%20session%3Arole%3A%221%20a%26%22%22b%22" } };
    struct snow_owner *owner = *state;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        struct dv_snowflake_config server = snow_config();
        struct dv_snowflake_channel_config config = owner_config_of(owner);
        owner_start_again(owner);
        owner_script_start(owner, SNOW_OPENED("null"));
        server.role = roles[i].role;
        snow_open(owner->script, &server);
        assert_int_equal(dv_snowflake_channel_open(&owner->channel, &owner->script->snowflake, &config, NULL), DV_OK);
        snow_run(owner->script);
        assert_string_equal(owner->told, "open(,3) ");
        assert_string_equal(strstr(snow_asked(owner->script, "/oauth/token", 0)->body, "&scope=") + 7, roles[i].scope);
    }
}

/* In a path a name without quotation marks is folded to capitals, but a table's own pipe is as plain as the table. */
static void names_what_is_no_plain_name_in_quotation_marks(void **state)
{
    static const struct {
        const char *database, *schema, *pipe, *base;
    } names[] = { { "DB", "_S$1", "T_9-STREAMING", "DB/schemas/_S%241/pipes/T_9-STREAMING" },
                  { "db", "S", "T-STREAMING", "%22db%22/schemas/S/pipes/T-STREAMING" },
                  { "DB", "a\"b", "P", "DB/schemas/%22a%22%22b%22/pipes/P" },
                  { "DB", "1S", "t-STREAMING", "DB/schemas/%221S%22/pipes/%22t-STREAMING%22" },
                  { "DB", "S", "T-1", "DB/schemas/S/pipes/%22T-1%22" },
                  { "DB", "S", "-STREAMING", "DB/schemas/S/pipes/%22-STREAMING%22" } };
    struct snow_owner *owner = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct dv_snowflake_channel_config config = owner_config_of(owner);
        config.database = names[i].database;
        config.schema = names[i].schema;
        config.pipe = names[i].pipe;
        owner_start_again(owner);
        owner_script_start(owner, SNOW_OPENED("null"));
        snow_open_default(owner->script);
        assert_int_equal(dv_snowflake_channel_open(&owner->channel, &owner->script->snowflake, &config, NULL), DV_OK);
        snow_run(owner->script);
        const char *path = snow_asked(owner->script, "/channels/", 0)->path + strlen("/v2/streaming/databases/");
        assert_memory_equal(path, names[i].base, strlen(names[i].base));
        assert_memory_equal(path + strlen(names[i].base), "/channels/", 10);
    }
}

/* The opening tells the name that a status is asked by; another one than ours, but for case, is not believed. */
static void asks_for_the_status_by_the_name_that_was_told(void **state)
{
#define OPENED_AS(name)                                                                                                \
    "{\"next_continuation_token\":\"1_1\",\"channel_status\":{\"channel_name\":" name ",\"channel_status_code\":\"SUCCESS\","   \
    "\"last_committed_offset_token\":\"0007\",\"rows_error_count\":3}}"
    static const struct {
        const char *opened, *asked;
    } names[] = { { OPENED_AS("\"C 1\""), "C 1" }, { OPENED_AS("\"c 2\""), "c 1" }, { OPENED_AS("\"c 12\""), "c 1" },
                  { OPENED_AS("null"), "c 1" } };
    struct snow_owner *owner = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char look[512], body[64];
        (void)snprintf(look, sizeof look, "{\"channel_statuses\":{\"%s\":" SNOW_STATUS("\"0009\"", "3") "}}", names[i].asked);
        (void)snprintf(body, sizeof body, "{\"channel_names\":[\"%s\"]}", names[i].asked);
        owner_start_again(owner);
        owner_fill_rows(owner, "0008", "0009", 1);
        owner_script_start(owner, names[i].opened);
        snow_reply(owner->script, "/rows?", 200, SNOW_TAKEN);
        snow_reply(owner->script, "bulk-channel-status", 200, look);
        owner_open_known(owner, NULL);
        snow_run(owner->script);
        assert_string_equal(owner->told, "open(0007,3) end(taken,0) commit(0009,3) ");
        assert_string_equal(snow_asked(owner->script, "bulk-channel-status", 0)->body, body);
    }
#undef OPENED_AS
}

static void sends_rows_with_their_offsets(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    owner_fill_rows(owner, "17-0008", "17-0009", 1);
    owner_script_start(owner, SNOW_OPENED("null"));
    snow_reply(script, "/rows?", 200, SNOW_TAKEN);
    snow_reply(script, "bulk-channel-status", 200, SNOW_LOOK("\"17-0009\"", "3"));
    owner_open_known(owner, NULL);
    snow_run(script);
    assert_string_equal(owner->told, "open(,3) end(taken,0) commit(17-0009,3) ");
    const struct snow_asked *rows = snow_asked(script, "/rows?", 0);
    static const char path[] = "/v2/streaming/data/databases/DB/schemas/S/pipes/T-STREAMING/channels/c%201/rows"
                               "?continuationToken=1_1&startOffsetToken=17-0008&endOffsetToken=17-0009&requestId=";
    assert_memory_equal(rows->path, path, sizeof path - 1);
    assert_string_equal(rows->method, "POST");
    assert_int_equal(rows->length, owner->rows.used);
    assert_non_null(strstr(rows->headers, "Content-Type: application/x-ndjson\nContent-Encoding: gzip\n"));
    assert_non_null(strstr(rows->headers, "x-snowflake-uncompressed-content-length: 8\n")); /* of the row and its end */
    assert_null(strstr(rows->headers, "x-snowflake-session"));
    const struct snow_asked *look = snow_asked(script, "bulk-channel-status", 0);
    assert_string_equal(look->path, "/v2/streaming/databases/DB/schemas/S/pipes/T-STREAMING:bulk-channel-status");
    assert_string_equal(look->body, "{\"channel_names\":[\"c 1\"]}");
    assert_in_range(look->at_ms - rows->at_ms, 250, 260);
}

/* It leads to the server that has the channel: what is opened anew may be another's. */
static void goes_to_the_same_server_again(void **state)
{
    static const char *const sessions[] = { "x-snowflake-session: s-0\n", "x-snowflake-session: s-1\n",
                                            "x-snowflake-session: s-1\n", NULL };
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    owner_fill_rows(owner, "0008", "0009", 2);
    snow_reply(script, "/channels/c%201?", 200, SNOW_OPENED("\"0007\""))->session = "s-0";
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    snow_reply(script, "/rows?", 200, SNOW_TAKEN)->session = "s-1";
    snow_reply(script, "/rows?", 200, SNOW_TAKEN);
    snow_reply(script, "/rows?", 500, "");
    snow_reply(script, "/rows?", 200, SNOW_TAKEN);
    snow_reply(script, "bulk", 200, SNOW_LOOK("\"0009\"", "3"))->times = -1;
    owner_open_known(owner, NULL);
    owner->left = 1;
    snow_run(script);
    for (unsigned i = 1; i < 4; i++) {
        owner->left = 1 + (i == 2);
        if (owner->channel.append == NULL && dv_snowflake_channel_is_ready(&owner->channel) && snow_count(script, "/rows?") == i)
            owner_append(owner);
        snow_run(script);
    }
    for (unsigned i = 0; i < 4; i++) {
        const char *headers = snow_asked(script, "/rows?", i)->headers;
        assert_true(sessions[i] != NULL ? strstr(headers, sessions[i]) != NULL : strstr(headers, "x-snowflake-session") == NULL);
    }
}

static void keeps_the_pace(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    owner_fill_rows(owner, "0008", "0009", 1);
    owner->rows.raw = 10000000; /* half a second's worth */
    owner_script_start(owner, SNOW_OPENED("\"0007\""));
    snow_reply(script, "/rows?", 200, SNOW_TAKEN)->times = -1;
    snow_reply(script, "bulk-channel-status", 200, SNOW_LOOK("\"0007\"", "3"))->times = -1;
    owner_open_known(owner, NULL);
    while (snow_count(script, "/rows?") == 0 || owner->append.rc != DV_OK || owner->channel.append != NULL)
        assert_true(dv_loop_sim_step(&script->loop));
    owner->left = 1;
    owner_append(owner);
    snow_run_ms(script, 20000);
    for (uint32_t i = 1; i < script->asked_count; i++)
        assert_true(script->asked[i].at_ms - script->asked[i - 1].at_ms >= DV_SNOWFLAKE_PACE_MS);
    assert_in_range(snow_asked(script, "/rows?", 1)->at_ms - snow_asked(script, "/rows?", 0)->at_ms, 500, 610);
    unsigned looks = snow_count(script, "bulk-channel-status"); /* less and less often */
    assert_in_range(looks, 5, 12);
    assert_in_range(snow_asked(script, "bulk", looks - 1)->at_ms - snow_asked(script, "bulk", looks - 2)->at_ms, 4000,
                    4010);
}

/* ---- ends ---- */

static void on_drop(struct dv_snowflake_channel *channel)
{
    owner_tell(channel->config.data, "drop", channel->rc == DV_OK ? "done" : dv_rc_name(channel->rc), 0);
}

static void drops(void **state)
{
    struct snow_owner *owner = *state;
    struct snow_script *script = owner->script;
    snow_reply(script, "/channels/c%201?", 200, SNOW_OPENED("\"0007\""));
    owner_script_start(owner, NULL);
    snow_reply(script, "/channels/c%201?", 409, "{\"code\":\"ERR_CHANNEL_HAS_UNCOMMITTED_DATA\"}");
    snow_reply(script, "/channels/c%201?", 200, "");
    owner_open_known(owner, NULL);
    snow_run(script);
    dv_snowflake_channel_drop(&owner->channel, on_drop);
    assert_false(dv_snowflake_channel_is_ready(&owner->channel));
    snow_run(script);
    assert_string_equal(owner->told, "open(0007,3) drop(done,0) ");
    assert_string_equal(script->asked[script->asked_count - 1].method, "DELETE");
    assert_string_equal(script->asked[script->asked_count - 1].body, "{\"fail_on_uncommitted_rows\":true}");
}

static void closes_inside_any_callback(void **state)
{
    static const char *const rows[] = { SNOW_TAKEN, "{}" };
    struct snow_owner *owner = *state;
    for (unsigned at = 0; at < 4; at++) {
        owner_start_again(owner);
        owner_fill_rows(owner, "0008", "0009", 1);
        owner_script_start(owner, at == 3 ? SNOW_OPENED("null") : SNOW_OPENED("\"0007\""));
        snow_reply(owner->script, "/rows?", 200, rows[at == 2]);
        snow_reply(owner->script, "bulk", 200, SNOW_LOOK("\"0009\"", "3"));
        owner->closes = at == 0 || at == 3;
        owner_open_known(owner, at == 3 ? "0001" : NULL);
        while (owner->told[0] == '\0')
            assert_true(dv_loop_sim_step(&owner->script->loop));
        owner->closes = true;
        snow_run(owner->script);
        assert_int_equal(strlen(owner->told) > 15, at == 1 || at == 2 || at == 3);
        assert_false(owner->channel.opened);
        owner->closes = false;
    }
}

static void closes_at_any_time(void **state)
{
    struct snow_owner *owner = *state;
    for (unsigned steps = 0; steps < 20; steps++) {
        owner_start_again(owner);
        owner_fill_rows(owner, "0008", "0009", 1);
        owner_script_start(owner, SNOW_OPENED("\"0007\""));
        snow_reply(owner->script, "/rows?", 200, SNOW_TAKEN);
        snow_reply(owner->script, "bulk", 200, SNOW_LOOK("\"0009\"", "3"));
        owner_open_known(owner, NULL);
        for (unsigned i = 0; i < steps; i++)
            (void)dv_loop_sim_step(&owner->script->loop);
    }
    assert_non_null(strstr(owner->told, "commit"));
}

static void refuses_wrong_names(void **state)
{
    struct snow_owner *owner = *state;
    static char longest[DV_SNOWFLAKE_NAME_MAX + 2];
    struct dv_error error = { 0 };
    memset(longest, ' ', sizeof longest - 1);
    snow_open_default(owner->script);
    struct dv_snowflake_channel_config configs[7];
    for (size_t i = 0; i < 7; i++)
        configs[i] = owner_config_of(owner);
    configs[0].database = NULL;
    configs[1].schema = "";
    configs[2].pipe = longest;
    configs[3].name = NULL;
    configs[4].name = longest;
    configs[5].known = longest;
    configs[6].database = configs[6].schema = longest + 2;
    for (size_t i = 0; i < 7; i++) {
        struct dv_snowflake_channel channel;
        assert_int_equal(dv_snowflake_channel_open(&channel, &owner->script->snowflake, &configs[i], &error),
                         DV_E_CONFIG);
        dv_snowflake_channel_close(&channel);
    }
    owner->script->snowflake.token.identity.proof = DV_SNOWFLAKE_PAT;
    struct dv_snowflake_channel channel;
    configs[0] = owner_config_of(owner);
    assert_int_equal(dv_snowflake_channel_open(&channel, &owner->script->snowflake, &configs[0], &error), DV_E_CONFIG);
    assert_string_equal(error.text, "channels of Snowflake are opened with a key pair only");
}

static void survives_without_memory(void **state)
{
    struct snow_owner *owner = *state;
    for (unsigned nth = 1; nth < 60; nth++) {
        struct dv_snowflake_channel_config config = owner_config_of(owner);
        owner_start_again(owner);
        owner_fill_rows(owner, "0008", "0009", 2);
        owner_script_start(owner, SNOW_OPENED("\"0007\""));
        snow_reply(owner->script, "/rows?", 200, SNOW_TAKEN)->times = -1;
        snow_reply(owner->script, "bulk", 200, SNOW_LOOK("\"0009\"", "3"))->times = -1;
        snow_open_default(owner->script);
        dv_memory_fail_at(nth);
        dv_rc rc = dv_snowflake_channel_open(&owner->channel, &owner->script->snowflake, &config, NULL);
        if (rc == DV_OK)
            snow_run(owner->script);
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY);
        if (rc == DV_OK)
            assert_non_null(strstr(owner->told, "commit(0009,3) "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_appends_and_sees_it_committed, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(asks_for_the_role, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(names_what_is_no_plain_name_in_quotation_marks, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(asks_for_the_status_by_the_name_that_was_told, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(sends_rows_with_their_offsets, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(goes_to_the_same_server_again, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(keeps_the_pace, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(drops, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(closes_inside_any_callback, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(closes_at_any_time, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(refuses_wrong_names, owner_setup, owner_teardown),
        cmocka_unit_test_setup_teardown(survives_without_memory, owner_setup, owner_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
