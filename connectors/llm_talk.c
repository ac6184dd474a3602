/* SPDX-License-Identifier: Apache-2.0
 * llm_talk.c - one try: the request is written, the answer is read as it comes, and what that came to is judged. */
#include <stdio.h>
#include <string.h>

#include "connectors/llm_internal.h"
#include "engine/memory.h"
#include "engine/option.h"

enum { NS_PER_MS = 1000000, BODY_FIRST = 4096, ESCAPES = 6 /* bytes that one may become */ };

/* ---- verdicts ---- */

bool dv_llm_refuse(struct dv_llm_talk *talk, dv_rc rc, const char *reason, bool again)
{
    talk->verdict = (struct dv_llm_verdict){ .rc = rc, .reason = reason, .again = again };
    return false;
}

struct dv_llm_verdict dv_llm_judge_status(const struct dv_llm_talk *talk, unsigned status)
{
    struct dv_llm_verdict busy = { .rc = DV_E_DEPENDENCY,
                                   .reason = "the model's service is busy or down",
                                   .again = true,
                                   .outage = true,
                                   .wait_ms = (uint64_t)talk->http.retry_after_s * 1000 };
    switch (status) {
    case 401:
    case 403:
        return (struct dv_llm_verdict){ .rc = DV_E_CONFIG,
                                        .reason = "the model's service does not accept the key",
                                        .outage = true };
    case 404: return (struct dv_llm_verdict){ .rc = DV_E_CONFIG, .reason = "the service has no such model or path" };
    case 413: return (struct dv_llm_verdict){ .rc = DV_E_LIMIT, .reason = "the prompt is too long for the service" };
    case 501: return (struct dv_llm_verdict){ .rc = DV_E_CONFIG, .reason = "the service cannot do this" };
    case 429: busy.reason = "the model's service is asked too often"; return busy;
    case 500: /* of some texts a service makes it every time */
        return (struct dv_llm_verdict){ .rc = DV_E_DATA,
                                        .reason = "the model's service failed at this request",
                                        .again = true };
    case 408:
    case 502:
    case 503:
    case 504: return busy;
    default: break;
    }
    if (status >= 500)
        return busy;
    if (status >= 300 && status < 400)
        return (struct dv_llm_verdict){ .rc = DV_E_CONFIG, .reason = "the service redirects, which is not followed" };
    return (struct dv_llm_verdict){ .rc = DV_E_DATA, .reason = "the model's service refuses this request" };
}

bool dv_llm_read(struct dv_llm_talk *talk, const char *text, size_t length)
{
    dv_rc rc = dv_doc_read(&talk->doc, text, length);
    if (rc == DV_E_MEMORY)
        return dv_llm_refuse(talk, rc, "no memory for the answer", false);
    return rc == DV_OK || dv_llm_refuse(talk, DV_E_DATA, "the service's answer is no JSON", false);
}

uint32_t dv_llm_count(struct dv_llm_talk *talk, dv_doc_at usage, const char *name, uint32_t known)
{
    int64_t count = 0;
    return dv_doc_whole(&talk->doc, dv_doc_in(&talk->doc, usage, name), &count) && count >= 0 && count <= UINT32_MAX
               ? (uint32_t)count
               : known;
}

bool dv_llm_note_finish(struct dv_llm_talk *talk, dv_doc_at at, const struct dv_llm_ending *endings, size_t count)
{
    static const char *const reasons[] = {
        [DV_LLM_COMPLETE] = NULL,
        [DV_LLM_TRUNCATED] = "the answer is cut off at its longest",
        [DV_LLM_BLOCKED] = "the service would not answer",
        [DV_LLM_PERSONAL] = "the service saw personal data",
        [DV_LLM_FAILED] = "the answer ended in a way that is not known",
    };
    if (dv_doc_is_null(&talk->doc, at))
        return false;
    talk->finish = DV_LLM_FAILED;
    for (size_t i = 0; i < count; i++)
        if (dv_doc_says(&talk->doc, at, endings[i].word))
            talk->finish = endings[i].finish;
    talk->reason = reasons[talk->finish];
    return true;
}

/* ---- life ---- */

static void wipe_key(struct dv_llm_talk *talk)
{
    if (talk->key != NULL)
        explicit_bzero(talk->key, strlen(talk->key));
    dv_memory_free(talk->key);
    talk->key = NULL;
}

