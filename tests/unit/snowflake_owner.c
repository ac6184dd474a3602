/* SPDX-License-Identifier: Apache-2.0
 * snowflake_owner.c - what the owner of a channel does in the tests: little, and all of it written down. */
#include "tests/unit/snowflake_owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/memory.h"

void owner_tell(struct snow_owner *owner, const char *what, const char *text, unsigned number)
{
    size_t used = strlen(owner->told);
    (void)snprintf(owner->told + used, sizeof owner->told - used, "%s(%s,%u) ", what, text, number);
    if (owner->closes)
        dv_snowflake_channel_close(&owner->channel);
}

static void on_end(struct dv_snowflake_append *given)
{
    struct snow_owner *owner = given->data;
    assert_int_equal(given->rc == DV_OK, given->reason == NULL);
    owner_tell(owner, "end", given->rc == DV_OK ? "taken" : dv_rc_name(given->rc), 0);
}

void owner_append(struct snow_owner *owner)
{
    if (owner->first == NULL || owner->left == 0 || !owner->channel.opened)
        return;
    owner->left--;
    owner->append = (struct dv_snowflake_append){
        .rows = &owner->rows, .first = owner->first, .last = owner->last, .on_end = on_end, .data = owner
    };
    dv_snowflake_channel_append(&owner->channel, &owner->append);
}

static void on_open(struct dv_snowflake_channel *channel)
{
    struct snow_owner *owner = channel->config.data;
    owner_tell(owner, "open", channel->state.offset, (unsigned)channel->state.errors);
    owner_append(owner);
}

static void on_commit(struct dv_snowflake_channel *channel)
{
    owner_tell(channel->config.data, "commit", channel->state.offset, (unsigned)channel->state.errors);
}

static void on_fail(struct dv_snowflake_channel *channel)
{
    owner_tell(channel->config.data, "fail", dv_rc_name(channel->rc), 0);
}

int owner_setup(void **state)
{
    struct snow_owner *owner = calloc(1, sizeof *owner);
    struct snow_script *script = NULL;
    *state = owner;
    int rc = snow_setup((void **)&script);
    owner->script = script;
    return owner == NULL || rc != 0 || dv_snowflake_rows_init(&owner->rows) != DV_OK;
}

static void owner_shut(struct snow_owner *owner)
{
    dv_snowflake_channel_close(&owner->channel);
    snow_close(owner->script);
}

int owner_teardown(void **state)
{
    struct snow_owner *owner = *state;
    dv_memory_fail_at(0);
    owner_shut(owner);
    dv_snowflake_rows_free(&owner->rows);
    free(owner->script);
    free(owner);
    return 0;
}

struct dv_snowflake_channel_config owner_config_of(struct snow_owner *owner)
{
    return (struct dv_snowflake_channel_config){ .database = "DB",
                                                 .schema = "S",
                                                 .pipe = "T-STREAMING",
                                                 .name = "c 1",
                                                 .on_open = on_open,
                                                 .on_commit = on_commit,
                                                 .on_fail = on_fail,
                                                 .data = owner };
}

void owner_open_known(struct snow_owner *owner, const char *known)
{
    struct dv_snowflake_channel_config config = owner_config_of(owner);
    struct dv_error error = { 0 };
    config.known = known;
    snow_open_default(owner->script);
    if (dv_snowflake_channel_open(&owner->channel, &owner->script->snowflake, &config, &error) != DV_OK)
        fail_msg("%s", error.text);
    assert_string_equal(owner->told, "");
}

void owner_script_start(struct snow_owner *owner, const char *opened)
{
    snow_reply(owner->script, "/v2/streaming/hostname", 200, SNOW_HOST)->times = -1;
    snow_reply(owner->script, "/oauth/token", 200, SNOW_SCOPED)->times = -1;
    if (opened != NULL)
        snow_reply(owner->script, "/channels/c%201?", 200, opened)->times = -1;
}

void owner_start_again(struct snow_owner *owner)
{
    owner_shut(owner);
    memset(owner->script, 0, sizeof *owner->script);
    memset(&owner->channel, 0, sizeof owner->channel);
    owner->told[0] = '\0';
}

void owner_fill_rows(struct snow_owner *owner, const char *first, const char *last, unsigned times)
{
    dv_snowflake_rows_reset(&owner->rows);
    assert_int_equal(dv_snowflake_rows_add(&owner->rows, "{\"A\":1}", 7), DV_OK);
    dv_snowflake_rows_end(&owner->rows);
    owner->first = first;
    owner->last = last;
    owner->left = times;
}
