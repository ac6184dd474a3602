/* SPDX-License-Identifier: Apache-2.0
 * llm_script.c - the scripted service: answers come one ms after the question. */
#include "tests/unit/llm_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS_MAX = 100000 };

static struct script *script_of(struct dv_http *http)
{
    return (struct script *)http;
}

static void on_request(struct dv_http *http, struct dv_http_request *request)
{
    struct script *script = script_of(http);
    assert_true(request->length < SCRIPT_BODY_MAX);
    assert_true(script->open_count < DV_HTTP_REQUESTS_MAX);
    (void)snprintf(script->path, sizeof script->path, "%s", request->path);
    script->key[0] = script->headers[0] = '\0';
    if (request->header_count > 1)
        (void)snprintf(script->key, sizeof script->key, "%s: %s", request->headers[1].name, request->headers[1].value);
    for (uint32_t i = 0; i < request->header_count; i++) {
        size_t used = strlen(script->headers);
        (void)snprintf(script->headers + used, sizeof script->headers - used, "%s: %s\n", request->headers[i].name,
                       request->headers[i].value);
    }
    if (request->length > 0)
        memcpy(script->body, request->body, request->length);
    script->body[request->length] = '\0';
    script->asked_ms[script->asked++ % SCRIPT_REPLIES_MAX] = dv_now_ns(&script->loop.base) / 1000000;
    request->sent = script->reply_count > 0 && !script->replies[script->next].unsent;
    script->open[script->open_count++] = request;
    script->open_most = script->open_count > script->open_most ? script->open_count : script->open_most;
    dv_timer_stop(&script->timer);
    dv_timer_start(&script->timer, 1);
}

static void take_out(struct script *script, struct dv_http_request *request)
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

static bool is_open(const struct script *script, const struct dv_http_request *request)
{
    for (uint32_t i = 0; i < script->open_count; i++)
        if (script->open[i] == request)
            return true;
    return false;
}

/* False: cancelled. */
static bool send_body(struct script *script, struct dv_http_request *request, const struct reply *reply)
{
    size_t length = reply->body != NULL ? strlen(reply->body) : 0;
    size_t piece = reply->piece != 0 ? reply->piece : length;
    for (size_t at = 0; at < length; at += piece) {
        bool wanted = request->piece(request, reply->body + at, length - at < piece ? length - at : piece);
        if (!is_open(script, request))
            return false;
        if (wanted)
            continue;
        request->rc = DV_E_DATA;
        request->reason = "no more of the answer is wanted";
        return true;
    }
    return true;
}

static void answer_one(struct script *script, struct dv_http_request *request)
{
    const struct reply *reply = &script->replies[script->next];
    assert_true(script->reply_count > 0);
    script->next += script->next + 1 < script->reply_count;
    if (reply->never)
        return;
    request->status = reply->status;
    request->retry_after_s = reply->retry_after_s;
    request->rc = reply->rc;
    request->reason = reply->reason;
    if (!send_body(script, request, reply))
        return;
    take_out(script, request);
    request->end(request);
}

static void on_timer(struct dv_timer *timer)
{
    struct script *script = timer->data;
    if (script->open_count > 0)
        answer_one(script, script->open[0]);
    if (script->open_count > 0 && !script->replies[script->next].never)
        dv_timer_start(timer, 1);
}

void script_open(struct script *script, const struct dv_llm_config *config)
{
    struct dv_llm_config whole = *config;
    struct dv_error error = { 0 };
    script->base.ops = &ops;
    dv_loop_sim_init(&script->loop);
    dv_timer_init(&script->loop.base, &script->timer, on_timer, script);
    whole.loop = &script->loop.base;
    whole.http = &script->base;
    whole.model = whole.model != NULL ? whole.model : "model-1";
    assert_int_equal(dv_llm_open(&script->llm, &whole, &error), DV_OK);
}

void script_close(struct script *script)
{
    dv_llm_close(&script->llm);
    assert_false(dv_loop_sim_step(&script->loop));
}

void script_reply(struct script *script, unsigned status, const char *body)
{
    assert_true(script->reply_count < SCRIPT_REPLIES_MAX);
    script->replies[script->reply_count++] = (struct reply){ .status = status, .body = body };
}

static void on_text(struct dv_llm_request *request, const char *bytes, size_t length)
{
    struct answer *answer = request->data;
    assert_int_equal(answer->ends, 0);
    assert_true(length > 0 && answer->length + length < sizeof answer->text);
    memcpy(answer->text + answer->length, bytes, length);
    answer->length += length;
    answer->text[answer->length] = '\0';
    if (++answer->pieces == answer->cancel_at)
        dv_llm_cancel(&answer->script->llm, request);
}

static void on_end(struct dv_llm_request *request)
{
    struct answer *answer = request->data;
    answer->ends++;
    assert_true((request->finish == DV_LLM_COMPLETE) == (request->reason == NULL));
    assert_true((request->finish == DV_LLM_FAILED) == (request->rc != DV_OK));
}

void script_begin(struct script *script, struct answer *answer, const char *prompt)
{
    answer->script = script;
    answer->length = 0;
    answer->text[0] = '\0';
    answer->pieces = answer->ends = 0;
    answer->request.prompt = (struct dv_llm_text){ prompt, strlen(prompt) };
    if (answer->request.tenant == NULL)
        answer->request.tenant = "clinic";
    answer->request.on_text = on_text;
    answer->request.on_end = on_end;
    answer->request.data = answer;
    assert_int_equal(dv_llm_ask(&script->llm, &answer->request), DV_OK);
    assert_int_equal(answer->ends, 0);
    assert_int_equal(answer->pieces, 0);
}

void script_run(struct script *script)
{
    unsigned steps = 0;
    while (dv_loop_sim_step(&script->loop))
        assert_true(++steps < STEPS_MAX);
}

void script_ask(struct script *script, struct answer *answer, const char *prompt)
{
    script_begin(script, answer, prompt);
    script_run(script);
    assert_int_equal(answer->ends, answer->cancel_at == 0);
}

/* ---- scenes ---- */

int script_setup(void **state)
{
    *state = calloc(1, sizeof(struct script));
    return *state == NULL;
}

int script_teardown(void **state)
{
    script_close(*state);
    free(*state);
    return 0;
}

struct dv_llm_config script_cortex(enum dv_llm_kind kind)
{
    (void)setenv("LLM_TEST_PAT", "pat-1", 1);
    return (struct dv_llm_config){
        .kind = kind,
        .identity = { .proof = DV_SNOWFLAKE_PAT, .account = "MyOrg-dv_test", .secret = "env:LLM_TEST_PAT" },
        .keeps_none = true,
    };
}
