/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_redis.c - URLs, replies within limits, what errors mean, and a connection to a server that is scripted.
 *
 * shows: ING-3 ING-8 BCP-8 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/redis.h"
#include "engine/log.h"
#include "tests/unit/connectors_world.h"

/* ---- URLs ---- */

static void test_urls(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port, database;
        bool tls;
    } good[] = {
        { "redis://127.0.0.1", "127.0.0.1", 6379, 0, false }, { "redis://h:1", "h", 1, 0, false },
        { "rediss://redis.internal:6380/3", "redis.internal", 6380, 3, true },
        { "redis://[::1]:65535/", "::1", 65535, 0, false },   { "redis://a_b-c.d/16383", "a_b-c.d", 6379, 16383, false },
    };
    static const char *const bad[] = { "", "redis:", "redis://", "redis://:6379", "redis://h:", "redis://h:0",
                                       "redis://h:65536", "redis://h:999999", "redis://h/a", "redis://h/16384",
                                       "redis://h/1/2", "redis://h?x", "redis://[::1", "redis://h h", "unix:///x",
                                       "REDIS://h", "redis://h\n", "rediss:/h" };
    struct dv_redis_url url;
    bool secret = false;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_null(dv_redis_url_parse(good[i].text, &url, &secret));
        assert_string_equal(url.places[0].host, good[i].host);
        assert_int_equal(url.places[0].port, good[i].port);
        assert_int_equal(url.database, good[i].database);
        assert_int_equal(url.tls, good[i].tls);
        assert_false(secret);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_non_null(dv_redis_url_parse(bad[i], &url, &secret));
        assert_false(secret);
    }
    assert_non_null(dv_redis_url_parse("redis://:word@h", &url, &secret));
    assert_true(secret);
}

/* ---- replies ---- */

static const struct dv_redis_limits small = { 100, 200 };

static void begin(struct dv_redis_reader *reader, struct dv_redis_limits limits)
{
    assert_int_equal(dv_redis_reader_init(reader, limits), DV_OK);
}

/* Feeds `length` bytes in pieces; the first whole reply, or NULL. */
static const struct dv_redis_reply *feed(struct dv_redis_reader *reader, const char *bytes, size_t length, size_t piece)
{
    const struct dv_redis_reply *reply = NULL;
    for (size_t at = 0; at < length && reply == NULL; at += piece) {
        assert_true(dv_redis_reader_feed(reader, bytes + at, length - at < piece ? length - at : piece));
        assert_true(dv_redis_reader_next(reader, &reply));
    }
    return reply;
}

static void test_replies_in_any_pieces(void **state)
{
    static const char text[] = "*4\r\n$3\r\n1-2\r\n:-7\r\n*2\r\n+OK\r\n$-1\r\n-ERR x\r\n";
    (void)state;
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        struct dv_redis_reader reader;
        begin(&reader, small);
        const struct dv_redis_reply *reply = feed(&reader, text, sizeof text - 1, piece);
        assert_non_null(reply);
        assert_int_equal(reply->type, DV_REDIS_ARRAY);
        assert_int_equal(reply->count, 4);
        assert_true(dv_redis_is(&reply->items[0], "1-2"));
        assert_int_equal(reply->items[1].number, -7);
        assert_true(dv_redis_is(&reply->items[2].items[0], "OK"));
        assert_int_equal(reply->items[2].items[1].type, DV_REDIS_NIL);
        assert_int_equal(reply->items[3].type, DV_REDIS_ERROR);
        dv_redis_reader_free(&reader);
    }
}

/* A text of `length` in an array, then :5, then another reply. */
static size_t write_long(char *out, size_t length)
{
    int head = sprintf(out, "*2\r\n$%zu\r\n", length);
    memset(out + head, 'x', length);
    int tail = sprintf(out + head + length, "\r\n:5\r\n+next\r\n");
    return (size_t)head + length + (size_t)tail;
}

static void test_a_text_that_is_too_long_is_passed_over(void **state)
{
    char bytes[2048];
    (void)state;
    for (size_t piece = 1; piece < 1100; piece += 13) {
        struct dv_redis_reader reader;
        size_t length = write_long(bytes, 1000);
        begin(&reader, small);
        const struct dv_redis_reply *reply = NULL;
        size_t at = 0;
        for (; at < length && reply == NULL; at += piece) {
            assert_true(dv_redis_reader_feed(&reader, bytes + at, length - at < piece ? length - at : piece));
            assert_true(dv_redis_reader_next(&reader, &reply));
        }
        if (reply == NULL) {
            fail_msg("no reply in pieces of %zu", piece);
            return;
        }
        assert_true(reply->items[0].type == DV_REDIS_CUT || piece >= 1000);
        assert_int_equal(reply->items[0].length, 1000);
        assert_int_equal(reply->items[1].number, 5);
        dv_redis_reader_free(&reader);
    }
}

