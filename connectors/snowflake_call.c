/* SPDX-License-Identifier: Apache-2.0
 * snowflake_call.c - one exchange with Snowflake: who asks is shown, the answer is gathered, read and judged. */
#include <string.h>

#include "connectors/snowflake_internal.h"
#include "engine/memory.h"

#define SESSION "x-snowflake-session"

static int64_t wall_ms(const struct dv_snowflake_call *call)
{
    return dv_wall_ms(call->snowflake->config.loop);
}

static uint64_t now_ns(const struct dv_snowflake_call *call)
{
    return dv_now_ns(call->snowflake->config.loop);
}

/* ---- the breaker ---- */

uint64_t dv_snowflake_admits(struct dv_snowflake_call *call)
{
    struct dv_breaker *breaker = &call->snowflake->breaker;
    bool was_open = breaker->state == DV_BREAKER_OPEN;
    if (!dv_breaker_admits(breaker, now_ns(call)))
        return dv_breaker_wait_ms(breaker, now_ns(call));
    call->probe = was_open;
    return 0;
}

static void note_breaker(struct dv_snowflake_call *call)
{
    enum dv_snowflake_action action = call->verdict.action;
    call->probe = false;
    if (action == DV_SNOWFLAKE_AGAIN || action == DV_SNOWFLAKE_UNKNOWN)
        (void)dv_breaker_failed(&call->snowflake->breaker, now_ns(call), call->verdict.reason);
    else
        (void)dv_breaker_succeeded(&call->snowflake->breaker);
}

/* ---- the end ---- */

static void wipe_bearer(struct dv_snowflake_call *call)
{
    if (call->bearer != NULL)
        explicit_bzero(call->bearer, DV_SNOWFLAKE_BEARER_MAX);
    dv_memory_free(call->bearer);
    call->bearer = NULL;
}

static void finish(struct dv_snowflake_call *call)
{
    call->asking = false;
    wipe_bearer(call);
    note_breaker(call);
    call->end(call);
}

/* What the network did. Where it broke, nobody knows what was taken; only some of it never heals. */
static struct dv_snowflake_verdict judge_transport(const struct dv_http_request *request)
{
    struct dv_snowflake_verdict verdict = { DV_SNOWFLAKE_UNKNOWN, request->rc, request->reason };
    bool unreadable = request->rc == DV_E_LIMIT && request->status != 0;
    if (request->rc == DV_E_CONFIG || unreadable)
        verdict.action = DV_SNOWFLAKE_STOP;
    else if (request->rc != DV_E_MEMORY)
        verdict.rc = DV_E_DEPENDENCY;
    return verdict;
}

static void read_sqlstate(struct dv_snowflake_call *call)
{
    static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char *state = call->sqlstate;
    dv_doc_at at = dv_snowflake_answer_in(&call->answer, "sqlState");
    if (!dv_snowflake_answer_text(&call->answer, at, state, sizeof call->sqlstate) ||
        strspn(state, allowed) != DV_SNOWFLAKE_SQLSTATE)
        state[0] = '\0';
}

static struct dv_snowflake_verdict judge(struct dv_snowflake_call *call)
{
    const struct dv_http_request *request = &call->request;
    if (request->rc != DV_OK && !call->unread)
        return judge_transport(request);
    dv_rc rc = call->unread ? DV_E_MEMORY : call->too_long ? DV_E_LIMIT : dv_snowflake_answer_end(&call->answer);
    if (rc == DV_E_LIMIT && request->status >= 300) /* a page of a gateway: its status says enough */
        return dv_snowflake_judge(call->side, request->status, "", "");
    if (rc == DV_E_LIMIT)
        return (struct dv_snowflake_verdict){ DV_SNOWFLAKE_STOP, rc, "the answer is too long" };
    if (rc != DV_OK)
        return (struct dv_snowflake_verdict){ DV_SNOWFLAKE_UNKNOWN, rc == DV_E_MEMORY ? rc : DV_E_DEPENDENCY,
                                              rc == DV_E_MEMORY ? "no memory for the answer"
                                                                : "the answer cannot be unpacked" };
    dv_snowflake_answer_code(&call->answer, call->code);
    read_sqlstate(call);
    if (strcmp(call->code, "390144") == 0)
        (void)dv_snowflake_answer_login(&call->answer, call->snowflake->refused);
    return dv_snowflake_judge(call->side, request->status, call->code, call->sqlstate);
}

