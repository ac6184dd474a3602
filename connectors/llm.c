/* SPDX-License-Identifier: Apache-2.0
 * llm.c - requests in their turn: kept answers, the circuit, the tenant's tokens, tries, ends. */
#include "connectors/llm.h"

#include <string.h>

#include "connectors/llm_internal.h"
#include "engine/log.h"
#include "engine/memory.h"

enum {
    NS_PER_MS = 1000000,
    AT_A_TIME = 4,
    PAUSE_MS = 1000,
    PAUSE_MAX_MS = 60000,
    FAILURES_MAX = 5,
    KEPT_BYTES = 8 * 1024 * 1024,
    ANSWER_TOKENS = 512
};

static void arm(struct dv_llm *llm);

/* ---- ends ---- */

static void unlink_talk(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    struct dv_llm_talk **link = &llm->first;
    while (*link != talk) {
        DV_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = talk->next;
    talk->next = NULL;
    llm->count--;
    llm->asking -= talk->state == DV_LLM_ASKING;
}

/* What the service did not count is guessed, if it may have worked at all. */
static void settle_tokens(const struct dv_llm_talk *talk)
{
    uint64_t used = (uint64_t)talk->tokens_in + talk->tokens_out;
    if (used == 0 && (talk->handed_out || talk->texts_done > 0))
        used = dv_llm_tokens(dv_llm_bytes(talk) + talk->out_bytes);
    if (talk->lost > 0)
        used += talk->lost * dv_llm_tokens(dv_llm_bytes(talk));
    if (talk->taken > 0)
        dv_llm_budget_settle(&talk->llm->budget, dv_llm_tenant(talk), talk->taken_ms, talk->taken, used);
}

static void count_end(struct dv_llm *llm, const struct dv_llm_talk *talk, enum dv_llm_finish finish)
{
    llm->figures.failed += finish == DV_LLM_FAILED;
    llm->figures.blocked += finish == DV_LLM_BLOCKED || finish == DV_LLM_PERSONAL;
    llm->figures.personal += finish == DV_LLM_PERSONAL;
    llm->figures.tokens_in += talk->tokens_in;
    llm->figures.tokens_out += talk->tokens_out;
    if (finish == DV_LLM_PERSONAL)
        dv_log(DV_LOG_ERROR, "llm.personal-data");
}

static void end_embedding(struct dv_llm_talk *talk, dv_rc rc, const char *reason)
{
    struct dv_llm_embedding *embedding = talk->embedding;
    embedding->talk = NULL;
    embedding->rc = rc;
    embedding->reason = reason;
    embedding->tokens_in = talk->tokens_in;
    dv_llm_talk_free(talk);
    embedding->on_end(embedding);
}

/* The owner may do anything inside, close the connector among it. */
static void end_talk(struct dv_llm_talk *talk, dv_rc rc, enum dv_llm_finish finish, const char *reason)
{
    struct dv_llm *llm = talk->llm;
    struct dv_llm_request *request = talk->request;
    unlink_talk(talk);
    settle_tokens(talk);
    count_end(llm, talk, finish);
    arm(llm);
    if (request == NULL) {
        end_embedding(talk, rc, reason);
        return;
    }
    request->talk = NULL;
    request->rc = rc;
    request->finish = finish;
    request->reason = reason;
    request->tokens_in = talk->tokens_in;
    request->tokens_out = talk->tokens_out;
    dv_llm_talk_free(talk);
    request->on_end(request);
}

static void fail_talk(struct dv_llm_talk *talk, dv_rc rc, const char *reason)
{
    end_talk(talk, rc, DV_LLM_FAILED, reason);
}

static void keep_answer(struct dv_llm_talk *talk)
{
    struct dv_llm_kept head = { .tokens_in = talk->tokens_in,
                                .tokens_out = talk->tokens_out,
                                .length = talk->kept.used };
    memcpy(head.hash, talk->hash, sizeof head.hash);
    if (talk->request != NULL && talk->finish == DV_LLM_COMPLETE && !talk->unkept)
        dv_llm_shelf_put(&talk->llm->shelf, &head, talk->kept.bytes);
}

/* ---- tries ---- */

static void note_breaker(struct dv_llm_talk *talk, const struct dv_llm_verdict *verdict, bool last)
{
    struct dv_llm *llm = talk->llm;
    uint64_t now = dv_now_ns(llm->config.loop);
    bool was_closed = llm->breaker.state == DV_BREAKER_CLOSED;
    /* What fails may be the one request at hand: until it is given up, only its silence or a plain no counts. */
    if (verdict->closed_ms > 0)
        dv_breaker_open_for(&llm->breaker, now, verdict->closed_ms, verdict->reason);
    else if (verdict->rc != DV_OK && (verdict->outage || (talk->probe && verdict->again) || (verdict->again && last)))
        (void)dv_breaker_failed(&llm->breaker, now, verdict->reason);
    else if (verdict->rc == DV_OK || !verdict->again)
        (void)dv_breaker_succeeded(&llm->breaker);
    talk->probe = false;
    if (was_closed && llm->breaker.state == DV_BREAKER_OPEN)
        dv_log(DV_LOG_WARN, "llm.circuit-open", DV_LOG_REASON("why", verdict->rc));
}

static bool tries_again(struct dv_llm_talk *talk, const struct dv_llm_verdict *verdict)
{
    struct dv_llm *llm = talk->llm;
    uint64_t now = dv_now_ns(llm->config.loop);
    if (!verdict->again || talk->handed_out || talk->tries >= DV_LLM_TRIES_MAX)
        return false;
    uint64_t pause_ms = dv_backoff_ms(llm->breaker.backoff, talk->tries, &llm->breaker.random);
    if (pause_ms < verdict->wait_ms)
        pause_ms = verdict->wait_ms;
    talk->due_ns = now + pause_ms * NS_PER_MS;
    return talk->due_ns < talk->deadline_ns;
}

/* An embedding that is asked text by text goes on with the next, with its tries and its time anew. */
static bool goes_on(struct dv_llm_talk *talk)
{
    const struct dv_llm *llm = talk->llm;
    if (talk->embedding == NULL || talk->texts_done >= talk->embedding->count)
        return false;
    talk->tries = 0;
    talk->due_ns = dv_now_ns(llm->config.loop);
    talk->deadline_ns = talk->due_ns + (uint64_t)llm->config.deadlines.total_ms * NS_PER_MS;
    return true;
}

void dv_llm_tried(struct dv_llm_talk *talk, struct dv_llm_verdict verdict)
{
    struct dv_llm *llm = talk->llm;
    talk->lost += verdict.rc != DV_OK && talk->ran && !talk->handed_out;
    bool again = verdict.rc == DV_OK ? goes_on(talk) : tries_again(talk, &verdict);
    note_breaker(talk, &verdict, !again);
    if (again) {
        llm->figures.retries += verdict.rc != DV_OK;
        talk->state = DV_LLM_WAITING;
        arm(llm);
    } else if (verdict.rc != DV_OK) {
        fail_talk(talk, verdict.rc, verdict.reason);
    } else {
        keep_answer(talk);
        end_talk(talk, DV_OK, talk->finish, talk->reason);
    }
}

/* ---- turns ---- */

/* True if the answer was kept: then the talk is over. */
static bool give_kept(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    const struct dv_llm_kept *kept =
        talk->request != NULL && talk->tries == 0 ? dv_llm_shelf_find(&llm->shelf, talk->hash) : NULL;
    if (kept == NULL)
        return false;
    llm->figures.kept++;
    talk->request->kept = true;
    talk->unkept = true;
    dv_llm_talk_hold(talk);
    bool wanted = dv_llm_hand_out(talk, kept->text, kept->length);
    if (!dv_llm_talk_release(talk) || !wanted)
        return true;
    talk->handed_out = false; /* it cost nothing */
    end_talk(talk, DV_OK, DV_LLM_COMPLETE, NULL);
    return true;
}

static void begin_try(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    uint64_t now = dv_now_ns(llm->config.loop);
    if (talk->taken == 0) {
        talk->taken_ms = dv_wall_ms(llm->config.loop);
        uint64_t tokens = dv_llm_tokens(dv_llm_bytes(talk)) + (talk->request != NULL ? talk->request->max_tokens : 0);
        const char *reason = dv_llm_budget_take(&llm->budget, dv_llm_tenant(talk), talk->taken_ms, tokens);
        if (reason != NULL) {
            llm->figures.refused++;
            if (talk->embedding != NULL)
                talk->embedding->spent = true;
            fail_talk(talk, DV_E_LIMIT, reason);
            return;
        }
        talk->taken = tokens;
    }
    bool was_open = llm->breaker.state == DV_BREAKER_OPEN;
    if (!dv_breaker_admits(&llm->breaker, now)) {
        fail_talk(talk, DV_E_DEPENDENCY, dv_llm_waits(llm));
        return;
    }
    talk->probe = was_open;
    talk->state = DV_LLM_ASKING;
    talk->ran = false;
    talk->tries++;
    llm->asking++;
    dv_llm_talk_start(talk);
}

static bool has_turn(const struct dv_llm *llm, const struct dv_llm_talk *talk, uint64_t now_ns)
{
    return talk->state == DV_LLM_WAITING &&
           (talk->deadline_ns <= now_ns || (talk->due_ns <= now_ns && llm->asking < llm->config.at_a_time));
}

static struct dv_llm_talk *whose_turn(const struct dv_llm *llm, uint64_t now_ns)
{
    struct dv_llm_talk *talk = llm->first;
    while (talk != NULL && !has_turn(llm, talk, now_ns))
        talk = talk->next;
    return talk;
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_llm *llm = timer->data;
    uint64_t now = dv_now_ns(llm->config.loop);
    struct dv_llm_talk *talk = NULL;
    while (llm->opened && (talk = whose_turn(llm, now)) != NULL) {
        if (talk->deadline_ns <= now)
            fail_talk(talk, DV_E_DEPENDENCY, "the model's service had no time for the request");
        else if (!give_kept(talk))
            begin_try(talk);
    }
    if (llm->opened)
        arm(llm);
}

static void arm(struct dv_llm *llm)
{
    uint64_t now = dv_now_ns(llm->config.loop);
    uint64_t first = UINT64_MAX;
    for (const struct dv_llm_talk *talk = llm->first; talk != NULL; talk = talk->next) {
        if (talk->state != DV_LLM_WAITING)
            continue;
        uint64_t due = llm->asking < llm->config.at_a_time ? talk->due_ns : talk->deadline_ns;
        first = due < first ? due : first;
    }
    dv_timer_stop(&llm->timer);
    if (first != UINT64_MAX)
        dv_timer_start(&llm->timer, first > now ? (first - now) / NS_PER_MS + 1 : 0);
}

/* ---- asking ---- */

static dv_rc enter(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    talk->due_ns = dv_now_ns(llm->config.loop);
    talk->deadline_ns = talk->due_ns + (uint64_t)llm->config.deadlines.total_ms * NS_PER_MS;
    talk->finish = DV_LLM_FAILED;
    struct dv_llm_talk **link = &llm->first;
    while (*link != NULL)
        link = &(*link)->next;
    *link = talk;
    llm->count++;
    llm->figures.asked++;
    arm(llm);
    return DV_OK;
}

/* NULL: too many, too long, or no memory. */
static dv_rc make_talk(struct dv_llm *llm, const struct dv_llm_talk *blank, struct dv_llm_talk **ret_talk)
{
    DV_ASSERT(llm->opened);
    if (llm->count >= DV_LLM_TALKS_MAX || dv_llm_bytes(blank) > DV_LLM_PROMPT_MAX)
        return DV_E_LIMIT;
    struct dv_llm_talk *talk = dv_memory_zeroed(1, sizeof *talk);
    if (talk == NULL)
        return DV_E_MEMORY;
    *talk = *blank;
    *ret_talk = talk;
    return DV_OK;
}

dv_rc dv_llm_ask(struct dv_llm *llm, struct dv_llm_request *request)
{
    struct dv_llm_talk *talk = NULL;
    DV_ASSERT(request->tenant != NULL && request->prompt.at != NULL && request->on_text != NULL &&
              request->on_end != NULL);
    request->rc = DV_OK;
    request->finish = DV_LLM_FAILED;
    request->reason = NULL;
    request->tokens_in = request->tokens_out = 0;
    request->kept = false;
    request->talk = NULL;
    if (request->max_tokens == 0)
        request->max_tokens = ANSWER_TOKENS;
    DV_TRY(make_talk(llm, &(struct dv_llm_talk){ .llm = llm, .request = request }, &talk));
    if (!dv_llm_hash(talk)) {
        dv_llm_talk_free(talk);
        return DV_E_MEMORY;
    }
    request->talk = talk;
    return enter(talk);
}

dv_rc dv_llm_embed(struct dv_llm *llm, struct dv_llm_embedding *embedding)
{
    struct dv_llm_talk *talk = NULL;
    DV_ASSERT(embedding->tenant != NULL && embedding->rows != NULL && embedding->on_end != NULL && embedding->dims > 0);
    DV_ASSERT(embedding->count > 0 && embedding->count <= DV_LLM_TEXTS_MAX);
    embedding->rc = DV_OK;
    embedding->reason = NULL;
    embedding->tokens_in = 0;
    embedding->spent = embedding->other_width = embedding->doubtful = false;
    embedding->talk = NULL;
    DV_TRY(make_talk(llm, &(struct dv_llm_talk){ .llm = llm, .embedding = embedding }, &talk));
    embedding->talk = talk;
    return enter(talk);
}

/* A probe that is given up says nothing of the service: the next one will. */
static void cancel(struct dv_llm_talk *talk)
{
    struct dv_llm *llm = talk->llm;
    if (talk->probe)
        (void)dv_breaker_failed(&llm->breaker, dv_now_ns(llm->config.loop), "the model's service was not waited for");
    if (talk->state == DV_LLM_ASKING && llm->api->by_statements)
        dv_llm_sql_cancel(talk);
    else if (talk->state == DV_LLM_ASKING)
        dv_llm_talk_cancel(talk);
    talk->lost += talk->state == DV_LLM_ASKING && talk->ran && !talk->handed_out;
    unlink_talk(talk);
    settle_tokens(talk);
    talk->gone = true;
    if (talk->busy == 0)
        dv_llm_talk_free(talk);
}

void dv_llm_cancel(struct dv_llm *llm, struct dv_llm_request *request)
{
    if (request->talk == NULL)
        return;
    cancel(request->talk);
    request->talk = NULL;
    arm(llm);
}

void dv_llm_embed_cancel(struct dv_llm *llm, struct dv_llm_embedding *embedding)
{
    if (embedding->talk == NULL)
        return;
    cancel(embedding->talk);
    embedding->talk = NULL;
    arm(llm);
}

/* ---- opening and closing ---- */

static void fill_in(struct dv_llm *llm)
{
    struct dv_llm_config *config = &llm->config;
    llm->api = dv_llm_api_of(config->kind);
    if (config->url == NULL)
        config->url = llm->api->url != NULL ? llm->api->url : llm->account_url;
    config->at_a_time = config->at_a_time != 0 ? config->at_a_time : AT_A_TIME;
    config->pause_ms = config->pause_ms != 0 ? config->pause_ms : PAUSE_MS;
    if (config->deadlines.total_ms == 0)
        config->deadlines.total_ms = DV_HTTP_TOTAL_MS;
    llm->budget.limit = config->tokens_per_day;
    llm->shelf.bytes_max = config->kept_bytes != 0 ? config->kept_bytes : KEPT_BYTES;
    if (config->keeps_none)
        llm->shelf.bytes_max = 0;
}

static dv_rc open_http(struct dv_llm *llm, struct dv_error *error)
{
    const struct dv_llm_config *config = &llm->config;
    if (llm->api->by_statements)
        return dv_llm_sql_open(llm, error);
    const struct dv_http_config http = {
        .loop = config->loop, .url = config->url, .ca = config->ca, .deadlines = config->deadlines
    };
    llm->http = config->http;
    if (llm->http != NULL)
        return DV_OK;
    DV_TRY(dv_http_open(&llm->client, &http, error));
    llm->http = &llm->client.base;
    return DV_OK;
}

dv_rc dv_llm_open(struct dv_llm *llm, const struct dv_llm_config *config, struct dv_error *error)
{
    *llm = (struct dv_llm){ .config = *config };
    DV_TRY(dv_llm_check(config, error));
    fill_in(llm);
    DV_TRY(dv_llm_open_identity(llm, error));
    dv_rc rc = open_http(llm, error);
    if (rc != DV_OK) {
        dv_snowflake_token_free(&llm->token);
        return rc;
    }
    const struct dv_backoff backoff = { llm->config.pause_ms,
                                        llm->config.pause_ms > PAUSE_MAX_MS ? llm->config.pause_ms : PAUSE_MAX_MS };
    dv_breaker_init(&llm->breaker, FAILURES_MAX, backoff, dv_now_ns(config->loop));
    dv_timer_init(config->loop, &llm->timer, on_timer, llm);
    if (llm->api->of_snowflake)
        dv_snowflake_signer_open(&llm->signer, config->loop, &llm->token);
    llm->opened = true;
    return DV_OK;
}

static void forget(struct dv_llm_talk *talk)
{
    if (talk->request != NULL)
        talk->request->talk = NULL;
    else
        talk->embedding->talk = NULL;
    cancel(talk);
}

void dv_llm_close(struct dv_llm *llm)
{
    if (!llm->opened)
        return;
    llm->opened = false;
    while (llm->first != NULL)
        forget(llm->first);
    if (llm->api->by_statements)
        dv_snowflake_close(llm->config.snowflake);
    else
        dv_http_close(llm->http);
    dv_snowflake_signer_close(&llm->signer);
    dv_snowflake_token_free(&llm->token);
    dv_timer_close(&llm->timer);
    dv_llm_shelf_clear(&llm->shelf);
}

const char *dv_llm_waits(const struct dv_llm *llm)
{
    if (llm->breaker.state == DV_BREAKER_CLOSED)
        return NULL;
    return llm->breaker.reason != NULL ? llm->breaker.reason : "the model's service does not answer";
}

const struct dv_breaker *dv_llm_breaker(const struct dv_llm *llm)
{
    return &llm->breaker;
}

const struct dv_llm_figures *dv_llm_figures(const struct dv_llm *llm)
{
    return &llm->figures;
}
