/* SPDX-License-Identifier: Apache-2.0
 * redis.c - commands and replies on a connection, its greeting, its patience, and making it again. */
#include "connectors/redis.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "engine/log.h"
#include "engine/option.h"

enum { HEAD_MAX = 32 /* "*4\r\n" or "$1234\r\n" */, GREET_AUTH = 0, GREET_SELECT = 1, GREET_PING = 2 };

/* Row: from; bit: to. */
#define TO(state) (1u << DV_REDIS_##state)
static const unsigned allowed[DV_REDIS_STATES] = {
    [DV_REDIS_CLOSED] = TO(RESOLVING),
    [DV_REDIS_WAITING] = TO(RESOLVING) | TO(CLOSED),
    [DV_REDIS_RESOLVING] = TO(CONNECTING) | TO(WAITING) | TO(CLOSED),
    [DV_REDIS_CONNECTING] = TO(CONNECTING) | TO(SECURING) | TO(GREETING) | TO(WAITING) | TO(CLOSED),
    [DV_REDIS_SECURING] = TO(GREETING) | TO(WAITING) | TO(TURNED_AWAY) | TO(CLOSED),
    [DV_REDIS_GREETING] = TO(READY) | TO(WAITING) | TO(TURNED_AWAY) | TO(CLOSED),
    [DV_REDIS_READY] = TO(WAITING) | TO(CLOSED),
    [DV_REDIS_TURNED_AWAY] = TO(CLOSED),
};

void dv_redis_move(struct dv_redis_client *client, enum dv_redis_state to)
{
    DV_ASSERT((allowed[client->state] >> to & 1u) != 0);
    client->state = to;
}

static void tell(const struct dv_redis_client *client, enum dv_log_level level, const char *event, const char *reason)
{
    const struct dv_log_pair pairs[] = { DV_LOG_NAMED("node", client->options.name),
                                         { "reason", reason != NULL ? DV_LOG_WORD : DV_LOG_END, 0, reason },
                                         { NULL, DV_LOG_END, 0, NULL } };
    dv_log_write(level, event, pairs);
}

/* ---- losing it and making it again ---- */

static struct dv_redis_request *take_first(struct dv_redis_client *client)
{
    struct dv_redis_request *request = client->first;
    client->first = request->next;
    if (client->first == NULL)
        client->last = NULL;
    request->next = NULL;
    return request;
}

static bool is_greeting(const struct dv_redis_client *client, const struct dv_redis_request *request)
{
    return request >= client->greetings && request < client->greetings + DV_REDIS_GREETINGS;
}

/* What nobody will answer any more. A callback may ask for nothing new: the state says so already. */
static void answer_none(struct dv_redis_client *client)
{
    while (client->first != NULL) {
        struct dv_redis_request *request = take_first(client);
        request->rc = DV_E_DEPENDENCY;
        request->reply = NULL;
        if (!is_greeting(client, request))
            request->callback(request);
    }
}

void dv_redis_lost(struct dv_redis_client *client, const char *reason)
{
    bool refused = client->turned_away && !client->welcomed;
    client->turned_away = false;
    client->reason = reason;
    dv_timer_stop(&client->timer);
    dv_redis_link_close(client);
    dv_redis_move(client, refused ? DV_REDIS_TURNED_AWAY : DV_REDIS_WAITING);
    if (client->logged != reason)
        tell(client, refused ? DV_LOG_ERROR : DV_LOG_WARN, refused ? "redis.refused" : "redis.lost", reason);
    client->logged = reason;
    uint64_t pause_ms = dv_breaker_failed(&client->breaker, dv_now_ns(client->options.loop), reason);
    if (!refused)
        dv_timer_start(&client->timer, pause_ms);
    answer_none(client);
    client->options.changed(client->options.data);
}

static void start(struct dv_redis_client *client)
{
    uint64_t now = dv_now_ns(client->options.loop);
    if (!dv_breaker_admits(&client->breaker, now)) {
        dv_timer_start(&client->timer, dv_breaker_wait_ms(&client->breaker, now));
        return;
    }
    dv_timer_start(&client->timer, client->options.connect_ms);
    dv_redis_link_start(client);
}

static void check_patience(struct dv_redis_client *client)
{
    if (client->first == NULL)
        return;
    uint64_t now = dv_now_ns(client->options.loop);
    if (now >= client->first->due_ns)
        dv_redis_lost(client, "the server does not answer in time");
    else
        dv_timer_start(&client->timer, (client->first->due_ns - now) / 1000000 + 1);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_redis_client *client = timer->data;
    if (client->state == DV_REDIS_WAITING)
        start(client);
    else if (client->state == DV_REDIS_READY)
        check_patience(client);
    else
        dv_redis_lost(client, "the server cannot be reached in time");
}

/* ---- commands ---- */

