/* SPDX-License-Identifier: Apache-2.0
 * redis.c - commands and replies on a connection, its patience, and making it again. */
#include "connectors/redis.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "engine/breaker.h"
#include "engine/log.h"
#include "engine/option.h"

enum {
    HEAD_MAX = 32, /* "*4\r\n" or "$1234\r\n" */
    ASKING_BYTES = 16,
    MS = 1000000,
    DOUBLINGS_MAX = 8,
    TELL_OTHER_MS = 1000,
    TELL_AGAIN_MS = 10000,
};

/* Row: from; bit: to. */
#define TO(state) (1u << DV_REDIS_##state)
static const unsigned allowed[DV_REDIS_STATES] = {
    [DV_REDIS_CLOSED] = TO(RESOLVING),
    [DV_REDIS_WAITING] = TO(RESOLVING) | TO(CLOSED),
    [DV_REDIS_RESOLVING] = TO(CONNECTING) | TO(WAITING) | TO(CLOSED),
    [DV_REDIS_CONNECTING] = TO(CONNECTING) | TO(SECURING) | TO(GREETING) | TO(WAITING) | TO(CLOSED),
    [DV_REDIS_SECURING] = TO(GREETING) | TO(WAITING) | TO(TURNED_AWAY) | TO(CLOSED),
    [DV_REDIS_GREETING] = TO(READY) | TO(RESOLVING) | TO(WAITING) | TO(TURNED_AWAY) | TO(CLOSED),
    [DV_REDIS_READY] = TO(WAITING) | TO(CLOSED),
    [DV_REDIS_TURNED_AWAY] = TO(CLOSED),
};

void dv_redis_move(struct dv_redis_client *client, enum dv_redis_state to)
{
    DV_ASSERT((allowed[client->state] >> to & 1u) != 0);
    client->state = to;
}