static bool is_skewed(const struct dv_snowflake_call *call)
{
    return dv_snowflake_clock_is_off(&call->snowflake->token.identity, call->request.date_s, wall_ms(call));
}

bool dv_snowflake_is_skewed(const struct dv_snowflake *snowflake)
{
    return snowflake->skewed;
}

static void begin(struct dv_snowflake_call *call);

static void on_end(struct dv_http_request *request)
{
    struct dv_snowflake_call *call = request->data;
    call->verdict = judge(call);
    if (request->date_s != 0)
        call->snowflake->skewed = is_skewed(call);
    if (call->verdict.action != DV_SNOWFLAKE_RENEW || call->scoped != NULL) {
        finish(call);
        return;
    }
    dv_snowflake_token_drop(&call->snowflake->token);
    if (!call->renewed) {
        call->renewed = true;
        begin(call);
        return;
    }
    call->verdict.action = DV_SNOWFLAKE_STOP;
    if (is_skewed(call))
        call->verdict.reason = DV_SNOWFLAKE_CLOCK;
    finish(call);
}

static bool on_piece(struct dv_http_request *request, const char *bytes, size_t length)
{
    struct dv_snowflake_call *call = request->data;
    call->too_long = call->too_long ||
                     (call->side == DV_SNOWFLAKE_CHANNEL && call->answer.text.used + length > DV_SNOWFLAKE_SHORT_MAX);
    if (call->too_long)
        return true; /* to its end, so that the connection can be used again */
    call->unread = !dv_snowflake_answer_add(&call->answer, bytes, length);
    return !call->unread;
}

/* ---- the beginning ---- */

static void add_header(struct dv_snowflake_call *call, const char *name, const char *value)
{
    if (value != NULL)
        call->headers[call->request.header_count++] = (struct dv_http_header){ name, value };
}

static void fill_request(struct dv_snowflake_call *call)
{
    enum dv_snowflake_proof proof = call->scoped != NULL ? DV_SNOWFLAKE_OAUTH : call->snowflake->token.identity.proof;
    call->request = (struct dv_http_request){ .path = call->path,
                                              .headers = call->headers,
                                              .method = call->method,
                                              .body = call->body,
                                              .length = call->length,
                                              .total_ms = call->total_ms,
                                              .kept_name = SESSION ":",
                                              .kept = call->session,
                                              .kept_size = sizeof call->session,
                                              .piece = on_piece,
                                              .end = on_end,
                                              .data = call };
    add_header(call, "Authorization", call->bearer);
    add_header(call, "X-Snowflake-Authorization-Token-Type", call->untyped ? NULL : dv_snowflake_proof_word(proof));
    add_header(call, "Accept", "application/json");
    add_header(call, "Accept-Encoding", "gzip");
    add_header(call, "Content-Type", call->body != NULL ? call->type : NULL);
    add_header(call, "Content-Encoding", call->body != NULL ? call->packing : NULL);
    add_header(call, "x-snowflake-uncompressed-content-length", call->raw_length[0] != '\0' ? call->raw_length : NULL);
    add_header(call, SESSION, call->affinity);
}

static void fail(struct dv_snowflake_call *call, dv_rc rc, const char *reason)
{
    bool may_heal = rc == DV_E_MEMORY;
    call->verdict =
        (struct dv_snowflake_verdict){ may_heal ? DV_SNOWFLAKE_AGAIN : DV_SNOWFLAKE_STOP, may_heal ? rc : DV_E_CONFIG,
                                       may_heal ? "no memory for a request" : reason };
    finish(call);
}