void dv_llm_talk_free(struct dv_llm_talk *talk)
{
    DV_ASSERT(talk->busy == 0);
    wipe_key(talk);
    dv_sse_free(&talk->events);
    dv_sse_text_free(&talk->whole);
    dv_sse_text_free(&talk->kept);
    dv_sse_text_free(&talk->body);
    dv_doc_free(&talk->doc);
    dv_memory_free(talk);
}

void dv_llm_talk_hold(struct dv_llm_talk *talk)
{
    talk->busy++;
}

bool dv_llm_talk_release(struct dv_llm_talk *talk)
{
    bool gone = talk->gone;
    if (--talk->busy == 0 && gone)
        dv_llm_talk_free(talk);
    return !gone;
}

/* ---- the answer ---- */

static void keep(struct dv_llm_talk *talk, const char *text, size_t length)
{
    size_t longest = dv_llm_shelf_longest(&talk->llm->shelf);
    if (!talk->unkept && length <= longest && talk->kept.used <= longest - length &&
        dv_sse_text_add(&talk->kept, text, length))
        return;
    talk->unkept = true;
    dv_sse_text_free(&talk->kept);
}

bool dv_llm_hand_out(struct dv_llm_talk *talk, const char *text, size_t length)
{
    if (length == 0)
        return true;
    talk->handed_out = true;
    talk->out_bytes += length;
    keep(talk, text, length);
    talk->request->on_text(talk->request, text, length);
    return !talk->gone;
}

static bool on_event(void *data, const struct dv_sse_event *event)
{
    struct dv_llm_talk *talk = data;
    return talk->llm->api->event(talk, event);
}

/* An error's body is looked at up to a point; it is never shown. */
static bool collect(struct dv_llm_talk *talk, const char *bytes, size_t length, size_t max)
{
    size_t room = max - talk->whole.used;
    return dv_sse_text_add(&talk->whole, bytes, length < room ? length : room) ||
           dv_llm_refuse(talk, DV_E_MEMORY, "no memory for the answer", false);
}

static bool on_piece(struct dv_http_request *http, const char *bytes, size_t length)
{
    struct dv_llm_talk *talk = http->data;
    if (http->status != 200)
        return collect(talk, bytes, length, DV_LLM_FAULT_MAX);
    if (talk->embedding != NULL)
        return collect(talk, bytes, length, DV_HTTP_ANSWER_MAX);
    dv_llm_talk_hold(talk);
    dv_rc rc = dv_sse_feed(&talk->events, bytes, length);
    if (rc != DV_OK && talk->verdict.rc == DV_OK)
        (void)dv_llm_refuse(talk, rc, talk->events.reason, false);
    return dv_llm_talk_release(talk) && rc == DV_OK;
}

/* ---- the end of a try ---- */

static struct dv_llm_verdict judge_failure(const struct dv_llm_talk *talk)
{
    bool may_heal = talk->http.rc == DV_E_DEPENDENCY;
    return (struct dv_llm_verdict){ .rc = talk->http.rc,
                                    .reason = talk->http.reason,
                                    .again = may_heal,
                                    .outage = may_heal || talk->http.rc == DV_E_CONFIG };
}

static struct dv_llm_verdict judge_vectors(struct dv_llm_talk *talk)
{
    if (dv_llm_read(talk, talk->whole.bytes, talk->whole.used) && talk->llm->api->vectors(talk))
        talk->finish = DV_LLM_COMPLETE;
    return talk->verdict;
}

/* Where the connection's end may be the answer's, an event that is cut off tells that it is not. */
static void end_stream(struct dv_llm_talk *talk)
{
    const struct dv_llm_api *api = talk->llm->api;
    if (api->at_end == NULL && dv_sse_end(&talk->events) != DV_OK && talk->verdict.rc == DV_OK)
        (void)dv_llm_refuse(talk, talk->events.rc, talk->events.reason, false);
    if (api->at_end != NULL && dv_sse_is_between(&talk->events))
        api->at_end(talk);
}

static struct dv_llm_verdict judge_stream(struct dv_llm_talk *talk)
{
    if (talk->verdict.rc == DV_OK)
        end_stream(talk);
    if (talk->gone || talk->verdict.rc != DV_OK)
        return talk->verdict;
    if (!talk->ended)
        (void)dv_llm_refuse(talk, DV_E_DEPENDENCY, "the answer broke off", true);
    else if (talk->finish == DV_LLM_FAILED)
        (void)dv_llm_refuse(talk, DV_E_DATA,
                            talk->reason != NULL ? talk->reason : "the answer does not say how it ended", false);
    return talk->verdict;
}