static void test_what_is_over_the_total_is_cut(void **state)
{
    struct dv_redis_reader reader;
    char bytes[4096];
    size_t used = (size_t)sprintf(bytes, "*3\r\n");
    (void)state;
    for (int i = 0; i < 3; i++) {
        used += (size_t)sprintf(bytes + used, "$300\r\n");
        memset(bytes + used, 'y', 300);
        used += 300;
        used += (size_t)sprintf(bytes + used, "\r\n");
    }
    begin(&reader, (struct dv_redis_limits){ 400, 700 });
    const struct dv_redis_reply *reply = feed(&reader, bytes, used, used);
    assert_int_equal(reply->items[1].type, DV_REDIS_TEXT);
    assert_int_equal(reply->items[2].type, DV_REDIS_CUT);
    assert_int_equal(reply->items[2].length, 300);
    dv_redis_reader_free(&reader);
}

static void test_what_a_server_may_not_send(void **state)
{
    static const char *const bad[] = { "HTTP/1.1 200 OK\r\n", "*1000000\r\n", "*-5\r\n", "$-5\r\n", "$99999999999999999999\r\n",
                                       ":x\r\n", "$3x\r\nabc\r\n",
                                       "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n" };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dv_redis_reader reader;
        const struct dv_redis_reply *reply = NULL;
        begin(&reader, small);
        bool sound = dv_redis_reader_feed(&reader, bad[i], strlen(bad[i])) && dv_redis_reader_next(&reader, &reply);
        if (sound)
            print_message("accepted: %s", bad[i]);
        assert_false(sound);
        dv_redis_reader_free(&reader);
    }
}

static void test_a_line_without_end(void **state)
{
    struct dv_redis_reader reader;
    const struct dv_redis_reply *reply = NULL;
    char bytes[4096];
    bool sound = true;
    (void)state;
    memset(bytes, 'x', sizeof bytes);
    bytes[0] = '+';
    begin(&reader, small);
    for (int i = 0; i < 32 && sound; i++) {
        sound = dv_redis_reader_feed(&reader, bytes, sizeof bytes) && dv_redis_reader_next(&reader, &reply);
        bytes[0] = 'x';
    }
    assert_false(sound);
    dv_redis_reader_free(&reader);
}

static void test_errors_and_what_to_do(void **state)
{
    static const struct {
        const char *text;
        enum dv_redis_trouble trouble;
    } errors[] = {
        { "NOAUTH Authentication required.", DV_REDIS_MISTAKE }, { "WRONGPASS invalid", DV_REDIS_MISTAKE },
        { "WRONGTYPE Operation", DV_REDIS_MISTAKE },             { "MOVED 3999 127.0.0.1:6381", DV_REDIS_ELSEWHERE },
        { "NOGROUP No such key", DV_REDIS_NO_GROUP },            { "BUSYGROUP Consumer", DV_REDIS_HAVE_GROUP },
        { "BUSY Redis is busy", DV_REDIS_PASSING },              { "LOADING Redis is", DV_REDIS_PASSING },
        { "READONLY You can't", DV_REDIS_PASSING },              { "OOM command not", DV_REDIS_PASSING },
        { "ERR something", DV_REDIS_PASSING },                   { "", DV_REDIS_PASSING },
    };
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct dv_redis_reply reply = { .type = DV_REDIS_ERROR, .text = errors[i].text, .length = strlen(errors[i].text) };
        const char *reason = NULL;
        assert_int_equal(dv_redis_judge(&reply, &reason), errors[i].trouble);
        assert_non_null(reason);
    }
    struct dv_redis_reply fine = { .type = DV_REDIS_TEXT, .text = "OOM", .length = 3 };
    assert_int_equal(dv_redis_judge(&fine, NULL), DV_REDIS_FINE);
}

/* ---- a connection ---- */

/* A server that answers what it is sent, one answer for each command. */
struct server {
    uv_tcp_t listener, peer;
    uv_write_t write;
    char read[4096];
    const char *const *answers;
    unsigned connections;
    uint64_t commands;
    bool accepted;
};

struct talk {
    struct dv_redis_client client;
    uint64_t changes, answered, failed;
};

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct server *server = handle->data;
    (void)size;
    *buffer = uv_buf_init(server->read, sizeof server->read);
}