/* A copy: the token may be another one before this one is sent. */
static dv_rc show(struct dv_snowflake_call *call, const char **ret_reason)
{
    if (call->scoped == NULL)
        return dv_snowflake_token_show(&call->snowflake->token, wall_ms(call), call->bearer, ret_reason);
    DV_ASSERT(strlen(call->scoped) < DV_SNOWFLAKE_BEARER_MAX);
    memcpy(call->bearer, call->scoped, strlen(call->scoped) + 1);
    return DV_OK;
}

static void ask(struct dv_snowflake_call *call)
{
    const char *reason = NULL;
    dv_rc rc = DV_E_MEMORY;
    if (dv_snowflake_answer_begin(&call->answer))
        call->bearer = dv_memory_zeroed(1, DV_SNOWFLAKE_BEARER_MAX);
    if (call->bearer != NULL)
        rc = show(call, &reason);
    if (rc != DV_OK) {
        fail(call, rc, reason);
        return;
    }
    fill_request(call);
    call->asking = true;
    dv_http_request(call->http, &call->request);
}

static void on_made(struct dv_snowflake_wish *wish, dv_rc rc)
{
    struct dv_snowflake_call *call = wish->data;
    if (rc == DV_OK)
        ask(call);
    else
        fail(call, rc, dv_snowflake_token_fault(&call->snowflake->token));
}

/* In a world without threads, that of a script, a token is made when it is shown. */
static bool must_wish(const struct dv_snowflake_call *call)
{
    const struct dv_snowflake *snowflake = call->snowflake;
    return call->scoped == NULL && snowflake->config.http == NULL && dv_snowflake_signer_wanted(&snowflake->signer);
}

/* A worker may have to make a token first. */
static void begin(struct dv_snowflake_call *call)
{
    wipe_bearer(call);
    call->code[0] = call->sqlstate[0] = '\0';
    call->unread = call->too_long = false;
    call->answer.most = call->side == DV_SNOWFLAKE_CHANNEL ? DV_SNOWFLAKE_SHORT_MAX : 0;
    if (!must_wish(call)) {
        ask(call);
        return;
    }
    call->asking = true;
    call->wish = (struct dv_snowflake_wish){ .on_made = on_made, .data = call };
    dv_snowflake_signer_wish(&call->snowflake->signer, &call->wish);
}

void dv_snowflake_call_start(struct dv_snowflake_call *call)
{
    DV_ASSERT(!call->asking && call->http != NULL && call->end != NULL);
    call->renewed = false;
    begin(call);
}

/* A probe that is given up says nothing of the account: the next one will. */
void dv_snowflake_call_cancel(struct dv_snowflake_call *call)
{
    if (!call->asking)
        return;
    if (call->probe)
        (void)dv_breaker_failed(&call->snowflake->breaker, now_ns(call), "Snowflake was not waited for");
    call->asking = call->probe = false;
    if (call->wish.waits)
        dv_snowflake_signer_give_up(&call->snowflake->signer, &call->wish);
    else
        dv_http_cancel(call->http, &call->request);
    wipe_bearer(call);
}

void dv_snowflake_call_free(struct dv_snowflake_call *call)
{
    DV_ASSERT(!call->asking);
    wipe_bearer(call);
    dv_snowflake_answer_free(&call->answer);
}

bool dv_snowflake_escape(const char *text, char *out, size_t size)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";
    size_t at = 0;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (at + 4 > size)
            return false;
        if (strchr(plain, c) != NULL) {
            out[at++] = (char)c;
            continue;
        }
        out[at++] = '%';
        out[at++] = digits[c >> 4];
        out[at++] = digits[c & 15];
    }
    if (at >= size)
        return false;
    out[at] = '\0';
    return true;
}