/* What the text said counts more than how the connection ended; that it broke off, more than what it did not say. */
static struct dv_llm_verdict judge(struct dv_llm_talk *talk)
{
    const struct dv_http_request *http = &talk->http;
    if (talk->verdict.rc != DV_OK)
        return talk->verdict;
    if (http->rc != DV_OK)
        return judge_failure(talk);
    if (http->status != 200) {
        if (talk->whole.used > 0 && dv_doc_read(&talk->doc, talk->whole.bytes, talk->whole.used) != DV_OK)
            dv_doc_forget(&talk->doc); /* the status says enough */
        return talk->llm->api->judge(talk, http->status);
    }
    return talk->embedding != NULL ? judge_vectors(talk) : judge_stream(talk);
}

/* A token that is not taken is made anew, or read: once. */
static bool renews(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    if (!llm->api->of_snowflake || talk->renewed || talk->http.rc != DV_OK || talk->http.status != 401)
        return false;
    dv_snowflake_token_drop(&llm->token);
    talk->renewed = true;
    return true;
}

/* A plain no costs nothing; an answer that is lost may. */
static bool may_have_run(const struct dv_http_request *http)
{
    bool at_work = http->status == 200 || http->status == 500 || http->status == 502 || http->status == 504;
    return http->rc != DV_OK ? http->sent : at_work;
}

void dv_llm_talk_cancel(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    if (talk->wish.waits) {
        dv_snowflake_signer_give_up(&llm->signer, &talk->wish);
        return;
    }
    talk->ran = talk->http.sent;
    dv_http_cancel(llm->http, &talk->http);
}

static void on_end(struct dv_http_request *http)
{
    struct dv_llm_talk *talk = http->data;
    talk->ran = may_have_run(http);
    wipe_key(talk);
    if (renews(talk)) {
        dv_llm_talk_start(talk);
        return;
    }
    talk->state = DV_LLM_OVER;
    talk->llm->asking--;
    dv_llm_talk_hold(talk);
    struct dv_llm_verdict verdict = judge(talk);
    if (dv_llm_talk_release(talk))
        dv_llm_tried(talk, verdict);
}

/* ---- the request ---- */

/* Escapes make a text longer: the room grows until it suffices. */
static bool write_body(struct dv_llm_talk *talk)
{
    uint64_t bytes = dv_llm_bytes(talk);
    if (talk->request != NULL && talk->request->json_schema != NULL)
        bytes += strlen(talk->request->json_schema);
    size_t most = 2 * (BODY_FIRST + ESCAPES * (size_t)bytes);
    for (size_t size = BODY_FIRST + (size_t)bytes; size <= most; size *= 2) {
        struct dv_json json;
        dv_sse_text_free(&talk->body);
        talk->body.bytes = dv_memory_alloc(size);
        if (talk->body.bytes == NULL)
            return false;
        talk->body.size = size;
        dv_json_init(&json, talk->body.bytes, size);
        bool written = talk->llm->api->write(talk, &json);
        talk->body.used = dv_json_length(&json);
        if (!written || !json.full)
            return written;
    }
    return false;
}

static dv_rc show_token(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    const char *reason = NULL;
    talk->key = dv_memory_zeroed(1, DV_SNOWFLAKE_BEARER_MAX);
    if (talk->key == NULL)
        return DV_E_MEMORY;
    return dv_snowflake_token_show(&llm->token, dv_wall_ms(llm->config.loop), talk->key, &reason);
}

static dv_rc read_key(struct dv_llm_talk *talk)
{
    const struct dv_llm_config *config = &talk->llm->config;
    const struct dv_llm_api *api = talk->llm->api;
    size_t length = 0;
    if (api->of_snowflake) /* whoever goes through its statements shows it there */
        return api->by_statements ? DV_OK : show_token(talk);
    if (config->key == NULL)
        return DV_OK;
    size_t prefix = strlen(api->key_prefix);
    talk->key = dv_memory_zeroed(1, prefix + DV_LLM_KEY_MAX);
    if (talk->key == NULL)
        return DV_E_MEMORY;
    memcpy(talk->key, api->key_prefix, prefix);
    return dv_secret_read(config->key, talk->key + prefix, DV_LLM_KEY_MAX, &length, NULL);
}