/* "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" */
static dv_rc write_command(struct dv_redis_client *client, const struct dv_redis_word *words, uint32_t count)
{
    size_t bound = HEAD_MAX;
    for (uint32_t i = 0; i < count; i++)
        bound += words[i].length + HEAD_MAX;
    char *start_of = dv_redis_buffer_room(&client->out, bound);
    if (start_of == NULL)
        return DV_E_MEMORY;
    char *at = start_of + snprintf(start_of, HEAD_MAX, "*%" PRIu32 "\r\n", count);
    for (uint32_t i = 0; i < count; i++) {
        at += snprintf(at, HEAD_MAX, "$%zu\r\n", words[i].length);
        memcpy(at, words[i].at, words[i].length);
        at += words[i].length;
        *at++ = '\r';
        *at++ = '\n';
    }
    client->out.used += (size_t)(at - start_of);
    return DV_OK;
}

static dv_rc append(struct dv_redis_client *client, struct dv_redis_request *request, const struct dv_redis_word *words,
                    uint32_t count)
{
    DV_TRY(write_command(client, words, count));
    uint64_t patience_ms = client->options.command_ms + request->wait_ms;
    request->due_ns = dv_now_ns(client->options.loop) + patience_ms * 1000000;
    request->next = NULL;
    if (client->last != NULL)
        client->last->next = request;
    else
        client->first = request;
    client->last = request;
    if (client->state == DV_REDIS_READY && !client->timer.active)
        dv_timer_start(&client->timer, patience_ms + 1);
    return DV_OK;
}

/* Commands go out with the loop's next turn, together. */
static dv_rc request_one(struct dv_redis *redis, struct dv_redis_request *request, const struct dv_redis_word *words,
                         uint32_t count)
{
    struct dv_redis_client *client = (struct dv_redis_client *)redis;
    DV_ASSERT(request->callback != NULL && count > 0);
    if (client->state != DV_REDIS_READY)
        return DV_E_DEPENDENCY;
    DV_TRY(append(client, request, words, count));
    dv_redis_link_later(client);
    return DV_OK;
}

/* ---- the greeting ---- */

static void on_greeting(struct dv_redis_request *request)
{
    struct dv_redis_client *client = request->data;
    const char *reason = NULL;
    enum dv_redis_trouble trouble = dv_redis_judge(request->reply, &reason);
    bool is_ping = request == &client->greetings[GREET_PING];
    /* A user that may not ping was let in all the same. */
    bool let_in = is_ping && request->reply->length >= 6 && trouble == DV_REDIS_MISTAKE &&
                  memcmp(request->reply->text, "NOPERM", 6) == 0;
    if (trouble != DV_REDIS_FINE && !let_in) {
        client->turned_away = trouble == DV_REDIS_MISTAKE;
        dv_redis_lost(client, reason);
        return;
    }
    if (!is_ping)
        return;
    dv_timer_stop(&client->timer);
    dv_redis_move(client, DV_REDIS_READY);
    tell(client, DV_LOG_INFO, "redis.connected", NULL);
    client->welcomed = true;
    client->reason = NULL;
    client->logged = NULL;
    (void)dv_breaker_succeeded(&client->breaker);
    client->options.changed(client->options.data);
}

static struct dv_redis_word word_of(const char *text)
{
    return (struct dv_redis_word){ text, strlen(text) };
}

static dv_rc greet(struct dv_redis_client *client, int which, const struct dv_redis_word *words, uint32_t count)
{
    client->greetings[which] = (struct dv_redis_request){ .callback = on_greeting, .data = client };
    return append(client, &client->greetings[which], words, count);
}

/* The secret is read anew each time, so that it can be changed without a restart. */
static dv_rc greet_with_password(struct dv_redis_client *client)
{
    char secret[DV_REDIS_SECRET_MAX];
    struct dv_redis_word words[3] = { word_of("AUTH") };
    size_t length = 0;
    uint32_t count = 1;
    DV_TRY(dv_secret_read(client->options.password, secret, sizeof secret, &length, NULL));
    if (client->options.user != NULL)
        words[count++] = word_of(client->options.user);
    words[count++] = (struct dv_redis_word){ secret, length };
    dv_rc rc = greet(client, GREET_AUTH, words, count);
    explicit_bzero(secret, sizeof secret);
    return rc;
}

void dv_redis_connected(struct dv_redis_client *client)
{
    char number[16];
    dv_redis_move(client, DV_REDIS_GREETING);
    dv_rc rc = dv_redis_reader_reset(&client->reader);
    if (rc == DV_OK && client->options.password != NULL)
        rc = greet_with_password(client);
    (void)snprintf(number, sizeof number, "%" PRIu32, client->options.url.database);
    const struct dv_redis_word select[] = { word_of("SELECT"), word_of(number) };
    if (rc == DV_OK && client->options.url.database != 0)
        rc = greet(client, GREET_SELECT, select, 2);
    const struct dv_redis_word ping = word_of("PING");
    if (rc == DV_OK)
        rc = greet(client, GREET_PING, &ping, 1);
    if (rc == DV_OK)
        dv_redis_link_flush(client);
    else
        dv_redis_lost(client, rc == DV_E_MEMORY ? "no memory for the greeting" : "the password cannot be read");
}

