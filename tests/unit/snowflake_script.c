/* SPDX-License-Identifier: Apache-2.0
 * snowflake_script.c - the scripted Snowflake: answers come one ms after the question. */
#include "tests/unit/snowflake_script.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/memory.h"

enum { STEPS_MAX = 200000, NS_PER_MS = 1000000 };

static struct snow_script *script_of(struct dv_http *http)
{
    return (struct snow_script *)http;
}

static void note(struct snow_script *script, const struct dv_http_request *request)
{
    assert_true(script->asked_count < SNOW_ASKED_MAX);
    struct snow_asked *asked = &script->asked[script->asked_count++];
    size_t part = request->length < sizeof asked->body - 1 ? request->length : sizeof asked->body - 1;
    const char *method = request->method != NULL ? request->method : request->body != NULL ? "POST" : "GET";
    (void)snprintf(asked->method, sizeof asked->method, "%s", method);
    (void)snprintf(asked->path, sizeof asked->path, "%s", request->path);
    if (part > 0 && request->body != NULL)
        memcpy(asked->body, request->body, part);
    asked->body[part] = '\0';
    asked->length = request->length;
    asked->headers[0] = '\0';
    for (uint32_t i = 0; i < request->header_count; i++) {
        size_t used = strlen(asked->headers);
        (void)snprintf(asked->headers + used, sizeof asked->headers - used, "%s: %s\n", request->headers[i].name,
                       request->headers[i].value);
    }
    asked->at_ms = dv_now_ns(&script->loop.base) / NS_PER_MS;
}

static void on_request(struct dv_http *http, struct dv_http_request *request)
{
    struct snow_script *script = script_of(http);
    assert_true(script->open_count < DV_HTTP_REQUESTS_MAX);
    request->rc = DV_OK;
    request->reason = NULL;
    request->status = request->retry_after_s = 0;
    request->date_s = 0;
    if (request->kept != NULL)
        request->kept[0] = '\0';
    note(script, request);
    script->open[script->open_count++] = request;
    dv_timer_stop(&script->timer);
    dv_timer_start(&script->timer, 1);
}

static void take_out(struct snow_script *script, const struct dv_http_request *request)
{
    uint32_t at = 0;
    while (script->open[at] != request)
        assert_true(++at < script->open_count);
    memmove(&script->open[at], &script->open[at + 1], (--script->open_count - at) * sizeof script->open[0]);
}

static void on_cancel(struct dv_http *http, struct dv_http_request *request)
{
    script_of(http)->cancelled++;
    take_out(script_of(http), request);
}

static void on_close(struct dv_http *http)
{
    script_of(http)->open_count = 0;
    dv_timer_stop(&script_of(http)->timer);
}

static const struct dv_http_ops ops = { on_request, on_cancel, on_close };

static struct snow_reply *find_reply(struct snow_script *script, const char *path)
{
    for (uint32_t i = 0; i < script->reply_count; i++) {
        struct snow_reply *reply = &script->replies[i];
        bool left = reply->times < 0 || reply->used < (reply->times > 0 ? reply->times : 1);
        if (left && (reply->to == NULL || strstr(path, reply->to) != NULL))
            return reply;
    }
    fail_msg("nothing was written about %s", path);
    return NULL;
}

/* In two pieces, so that nobody relies on one. */
static void send_body(struct dv_http_request *request, const struct snow_reply *reply)
{
    size_t length = reply->length != 0 ? reply->length : reply->body != NULL ? strlen(reply->body) : 0;
    size_t half = length / 2;
    bool wanted = length == 0 || request->piece(request, reply->body, half);
    if (wanted && length > 0)
        wanted = request->piece(request, reply->body + half, length - half);
    if (wanted)
        return;
    request->rc = DV_E_DATA;
    request->reason = "no more of the answer is wanted";
}

static bool answer_one(struct snow_script *script, struct dv_http_request *request)
{
    struct snow_reply *reply = find_reply(script, request->path);
    if (reply->never)
        return false;
    reply->used++;
    request->status = reply->status;
    request->retry_after_s = reply->retry_after_s;
    request->date_s = reply->date_s;
    if (reply->session != NULL)
        (void)snprintf(request->kept, request->kept_size, "%s", reply->session);
    request->rc = reply->rc;
    request->reason = reply->reason;
    send_body(request, reply);
    take_out(script, request);
    request->end(request);
    return true;
}

static void on_timer(struct dv_timer *timer)
{
    struct snow_script *script = timer->data;
    for (uint32_t i = 0; i < script->open_count; i++)
        if (answer_one(script, script->open[i])) {
            if (script->open_count > 0)
                dv_timer_start(timer, 1);
            return;
        }
}

/* ---- the key ---- */

struct evp_pkey_st *snow_key(void)
{
    static EVP_PKEY *key;
    if (key == NULL)
        key = EVP_RSA_gen(2048);
    assert_non_null(key);
    return key;
}

static void publish_key(void)
{
    char *pem = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, snow_key(), NULL, NULL, 0, NULL, NULL), 1);
    long length = BIO_get_mem_data(bio, &pem);
    char *text = strndup(pem, (size_t)length);
    assert_int_equal(setenv("SNOW_TEST_KEY", text, 1), 0);
    free(text);
    BIO_free(bio);
}