static void on_bytes(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct server *server = stream->data;
    if (length < 0) {
        if (!uv_is_closing((uv_handle_t *)stream))
            uv_close((uv_handle_t *)stream, NULL);
        server->accepted = false;
        return;
    }
    for (ssize_t i = 0; i < length; i++) {
        if (buffer->base[i] != '*' || server->answers[server->commands] == NULL)
            continue;
        const char *answer = server->answers[server->commands++];
        uv_buf_t out = uv_buf_init((char *)(uintptr_t)answer, (unsigned)strlen(answer));
        (void)uv_try_write(stream, &out, 1);
    }
}

static void on_peer(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    assert_int_equal(status, 0);
    if (server->accepted)
        return;
    server->connections++;
    server->accepted = true;
    (void)uv_tcp_init(listener->loop, &server->peer);
    server->peer.data = server;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&server->peer), 0);
    (void)uv_read_start((uv_stream_t *)&server->peer, on_room, on_bytes);
}

static unsigned listen_on(struct world *world, struct server *server, const char *const *answers)
{
    struct sockaddr_in address;
    struct sockaddr_storage bound;
    int size = sizeof bound;
    *server = (struct server){ .answers = answers };
    (void)uv_ip4_addr("127.0.0.1", 0, &address);
    (void)uv_tcp_init(&world->uv, &server->listener);
    server->listener.data = server;
    assert_int_equal(uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 8, on_peer), 0);
    (void)uv_tcp_getsockname(&server->listener, (struct sockaddr *)&bound, &size);
    return ntohs(((struct sockaddr_in *)&bound)->sin_port);
}

static void on_changed(void *data)
{
    ((struct talk *)data)->changes++;
}

static void on_answer(struct dv_redis_request *request)
{
    struct talk *talk = request->data;
    if (request->rc == DV_OK)
        talk->answered++;
    else
        talk->failed++;
}

static void dial(struct world *world, struct talk *talk, unsigned port)
{
    struct dv_redis_options options = { .loop = &world->loop.base, .name = "node", .connect_ms = 500, .command_ms = 300,
                                        .limits = small, .changed = on_changed, .data = talk };
    struct dv_error error = { 0 };
    options.url.place_count = 1;
    (void)snprintf(options.url.places[0].host, sizeof options.url.places[0].host, "127.0.0.1");
    options.url.places[0].port = (uint16_t)port;
    *talk = (struct talk){ 0 };
    dv_log_setup(DV_LOG_ERROR, false);
    assert_int_equal(dv_redis_open(&talk->client, &options, &error), DV_OK);
}

static void hang_up(struct world *world, struct talk *talk, struct server *server)
{
    dv_redis_close(&talk->client.redis);
    if (server->accepted)
        uv_close((uv_handle_t *)&server->peer, NULL);
    uv_close((uv_handle_t *)&server->listener, NULL);
    world_run_dry(world);
}

static void test_requests_are_answered_in_order(void **state)
{
    static const char *const answers[] = { "+PONG\r\n", ":1\r\n", "*1\r\n:2\r\n", NULL };
    struct world *world = *state;
    struct server server;
    struct talk talk;
    dial(world, &talk, listen_on(world, &server, answers));
    const struct dv_redis_word word = { "X", 1 };
    struct dv_redis_request one = { .callback = on_answer, .data = &talk }, two = one;
    assert_int_equal(dv_redis_request(&talk.client.redis, &one, &word, 1), DV_E_DEPENDENCY);
    world_run_while_less(world, &talk.changes, 1);
    assert_int_equal(dv_redis_health(&talk.client.redis), DV_REDIS_UP);
    assert_null(dv_redis_waits(&talk.client.redis));
    assert_int_equal(dv_redis_request(&talk.client.redis, &one, &word, 1), DV_OK);
    assert_int_equal(dv_redis_request(&talk.client.redis, &two, &word, 1), DV_OK);
    world_run_while_less(world, &talk.answered, 2);
    assert_int_equal(talk.failed, 0);
    hang_up(world, &talk, &server);
}

static void test_silence_is_noticed_and_the_connection_made_anew(void **state)
{
    static const char *const answers[] = { "+PONG\r\n", "", "+PONG\r\n", ":1\r\n", NULL };
    struct world *world = *state;
    struct server server;
    struct talk talk;
    dial(world, &talk, listen_on(world, &server, answers));
    const struct dv_redis_word word = { "X", 1 };
    struct dv_redis_request one = { .callback = on_answer, .data = &talk };
    world_run_while_less(world, &talk.changes, 1);
    assert_int_equal(dv_redis_request(&talk.client.redis, &one, &word, 1), DV_OK);
    world_run_while_less(world, &talk.failed, 1);
    assert_int_equal(dv_redis_health(&talk.client.redis), DV_REDIS_DOWN);
    assert_string_equal(dv_redis_waits(&talk.client.redis), "the server does not answer in time");
    world_run_while_less(world, &talk.changes, 3);
    assert_int_equal(dv_redis_health(&talk.client.redis), DV_REDIS_UP);
    assert_int_equal(server.connections, 2);
    assert_int_equal(dv_redis_request(&talk.client.redis, &one, &word, 1), DV_OK);
    dv_redis_finish(&talk.client.redis, 0);
    world_run_while_less(world, &talk.answered, 1);
    hang_up(world, &talk, &server);
}