/* ---- replies ---- */

static bool is_talking(const struct dv_redis_client *client)
{
    return client->state == DV_REDIS_READY || client->state == DV_REDIS_GREETING;
}

static void answer(struct dv_redis_client *client, const struct dv_redis_reply *reply)
{
    struct dv_redis_request *request = take_first(client);
    request->rc = DV_OK;
    request->reply = reply;
    request->callback(request);
}

void dv_redis_received(struct dv_redis_client *client, const char *bytes, size_t length)
{
    const struct dv_redis_reply *reply = NULL;
    bool sound = client->first != NULL && dv_redis_reader_feed(&client->reader, bytes, length);
    do {
        sound = sound && dv_redis_reader_next(&client->reader, &reply) && (reply == NULL || client->first != NULL);
        if (sound && reply != NULL)
            answer(client, reply);
    } while (sound && reply != NULL && is_talking(client));
    if (!sound)
        dv_redis_lost(client, "the server does not speak the Redis protocol, or passes its limits");
}

/* ---- the table ---- */

static enum dv_redis_health health(const struct dv_redis *redis)
{
    const struct dv_redis_client *client = (const struct dv_redis_client *)redis;
    if (client->state == DV_REDIS_TURNED_AWAY)
        return DV_REDIS_REFUSED;
    return client->state == DV_REDIS_READY ? DV_REDIS_UP : DV_REDIS_DOWN;
}

static const char *waits(const struct dv_redis *redis)
{
    const struct dv_redis_client *client = (const struct dv_redis_client *)redis;
    if (client->state == DV_REDIS_READY)
        return NULL;
    return client->reason != NULL ? client->reason : "connecting to the server";
}

static void drop(struct dv_redis *redis, const char *reason)
{
    struct dv_redis_client *client = (struct dv_redis_client *)redis;
    if (is_talking(client))
        dv_redis_lost(client, reason);
}

static void finish(struct dv_redis *redis, uint64_t patience_ms)
{
    struct dv_redis_client *client = (struct dv_redis_client *)redis;
    uint64_t end_ns = dv_now_ns(client->options.loop) + patience_ms * 1000000;
    while (client->state == DV_REDIS_READY && client->first != NULL) {
        uint64_t now = dv_now_ns(client->options.loop);
        struct pollfd ready = { .fd = client->fd, .events = POLLIN };
        if (now >= end_ns)
            return;
        if (client->out.used > 0 || client->wire.used > 0)
            ready.events |= POLLOUT;
        if (poll(&ready, 1, (int)((end_ns - now) / 1000000) + 1) > 0)
            dv_redis_link_ready(client, 0, (ready.revents & POLLOUT) != 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
    }
}

static void close_client(struct dv_redis *redis)
{
    struct dv_redis_client *client = (struct dv_redis_client *)redis;
    if (client->state == DV_REDIS_CLOSED)
        return;
    dv_redis_move(client, DV_REDIS_CLOSED);
    dv_redis_link_close(client);
    dv_tls_context_free(client->trusted);
    dv_redis_reader_free(&client->reader);
    dv_timer_close(&client->timer);
    if (client->resolving_now)
        (void)uv_cancel((uv_req_t *)&client->resolving);
    client->first = NULL;
    client->last = NULL;
}

static const struct dv_redis_ops ops = {
    .request = request_one, .health = health, .waits = waits, .drop = drop, .finish = finish, .close = close_client,
};

static dv_rc check_password(const char *reference, struct dv_error *error)
{
    char secret[DV_REDIS_SECRET_MAX];
    size_t length = 0;
    if (reference == NULL)
        return DV_OK;
    dv_rc rc = dv_secret_read(reference, secret, sizeof secret, &length, error);
    explicit_bzero(secret, sizeof secret);
    return rc == DV_OK ? DV_OK : DV_E_CONFIG;
}

dv_rc dv_redis_open(struct dv_redis_client *client, const struct dv_redis_options *options, struct dv_error *error)
{
    DV_ASSERT(options->changed != NULL && options->connect_ms > 0 && options->command_ms > 0);
    *client = (struct dv_redis_client){ .options = *options, .fd = -1 };
    DV_TRY(check_password(options->password, error));
    if (options->url.tls)
        DV_TRY(dv_tls_client(&client->trusted, options->ca, error));
    if (dv_redis_reader_init(&client->reader, options->limits) != DV_OK) {
        dv_tls_context_free(client->trusted);
        return dv_error_set(error, DV_E_FAILED, "no memory for a connection");
    }
    client->redis = (struct dv_redis){ .ops = &ops, .breaker = &client->breaker };
    dv_breaker_init(&client->breaker, DV_REDIS_FAILURES_MAX,
                    (struct dv_backoff){ DV_REDIS_BACKOFF_MIN_MS, DV_REDIS_BACKOFF_MAX_MS },
                    dv_now_ns(options->loop) ^ (uintptr_t)client);
    dv_timer_init(options->loop, &client->timer, on_timer, client);
    start(client);
    return DV_OK;
}