struct dv_snowflake_config snow_config(void)
{
    publish_key();
    return (struct dv_snowflake_config){
        .identity = { .account = "org-acc", .user = "loader", .secret = "env:SNOW_TEST_KEY" },
        .role = "WRITER",
        .warehouse = "WH",
        .database = "DB",
        .schema = "S",
    };
}

/* ---- life ---- */

int snow_setup(void **state)
{
    *state = calloc(1, sizeof(struct snow_script));
    return *state == NULL;
}

int snow_teardown(void **state)
{
    dv_memory_fail_at(0);
    snow_close(*state);
    free(*state);
    return 0;
}

void snow_open(struct snow_script *script, const struct dv_snowflake_config *config)
{
    struct dv_snowflake_config whole = *config;
    struct dv_error error = { 0 };
    script->base.ops = &ops;
    dv_loop_sim_init(&script->loop);
    dv_timer_init(&script->loop.base, &script->timer, on_timer, script);
    whole.loop = &script->loop.base;
    whole.http = &script->base;
    if (dv_snowflake_open(&script->snowflake, &whole, &error) != DV_OK)
        fail_msg("%s", error.text);
}

void snow_close(struct snow_script *script)
{
    if (!script->snowflake.opened)
        return;
    dv_snowflake_close(&script->snowflake);
    assert_false(dv_loop_sim_step(&script->loop));
}

struct snow_reply *snow_reply(struct snow_script *script, const char *to, unsigned status, const char *body)
{
    assert_true(script->reply_count < SNOW_REPLIES_MAX);
    struct snow_reply *reply = &script->replies[script->reply_count++];
    *reply = (struct snow_reply){ .to = to, .status = status, .body = body };
    return reply;
}

void snow_run(struct snow_script *script)
{
    unsigned steps = 0;
    while (dv_loop_sim_step(&script->loop))
        assert_true(++steps < STEPS_MAX);
}

void snow_run_ms(struct snow_script *script, uint64_t ms)
{
    uint64_t end_ns = script->loop.now_ns + ms * NS_PER_MS;
    while (script->loop.timers != NULL && script->loop.timers->due_ns <= end_ns)
        (void)dv_loop_sim_step(&script->loop);
    script->loop.now_ns = end_ns;
}

const struct snow_asked *snow_asked(const struct snow_script *script, const char *to, unsigned nth)
{
    for (uint32_t i = 0; i < script->asked_count; i++)
        if (strstr(script->asked[i].path, to) != NULL && nth-- == 0)
            return &script->asked[i];
    return NULL;
}

unsigned snow_count(const struct snow_script *script, const char *to)
{
    unsigned count = 0;
    while (snow_asked(script, to, count) != NULL)
        count++;
    return count;
}

/* ---- statements ---- */

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct snow_outcome *outcome = statement->data;
    assert_int_equal(outcome->ends, 0);
    for (uint32_t i = 0; i < count; i++) {
        size_t used = strlen(outcome->text);
        (void)snprintf(outcome->text + used, sizeof outcome->text - used, "%.*s%s",
                       cells[i].at != NULL ? (int)cells[i].length : 1, cells[i].at != NULL ? cells[i].at : "~",
                       i + 1 < count ? "," : ";");
    }
    if (outcome->cancel_at != 0 && statement->rows == outcome->cancel_at)
        dv_snowflake_cancel(&outcome->script->snowflake, statement);
}

static void on_end(struct dv_snowflake_statement *statement)
{
    struct snow_outcome *outcome = statement->data;
    outcome->ends++;
    assert_int_equal(statement->rc == DV_OK, statement->reason == NULL);
    assert_null(statement->talk);
}

dv_rc snow_try(struct snow_script *script, struct snow_outcome *outcome)
{
    struct dv_snowflake_statement *statement = &outcome->statement;
    outcome->script = script;
    if (statement->sql == NULL)
        statement->sql = "select \"A\", ?";
    for (unsigned i = 0; i < DV_SNOWFLAKE_REQUEST_ID; i++)
        statement->request_id[i] = (uint8_t)(i + 1);
    if (statement->statements <= 1)
        statement->on_row = on_row;
    statement->on_end = on_end;
    statement->data = outcome;
    return dv_snowflake_run(&script->snowflake, statement);
}

void snow_begin(struct snow_script *script, struct snow_outcome *outcome)
{
    assert_int_equal(snow_try(script, outcome), DV_OK);
    assert_int_equal(outcome->ends, 0);
}

void snow_ask(struct snow_script *script, struct snow_outcome *outcome)
{
    snow_begin(script, outcome);
    snow_run(script);
    assert_int_equal(outcome->ends, 1);
}

void snow_open_default(struct snow_script *script)
{
    const struct dv_snowflake_config config = snow_config();
    snow_open(script, &config);
}

void snow_open_again(struct snow_script *script)
{
    snow_close(script);
    memset(script, 0, sizeof *script);
    snow_open_default(script);
}