static void test_a_quiet_line_is_asked_whether_somebody_is_there(void **state)
{
    static const char *const answers[] = { "+PONG\r\n", "+PONG\r\n", "", "+PONG\r\n", NULL };
    struct world *world = *state;
    struct server server;
    struct talk talk;
    dial(world, &talk, listen_on(world, &server, answers));
    world_run_while_less(world, &server.commands, 2);
    assert_int_equal(dv_redis_health(&talk.client.redis), DV_REDIS_UP);
    world_run_while_less(world, &talk.changes, 3); /* nobody answers the second time */
    assert_int_equal(server.connections, 2);
    assert_int_equal(dv_redis_health(&talk.client.redis), DV_REDIS_UP);
    hang_up(world, &talk, &server);
}

static void test_connections_that_do_not_last_are_made_ever_more_slowly(void **state)
{
    static const char *const answers[] = { "+PONG\r\n", "+PONG\r\n", "+PONG\r\n", "+PONG\r\n", NULL };
    struct world *world = *state;
    struct server server;
    struct talk talk;
    dial(world, &talk, listen_on(world, &server, answers));
    world_run_while_less(world, &talk.changes, 1);
    for (uint64_t lost = 1; lost <= 3; lost++) {
        uint64_t begun = dv_now_ns(&world->loop.base);
        dv_redis_drop(&talk.client.redis, "a test");
        world_run_while_less(world, &talk.changes, 1 + 2 * lost);
        assert_int_equal(dv_redis_health(&talk.client.redis), DV_REDIS_UP);
        assert_true(dv_now_ns(&world->loop.base) - begun >= ((uint64_t)DV_REDIS_BACKOFF_MIN_MS << lost) * 1000000);
    }
    hang_up(world, &talk, &server);
}

static void test_answers_that_nobody_asked_for(void **state)
{
    static const char *const answers[] = { "+PONG\r\n:1\r\n", "+PONG\r\n", NULL };
    struct world *world = *state;
    struct server server;
    struct talk talk;
    dial(world, &talk, listen_on(world, &server, answers));
    world_run_while_less(world, &talk.changes, 3);
    assert_int_equal(server.connections, 2);
    assert_int_equal(dv_redis_health(&talk.client.redis), DV_REDIS_UP);
    dv_redis_drop(&talk.client.redis, "a test");
    assert_string_equal(dv_redis_waits(&talk.client.redis), "a test");
    hang_up(world, &talk, &server);
}

static void test_a_refusal_at_the_start_is_final(void **state)
{
    static const char *const answers[] = { "-NOAUTH Authentication required.\r\n", NULL };
    struct world *world = *state;
    struct server server;
    struct talk talk;
    dial(world, &talk, listen_on(world, &server, answers));
    world_run_while_less(world, &talk.changes, 1);
    assert_int_equal(dv_redis_health(&talk.client.redis), DV_REDIS_REFUSED);
    world_run_ms(world, 300);
    assert_int_equal(server.connections, 1);
    hang_up(world, &talk, &server);
}

static void test_closing_at_any_time(void **state)
{
    static const char *const answers[] = { "+PONG\r\n", NULL };
    struct world *world = *state;
    for (uint64_t ms = 0; ms < 4; ms++) {
        struct server server;
        struct talk talk;
        dial(world, &talk, listen_on(world, &server, answers));
        world_run_ms(world, ms);
        hang_up(world, &talk, &server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_replies_in_any_pieces),
        cmocka_unit_test(test_a_text_that_is_too_long_is_passed_over),
        cmocka_unit_test(test_what_is_over_the_total_is_cut),
        cmocka_unit_test(test_what_a_server_may_not_send),
        cmocka_unit_test(test_a_line_without_end),
        cmocka_unit_test(test_errors_and_what_to_do),
        cmocka_unit_test_setup_teardown(test_requests_are_answered_in_order, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_silence_is_noticed_and_the_connection_made_anew, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_quiet_line_is_asked_whether_somebody_is_there, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_connections_that_do_not_last_are_made_ever_more_slowly, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_answers_that_nobody_asked_for, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_refusal_at_the_start_is_final, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_closing_at_any_time, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