static void begin_answer(struct dv_llm_talk *talk)
{
    dv_doc_forget(&talk->doc);
    dv_sse_free(&talk->events);
    dv_sse_init(&talk->events, DV_SSE_EVENTS, on_event, talk);
    if (talk->llm->api->event_max != 0)
        talk->events.event_max = talk->llm->api->event_max;
    dv_sse_text_free(&talk->whole);
    dv_sse_text_free(&talk->kept);
    talk->verdict = (struct dv_llm_verdict){ 0 };
    talk->ended = talk->spoken = talk->counted = false;
    talk->guarded = 0;
    talk->finish = DV_LLM_FAILED;
    talk->reason = NULL;
}

/* How many. */
static uint32_t fill_headers(struct dv_llm_talk *talk)
{
    const struct dv_llm *llm = talk->llm;
    uint32_t count = 0;
    talk->headers[count++] = (struct dv_http_header){ "Content-Type", "application/json" };
    if (talk->key != NULL)
        talk->headers[count++] = (struct dv_http_header){ llm->api->key_header, talk->key };
    if (!llm->api->of_snowflake)
        return count;
    talk->headers[count++] = (struct dv_http_header){ "X-Snowflake-Authorization-Token-Type",
                                                      dv_snowflake_proof_word(llm->config.identity.proof) };
    talk->headers[count++] = (struct dv_http_header){
        "Accept", talk->request != NULL ? "application/json, text/event-stream" : "application/json"
    };
    DV_ASSERT(count <= DV_LLM_HEADERS_MAX);
    return count;
}

static void send_request(struct dv_llm_talk *talk)
{
    const struct dv_llm *llm = talk->llm;
    uint64_t now = dv_now_ns(llm->config.loop);
    uint64_t left_ms = talk->deadline_ns > now ? (talk->deadline_ns - now) / NS_PER_MS + 1 : 1;
    if (llm->api->by_statements) {
        dv_llm_sql_run(talk, (uint32_t)left_ms);
        return;
    }
    uint32_t headers = fill_headers(talk);
    llm->api->path(talk, talk->path, sizeof talk->path);
    talk->http = (struct dv_http_request){ .path = talk->path,
                                           .headers = talk->headers,
                                           .header_count = headers,
                                           .body = talk->body.bytes,
                                           .length = talk->body.used,
                                           .total_ms = (uint32_t)left_ms,
                                           .piece = on_piece,
                                           .end = on_end,
                                           .data = talk };
    dv_http_request(llm->http, &talk->http);
}

/* A try that cannot begin ends here: this is called from the loop, never from inside ask(). */
static void fail(struct dv_llm_talk *talk, dv_rc rc)
{
    struct dv_llm_verdict verdict = { .rc = DV_E_MEMORY, .reason = "no memory for a request" };
    if (rc != DV_E_MEMORY)
        verdict = (struct dv_llm_verdict){ .rc = DV_E_CONFIG,
                                           .reason = "the key of the model's service cannot be read",
                                           .outage = true };
    wipe_key(talk);
    talk->state = DV_LLM_OVER;
    talk->llm->asking--;
    dv_llm_tried(talk, verdict);
}

static void ask(struct dv_llm_talk *talk)
{
    dv_rc rc = read_key(talk);
    if (rc != DV_OK) {
        fail(talk, rc);
        return;
    }
    begin_answer(talk);
    send_request(talk);
}

static void on_made(struct dv_snowflake_wish *wish, dv_rc rc)
{
    struct dv_llm_talk *talk = wish->data;
    if (rc == DV_OK)
        ask(talk);
    else
        fail(talk, rc);
}

/* In a world without threads, that of a script, a token is made when it is shown. */
static bool must_wish(const struct dv_llm *llm)
{
    return llm->api->of_snowflake && !llm->api->by_statements && llm->config.http == NULL && dv_snowflake_signer_wanted(&llm->signer);
}

void dv_llm_talk_start(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    bool has_doc = talk->doc.bytes_max != 0 || dv_doc_init(&talk->doc, DV_HTTP_ANSWER_MAX) == DV_OK;
    if (!has_doc)
        talk->doc = (struct dv_doc){ 0 };
    if (!has_doc || !write_body(talk)) {
        fail(talk, DV_E_MEMORY);
        return;
    }
    if (!must_wish(llm)) {
        ask(talk);
        return;
    }
    talk->wish = (struct dv_snowflake_wish){ .on_made = on_made, .data = talk };
    dv_snowflake_signer_wish(&llm->signer, &talk->wish);
}
