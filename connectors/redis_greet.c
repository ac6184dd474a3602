/* SPDX-License-Identifier: Apache-2.0
 * redis_greet.c - what is said first on a connection, to a server or to a guide, and PING when nobody says anything. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "connectors/redis.h"
#include "engine/breaker.h"
#include "engine/option.h"

enum { GREET_AUTH, GREET_SELECT, GREET_ROLE, GREET_PING };

/* ---- answers ---- */

static bool begins(const struct dv_redis_reply *reply, const char *word)
{
    size_t length = strlen(word);
    return reply->text != NULL && reply->length >= length && memcmp(reply->text, word, length) == 0;
}

static void be_ready(struct dv_redis_client *client)
{
    dv_redis_move(client, DV_REDIS_READY);
    if (!client->told_ready)
        dv_redis_tell(client, DV_LOG_INFO, "redis.connected", NULL);
    client->told_ready = true;
    client->ready_ns = dv_now_ns(client->options.loop);
    dv_timer_start(&client->timer, client->options.command_ms / 2 + 1);
    client->welcomed = true;
    client->reason = NULL;
    if (client->options.url.kind == DV_REDIS_SINGLE) { /* others may still turn out to be the wrong one */
        client->useful = true;
        (void)dv_breaker_succeeded(&client->breaker);
    }
    client->options.changed(client->options.data);
}

/* A user that may not ping, or ask for the role, was let in all the same. */
static bool is_let_in(const struct dv_redis_client *client, const struct dv_redis_request *request)
{
    return request >= &client->greetings[GREET_ROLE] && begins(request->reply, "NOPERM");
}

static void on_greeting(struct dv_redis_request *request)
{
    struct dv_redis_client *client = request->data;
    const struct dv_redis_reply *reply = request->reply;
    const char *reason = NULL;
    enum dv_redis_trouble trouble = dv_redis_judge(reply, &reason);
    if (trouble != DV_REDIS_FINE && !is_let_in(client, request)) {
        client->turned_away = trouble == DV_REDIS_MISTAKE;
        if (client->turned_away && client->seeking && client->options.url.kind == DV_REDIS_SENTINEL)
            reason = "a sentinel does not accept `sentinel_user` and `sentinel_password`";
        dv_redis_lost(client, reason);
        return;
    }
    if (request == &client->greetings[GREET_ROLE] && reply->type == DV_REDIS_ARRAY && reply->count > 0 &&
        !dv_redis_is(&reply->items[0], "master"))
        dv_redis_lost(client, "the server is not the master that it is said to be");
    else if (request == &client->greetings[GREET_PING])
        be_ready(client);
}

static void on_pong(struct dv_redis_request *request)
{
    (void)request; /* any answer will do */
}

/* ---- greetings ---- */

static struct dv_redis_word word_of(const char *text)
{
    return (struct dv_redis_word){ text, strlen(text) };
}

static dv_rc greet(struct dv_redis_client *client, int which, const struct dv_redis_word *words, uint32_t count)
{
    client->greetings[which] = (struct dv_redis_request){ .callback = on_greeting, .data = client };
    return dv_redis_append(client, &client->greetings[which], words, count);
}

/* The secret is read anew each time, so that it can be changed without a restart. */
static dv_rc greet_with_password(struct dv_redis_client *client, const char *user, const char *password)
{
    char secret[DV_REDIS_SECRET_MAX];
    struct dv_redis_word words[3] = { word_of("AUTH") };
    size_t length = 0;
    uint32_t count = 1;
    if (password == NULL)
        return DV_OK;
    DV_TRY(dv_secret_read(password, secret, sizeof secret, &length, NULL));
    if (user != NULL)
        words[count++] = word_of(user);
    words[count++] = (struct dv_redis_word){ secret, length };
    dv_rc rc = greet(client, GREET_AUTH, words, count);
    explicit_bzero(secret, sizeof secret);
    return rc;
}

static dv_rc greet_server(struct dv_redis_client *client)
{
    char number[16];
    const struct dv_redis_word role = word_of("ROLE");
    const struct dv_redis_word ping = word_of("PING");
    (void)snprintf(number, sizeof number, "%" PRIu32, client->options.url.database);
    const struct dv_redis_word select[] = { word_of("SELECT"), word_of(number) };
    DV_TRY(greet_with_password(client, client->options.user, client->options.password));
    if (client->options.url.database != 0)
        DV_TRY(greet(client, GREET_SELECT, select, 2));
    if (client->options.url.kind == DV_REDIS_SENTINEL)
        DV_TRY(greet(client, GREET_ROLE, &role, 1));
    return greet(client, GREET_PING, &ping, 1);
}

/* Nodes of a cluster have one set of users, sentinels have users of their own. */
static dv_rc greet_guide(struct dv_redis_client *client)
{
    bool sentinel = client->options.url.kind == DV_REDIS_SENTINEL;
    DV_TRY(greet_with_password(client, sentinel ? client->options.sentinel_user : client->options.user,
                               sentinel ? client->options.sentinel_password : client->options.password));
    return dv_redis_guide_ask(client, &client->greetings[GREET_PING]);
}

void dv_redis_connected(struct dv_redis_client *client)
{
    dv_redis_move(client, DV_REDIS_GREETING);
    dv_rc rc = dv_redis_reader_reset(&client->reader);
    if (rc == DV_OK)
        rc = client->seeking ? greet_guide(client) : greet_server(client);
    if (rc == DV_OK)
        dv_redis_link_flush(client);
    else
        dv_redis_lost(client, rc == DV_E_MEMORY ? "no memory for the greeting" : "the password cannot be read");
}

dv_rc dv_redis_ping(struct dv_redis_client *client)
{
    struct dv_redis_request *request = &client->greetings[GREET_PING];
    const struct dv_redis_word ping = word_of("PING");
    *request = (struct dv_redis_request){ .callback = on_pong, .data = client };
    DV_TRY(dv_redis_append(client, request, &ping, 1));
    request->due_ns -= client->options.command_ms / 2 * 1000000;
    return DV_OK;
}