void dv_redis_tell(const struct dv_redis_client *client, enum dv_log_level level, const char *event, const char *reason)
{
    struct dv_log_pair pairs[4] = { DV_LOG_NAMED("node", client->options.name) };
    uint32_t used = 1;
    if (client->options.role != NULL)
        pairs[used++] = (struct dv_log_pair){ "connection", DV_LOG_WORD, 0, client->options.role };
    if (reason != NULL)
        pairs[used++] = (struct dv_log_pair){ "reason", DV_LOG_WORD, 0, reason };
    pairs[used] = (struct dv_log_pair){ NULL, DV_LOG_END, 0, NULL };
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

/* An outage is told once, with each new reason; while connections come and go, every ten seconds. */
static bool is_news(const struct dv_redis_client *client, const char *reason, uint64_t now_ns)
{
    uint64_t since_ms = (now_ns - client->logged_ns) / MS;
    if (client->logged == NULL)
        return true;
    if (client->logged != reason)
        return since_ms >= TELL_OTHER_MS;
    return client->useful && (client->short_lived == 0 || since_ms >= TELL_AGAIN_MS);
}

static void tell_lost(struct dv_redis_client *client, bool refused, const char *reason)
{
    uint64_t now = dv_now_ns(client->options.loop);
    if (client->leaving != NULL) {
        dv_redis_tell(client, DV_LOG_INFO, "redis.redirected", reason);
    } else if (refused) {
        dv_redis_tell(client, DV_LOG_ERROR, "redis.refused", reason);
    } else if (is_news(client, reason, now)) {
        dv_redis_tell(client, DV_LOG_WARN, "redis.lost", reason);
        client->logged = reason;
        client->logged_ns = now;
        client->useful = false;
    } else {
        return;
    }
    client->told_ready = false;
}

/* The circuit closes with every connection; one that is lost again and again must not be made again at full speed. */
static uint64_t unrest_ms(struct dv_redis_client *client)
{
    if (client->state == DV_REDIS_READY && client->leaving == NULL) {
        uint64_t ready_ms = (dv_now_ns(client->options.loop) - client->ready_ns) / MS;
        client->short_lived = ready_ms < DV_REDIS_LASTING_MS ? client->short_lived + 1 : 0;
    }
    if (client->short_lived == 0)
        return 0;
    uint32_t doublings = client->short_lived < DOUBLINGS_MAX ? client->short_lived : DOUBLINGS_MAX;
    uint64_t pause_ms = (uint64_t)DV_REDIS_BACKOFF_MIN_MS << doublings;
    return pause_ms < DV_REDIS_BACKOFF_MAX_MS ? pause_ms : DV_REDIS_BACKOFF_MAX_MS;
}

void dv_redis_lost(struct dv_redis_client *client, const char *reason)
{
    bool refused = client->turned_away && !client->welcomed;
    uint64_t unrest = unrest_ms(client);
    client->turned_away = false;
    client->reason = reason;
    dv_timer_stop(&client->timer);
    dv_redis_link_close(client);
    dv_redis_move(client, refused ? DV_REDIS_TURNED_AWAY : DV_REDIS_WAITING);
    tell_lost(client, refused, reason);
    client->leaving = NULL;
    client->guide++;
    uint64_t pause_ms = dv_breaker_failed(&client->breaker, dv_now_ns(client->options.loop), reason);
    if (!refused)
        dv_timer_start(&client->timer, pause_ms + unrest);
    answer_none(client);
    client->options.changed(client->options.data);
}

void dv_redis_start(struct dv_redis_client *client)
{
    dv_timer_start(&client->timer, client->options.connect_ms);
    dv_redis_link_start(client);
}

/* Half of the patience for a reply is quiet, the other half is for the answer to PING. */
static void mind_quiet(struct dv_redis_client *client, uint64_t now_ns)
{
    uint64_t half_ms = client->options.command_ms / 2 + 1;
    uint64_t quiet_ms = (now_ns - client->heard_ns) / MS;
    if (quiet_ms < half_ms) {
        dv_timer_start(&client->timer, half_ms - quiet_ms);
    } else if (dv_redis_ping(client) == DV_OK) {
        dv_timer_start(&client->timer, half_ms);
        dv_redis_link_later(client);
    } else {
        dv_redis_lost(client, "no memory for a command");
    }
}

static void check_patience(struct dv_redis_client *client)
{
    uint64_t now = dv_now_ns(client->options.loop);
    if (client->first == NULL)
        mind_quiet(client, now);
    else if (now >= client->first->due_ns)
        dv_redis_lost(client, "the server does not answer in time");
    else
        dv_timer_start(&client->timer, (client->first->due_ns - now) / MS + 1);
}

static void try_again(struct dv_redis_client *client)
{
    uint64_t now = dv_now_ns(client->options.loop);
    if (dv_breaker_admits(&client->breaker, now)) {
        dv_redis_guide_choose(client);
        dv_redis_start(client);
    } else {
        dv_timer_start(&client->timer, dv_breaker_wait_ms(&client->breaker, now));
    }
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_redis_client *client = timer->data;
    if (client->state == DV_REDIS_WAITING) {
        try_again(client);
    } else if (client->state == DV_REDIS_READY) {
        check_patience(client);
    } else {
        dv_redis_lost(client, "the server cannot be reached in time");
    }
}

/* ---- commands ---- */

/* "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" */
static dv_rc write_command(struct dv_redis_client *client, const struct dv_redis_word *words, uint32_t count,
                           bool asking)
{
    size_t bound = HEAD_MAX + ASKING_BYTES;
    for (uint32_t i = 0; i < count; i++)
        bound += words[i].length + HEAD_MAX;
    char *start_of = dv_redis_buffer_room(&client->out, bound);
    if (start_of == NULL)
        return DV_E_MEMORY;
    char *at = start_of;
    if (asking)
        at += snprintf(at, ASKING_BYTES + 1, "*1\r\n$6\r\nASKING\r\n");
    at += snprintf(at, HEAD_MAX, "*%" PRIu32 "\r\n", count);
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

dv_rc dv_redis_append(struct dv_redis_client *client, struct dv_redis_request *request,
                      const struct dv_redis_word *words, uint32_t count)
{
    uint64_t patience_ms = client->options.command_ms + request->wait_ms;
    request->asking = client->asking && client->state == DV_REDIS_READY;
    DV_TRY(write_command(client, words, count, request->asking));
    request->due_ns = dv_now_ns(client->options.loop) + patience_ms * MS;
    request->next = NULL;
    if (client->last != NULL)
        client->last->next = request;
    else
        client->first = request;
    client->last = request;
    return DV_OK;
}

/* Commands go out with the loop's next turn, together. */
static dv_rc request_one(struct dv_redis *redis, struct dv_redis_request *request, const struct dv_redis_word *words,
                         uint32_t count)
{
    struct dv_redis_client *client = (struct dv_redis_client *)redis;
    DV_ASSERT(request->callback != NULL && count > 0);
    if (client->state != DV_REDIS_READY || client->leaving != NULL)
        return DV_E_DEPENDENCY;
    DV_TRY(dv_redis_append(client, request, words, count));
    dv_redis_link_later(client);
    return DV_OK;
}

/* ---- replies ---- */

static bool is_talking(const struct dv_redis_client *client)
{
    return client->state == DV_REDIS_READY || client->state == DV_REDIS_GREETING;
}

static void answer(struct dv_redis_client *client, const struct dv_redis_reply *reply)
{
    if (client->first->asking) {
        client->first->asking = false;
        return;
    }
    struct dv_redis_request *request = take_first(client);
    if (client->state == DV_REDIS_READY)
        dv_redis_guide_note(client, reply);
    request->rc = DV_OK;
    request->reply = reply;
    request->callback(request);
}

void dv_redis_received(struct dv_redis_client *client, const char *bytes, size_t length)
{
    const struct dv_redis_reply *reply = NULL;
    client->heard_ns = dv_now_ns(client->options.loop);
    bool sound = client->first != NULL && dv_redis_reader_feed(&client->reader, bytes, length);
    do {
        sound = sound && dv_redis_reader_next(&client->reader, &reply) && (reply == NULL || client->first != NULL);
        if (sound && reply != NULL)
            answer(client, reply);
    } while (sound && reply != NULL && is_talking(client));
    if (!sound)
        dv_redis_lost(client, "the server does not speak the Redis protocol, or passes its limits");
    else if (client->leaving != NULL && client->first == NULL && client->state == DV_REDIS_READY)
        dv_redis_lost(client, client->leaving);
}

/* ---- the table ---- */

static enum dv_redis_health health(const struct dv_redis *redis)
{
    const struct dv_redis_client *client = (const struct dv_redis_client *)redis;
    if (client->state == DV_REDIS_TURNED_AWAY)
        return DV_REDIS_REFUSED;
    return client->state == DV_REDIS_READY && client->leaving == NULL ? DV_REDIS_UP : DV_REDIS_DOWN;
}

static const char *waits(const struct dv_redis *redis)
{
    const struct dv_redis_client *client = (const struct dv_redis_client *)redis;
    if (client->state == DV_REDIS_READY)
        return client->leaving;
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
    uint64_t end_ns = dv_now_ns(client->options.loop) + patience_ms * MS;
    while (client->state == DV_REDIS_READY && client->first != NULL) {
        uint64_t now = dv_now_ns(client->options.loop);
        struct pollfd ready = { .fd = client->fd, .events = POLLIN };
        if (now >= end_ns)
            return;
        if (client->out.used > 0 || client->wire.used > 0)
            ready.events |= POLLOUT;
        if (poll(&ready, 1, (int)((end_ns - now) / MS) + 1) > 0)
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
    DV_TRY(check_password(options->sentinel_password, error));
    if (options->url.tls || options->sentinel_tls)
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
    dv_redis_guide_choose(client);
    dv_redis_start(client);
    return DV_OK;
}
