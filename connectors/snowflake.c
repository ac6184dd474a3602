/* SPDX-License-Identifier: Apache-2.0
 * snowflake.c - statements on their way: sent, asked for, sent again with the same id, fetched, given up. */
#include "connectors/snowflake.h"

#include <stdio.h>
#include <string.h>

#include "connectors/snowflake_internal.h"
#include "engine/id.h"
#include "engine/memory.h"

enum {
    NS_PER_MS = 1000000,
    PAUSE_MS = 1000,
    PAUSE_MAX_MS = 60000,
    FAILURES_MAX = 5,
    FIRST_BYTE_MS = 60000, /* Snowflake works on a statement for 45 s before it says that it does */
    POLL_MS = 100,
    POLL_MAX_MS = 5000,
    ABORT_MS = 10000
};

static void arm(struct dv_snowflake *snowflake);

static uint64_t now_ns(const struct dv_snowflake *snowflake)
{
    return dv_now_ns(snowflake->config.loop);
}

/* ---- ends ---- */

static void free_talk(struct dv_snowflake_talk *talk)
{
    dv_snowflake_call_free(&talk->call);
    dv_sse_text_free(&talk->body);
    dv_memory_free(talk->cells);
    dv_memory_free(talk->columns);
    dv_memory_free(talk);
}

/* Out of the list; freed now, or when whoever has it in his hands is done. */
static void drop_talk(struct dv_snowflake_talk *talk)
{
    struct dv_snowflake *snowflake = talk->snowflake;
    struct dv_snowflake_talk **link = &snowflake->first;
    while (*link != talk) {
        DV_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = talk->next;
    snowflake->count--;
    talk->gone = true;
    dv_snowflake_call_cancel(&talk->call);
    if (!talk->busy)
        free_talk(talk);
}

/* Nobody waits for it any more. What runs in Snowflake is ended there, too. */
static void abandon(struct dv_snowflake_talk *talk)
{
    talk->statement = NULL;
    if (talk->step != DV_SNOWFLAKE_POLL || talk->busy) {
        drop_talk(talk);
        return;
    }
    dv_snowflake_call_cancel(&talk->call);
    talk->step = DV_SNOWFLAKE_ABORT;
    talk->due_ns = now_ns(talk->snowflake);
    talk->deadline_ns = talk->due_ns + (uint64_t)ABORT_MS * NS_PER_MS;
}

/* A plain no executes nothing; silence tells nothing. */
static void note_executed(struct dv_snowflake_talk *talk)
{
    const struct dv_snowflake_call *call = &talk->call;
    bool silent = call->asking || call->verdict.action == DV_SNOWFLAKE_UNKNOWN;
    bool taken = !call->asking && (call->verdict.action == DV_SNOWFLAKE_FINE || call->verdict.action == DV_SNOWFLAKE_RUNNING);
    if (talk->statement != NULL && talk->step == DV_SNOWFLAKE_SUBMIT && (taken || (silent && call->request.sent)))
        talk->statement->executed = true;
}

static void tell_words(struct dv_snowflake_talk *talk)
{
    struct dv_snowflake_statement *statement = talk->statement;
    const char *text = NULL;
    size_t length = 0;
    struct dv_snowflake_answer *answer = &talk->call.answer;
    if (statement->on_words != NULL && talk->call.verdict.rc != DV_OK && answer->root != NULL &&
        dv_doc_text(&answer->doc, dv_snowflake_answer_in(answer, "message"), &text, &length))
        statement->on_words(statement, text, length);
}

/* The owner may do anything inside, close the connector among it. */
static void end_talk(struct dv_snowflake_talk *talk, dv_rc rc, const char *reason)
{
    struct dv_snowflake *snowflake = talk->snowflake;
    struct dv_snowflake_statement *statement = talk->statement;
    struct dv_snowflake_column *columns = talk->columns;
    tell_words(talk);
    talk->columns = NULL; /* the owner may look at them once more */
    statement->talk = NULL;
    statement->rc = rc;
    statement->reason = reason;
    memcpy(statement->code, talk->call.code, sizeof statement->code);
    memcpy(statement->sqlstate, talk->call.sqlstate, sizeof statement->sqlstate);
    abandon(talk);
    arm(snowflake);
    statement->on_end(statement);
    dv_memory_free(columns);
}

/* ---- answers ---- */

static void wait_for(struct dv_snowflake_talk *talk, uint64_t pause_ms)
{
    talk->due_ns = now_ns(talk->snowflake) + pause_ms * NS_PER_MS;
    arm(talk->snowflake);
}

static void poll_later(struct dv_snowflake_talk *talk)
{
    uint64_t pause_ms = (uint64_t)POLL_MS << (talk->polls < 10 ? talk->polls : 10);
    dv_snowflake_note_handle(talk);
    if (talk->handle[0] == '\0') {
        end_talk(talk, DV_E_DATA, "the answer names no handle of the statement");
        return;
    }
    talk->step = DV_SNOWFLAKE_POLL;
    talk->statement->running = true;
    talk->tries = 0;
    talk->polls++;
    wait_for(talk, pause_ms < POLL_MAX_MS ? pause_ms : POLL_MAX_MS);
}

static void try_again(struct dv_snowflake_talk *talk)
{
    struct dv_snowflake *snowflake = talk->snowflake;
    uint64_t pause_ms = dv_backoff_ms(snowflake->breaker.backoff, ++talk->tries, &snowflake->breaker.random);
    uint64_t asked_ms = (uint64_t)talk->call.request.retry_after_s * 1000;
    pause_ms = pause_ms > asked_ms ? pause_ms : asked_ms;
    if (now_ns(snowflake) + pause_ms * NS_PER_MS < talk->deadline_ns)
        wait_for(talk, pause_ms);
    else
        end_talk(talk, talk->call.verdict.rc, talk->call.verdict.reason);
}

/* Rows may be missing, and nobody would know: so they are counted. */
static void end_result(struct dv_snowflake_talk *talk)
{
    bool missing = talk->statement->on_row != NULL && talk->counted && talk->rows != talk->statement->rows;
    end_talk(talk, missing ? DV_E_DATA : DV_OK, missing ? "the result has not as many rows as it says" : NULL);
}

static void take_rows(struct dv_snowflake_talk *talk)
{
    const char *reason = NULL;
    dv_rc rc = DV_OK;
    if (talk->step != DV_SNOWFLAKE_FETCH)
        rc = dv_snowflake_read_head(talk, &reason);
    talk->busy = true;
    if (rc == DV_OK && talk->statement->on_row != NULL)
        rc = dv_snowflake_read_rows(talk, &reason);
    talk->busy = false;
    if (talk->gone) {
        free_talk(talk);
    } else if (rc != DV_OK) {
        talk->step = DV_SNOWFLAKE_FETCH; /* it is over in Snowflake */
        end_talk(talk, rc, reason);
    } else {
        talk->step = DV_SNOWFLAKE_FETCH;
        talk->tries = 0;
        if (talk->statement->on_row != NULL && ++talk->partition < talk->partitions)
            wait_for(talk, 0);
        else
            end_result(talk);
    }
}

static void on_call_end(struct dv_snowflake_call *call)
{
    struct dv_snowflake_talk *talk = call->data;
    struct dv_snowflake *snowflake = talk->snowflake;
    if (talk->step == DV_SNOWFLAKE_ABORT) {
        drop_talk(talk);
        arm(snowflake);
        return;
    }
    note_executed(talk);
    switch (call->verdict.action) {
    case DV_SNOWFLAKE_FINE: take_rows(talk); break;
    case DV_SNOWFLAKE_RUNNING: poll_later(talk); break;
    case DV_SNOWFLAKE_AGAIN:
    case DV_SNOWFLAKE_UNKNOWN: try_again(talk); break;
    default:
        talk->step = DV_SNOWFLAKE_FETCH; /* it is over in Snowflake */
        end_talk(talk, call->verdict.rc, call->verdict.reason);
        break;
    }
}

/* ---- turns ---- */

static void write_path(struct dv_snowflake_talk *talk)
{
    char *path = talk->call.path, id[DV_UUID_TEXT];
    const size_t size = sizeof talk->call.path;
    const struct dv_snowflake_statement *statement = talk->statement;
    static const char base[] = "/api/v2/statements";
    switch (talk->step) {
    case DV_SNOWFLAKE_SUBMIT:
        (void)snprintf(path, size, "%s?requestId=%s%s%s", base, dv_id_text(id, statement->request_id),
                       talk->sent ? "&retry=true" : "", statement->async ? "&async=true" : "");
        break;
    case DV_SNOWFLAKE_POLL: (void)snprintf(path, size, "%s/%s", base, talk->handle); break;
    case DV_SNOWFLAKE_FETCH:
        (void)snprintf(path, size, "%s/%s?partition=%u", base, talk->handle, talk->partition);
        break;
    case DV_SNOWFLAKE_ABORT: (void)snprintf(path, size, "%s/%s/cancel", base, talk->handle); break;
    }
}

static void start(struct dv_snowflake_talk *talk)
{
    struct dv_snowflake_call *call = &talk->call;
    uint64_t left_ms = (talk->deadline_ns - now_ns(talk->snowflake)) / NS_PER_MS + 1;
    bool has_body = talk->step == DV_SNOWFLAKE_SUBMIT;
    call->body = has_body ? talk->body.bytes : NULL;
    call->length = has_body ? talk->body.used : 0;
    call->type = "application/json";
    if (talk->step == DV_SNOWFLAKE_ABORT)
        call->body = "";
    call->total_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    write_path(talk);
    talk->sent = true;
    dv_snowflake_call_start(call);
}

static void take_turn(struct dv_snowflake_talk *talk, uint64_t now)
{
    if (talk->deadline_ns <= now) {
        const char *waits = dv_snowflake_waits(talk->snowflake);
        if (talk->step == DV_SNOWFLAKE_ABORT)
            drop_talk(talk);
        else
            end_talk(talk, DV_E_DEPENDENCY, waits != NULL ? waits : "the statement takes too long");
        return;
    }
    uint64_t wait_ms = dv_snowflake_admits(&talk->call);
    if (wait_ms > 0)
        talk->due_ns = now + wait_ms * NS_PER_MS;
    else
        start(talk);
}

static uint64_t due_of(const struct dv_snowflake_talk *talk)
{
    if (talk->call.asking)
        return UINT64_MAX;
    return talk->due_ns < talk->deadline_ns ? talk->due_ns : talk->deadline_ns;
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_snowflake *snowflake = timer->data;
    uint64_t now = now_ns(snowflake);
    struct dv_snowflake_talk *talk = snowflake->first;
    while (snowflake->opened && talk != NULL) {
        bool due = due_of(talk) <= now;
        if (due)
            take_turn(talk, now);
        talk = due && snowflake->opened ? snowflake->first : !due ? talk->next : NULL;
    }
    if (snowflake->opened)
        arm(snowflake);
}

static void arm(struct dv_snowflake *snowflake)
{
    uint64_t now = now_ns(snowflake), first = UINT64_MAX;
    for (const struct dv_snowflake_talk *talk = snowflake->first; talk != NULL; talk = talk->next)
        first = due_of(talk) < first ? due_of(talk) : first;
    dv_timer_stop(&snowflake->timer);
    if (first != UINT64_MAX)
        dv_timer_start(&snowflake->timer, first > now ? (first - now) / NS_PER_MS + 1 : 0);
}

/* ---- running ---- */

static void enter(struct dv_snowflake_talk *talk)
{
    struct dv_snowflake *snowflake = talk->snowflake;
    struct dv_snowflake_talk **link = &snowflake->first;
    const struct dv_snowflake_statement *statement = talk->statement;
    uint64_t total_ms = statement->total_ms != 0 ? statement->total_ms : snowflake->config.deadlines.total_ms;
    while (*link != NULL)
        link = &(*link)->next;
    *link = talk;
    snowflake->count++;
    talk->due_ns = now_ns(snowflake);
    talk->deadline_ns = talk->due_ns + total_ms * NS_PER_MS;
    talk->sent = statement->sent;
    talk->call.snowflake = snowflake;
    talk->call.side = DV_SNOWFLAKE_SQL;
    talk->call.http = snowflake->http;
    talk->call.end = on_call_end;
    talk->call.data = talk;
    arm(snowflake);
}

dv_rc dv_snowflake_run(struct dv_snowflake *snowflake, struct dv_snowflake_statement *statement)
{
    DV_ASSERT(snowflake->opened && statement->sql != NULL && statement->on_end != NULL);
    DV_ASSERT(statement->statements <= 1 || (statement->bind_count == 0 && statement->on_row == NULL));
    statement->rc = DV_OK;
    statement->reason = NULL;
    statement->rows = statement->inserted = statement->updated = statement->deleted = 0;
    statement->code[0] = statement->sqlstate[0] = '\0';
    statement->running = statement->executed = false;
    statement->talk = NULL;
    if (snowflake->count >= DV_SNOWFLAKE_TALKS_MAX || statement->bind_count > DV_SNOWFLAKE_BINDS_MAX ||
        dv_snowflake_statement_bytes(statement) > DV_SNOWFLAKE_SQL_MAX)
        return DV_E_LIMIT;
    struct dv_snowflake_talk *talk = dv_memory_zeroed(1, sizeof *talk);
    if (talk == NULL)
        return DV_E_MEMORY;
    talk->snowflake = snowflake;
    talk->statement = statement;
    if (!dv_snowflake_write(talk)) {
        free_talk(talk);
        return DV_E_MEMORY;
    }
    statement->talk = talk;
    enter(talk);
    return DV_OK;
}

void dv_snowflake_cancel(struct dv_snowflake *snowflake, struct dv_snowflake_statement *statement)
{
    struct dv_snowflake_talk *talk = statement->talk;
    statement->talk = NULL;
    if (talk == NULL)
        return;
    note_executed(talk);
    abandon(talk);
    arm(snowflake);
}

/* ---- opening and closing ---- */

static dv_rc find_url(struct dv_snowflake *snowflake, struct dv_error *error)
{
    const struct dv_snowflake_config *config = &snowflake->config;
    if (config->url == NULL && !dv_snowflake_account_url(config->identity.account, snowflake->url, sizeof snowflake->url))
        return dv_error_set(error, DV_E_CONFIG, "an account is like 'myorg-account1' or 'xy12345.eu-central-1'");
    if (config->url != NULL && strlen(config->url) >= sizeof snowflake->url)
        return dv_error_set(error, DV_E_CONFIG, "Snowflake: the URL is too long");
    if (config->url != NULL)
        memcpy(snowflake->url, config->url, strlen(config->url) + 1);
    const char *fault = dv_http_url_fault(snowflake->url, true);
    return fault == NULL ? DV_OK : dv_error_set(error, DV_E_CONFIG, "Snowflake: %s", fault);
}

static void fill_in(struct dv_snowflake_config *config)
{
    config->pause_ms = config->pause_ms != 0 ? config->pause_ms : PAUSE_MS;
    if (config->deadlines.total_ms == 0)
        config->deadlines.total_ms = DV_HTTP_TOTAL_MS;
    if (config->deadlines.first_byte_ms == 0)
        config->deadlines.first_byte_ms = FIRST_BYTE_MS;
}

static dv_rc open_http(struct dv_snowflake *snowflake, struct dv_error *error)
{
    const struct dv_snowflake_config *config = &snowflake->config;
    const struct dv_http_config http = { .loop = config->loop,
                                         .url = snowflake->url,
                                         .ca = config->ca,
                                         .deadlines = config->deadlines,
                                         .answer_max = DV_SNOWFLAKE_ANSWER_MAX };
    snowflake->http = config->http;
    if (snowflake->http != NULL)
        return DV_OK;
    snowflake->http = &snowflake->client.base;
    return dv_http_open(&snowflake->client, &http, error);
}

dv_rc dv_snowflake_open(struct dv_snowflake *snowflake, const struct dv_snowflake_config *config,
                        struct dv_error *error)
{
    *snowflake = (struct dv_snowflake){ .config = *config };
    fill_in(&snowflake->config);
    DV_TRY(find_url(snowflake, error));
    DV_TRY(dv_snowflake_token_init(&snowflake->token, &config->identity, dv_wall_ms(config->loop), error));
    dv_rc rc = open_http(snowflake, error);
    if (rc != DV_OK) {
        dv_snowflake_token_free(&snowflake->token);
        return rc;
    }
    uint32_t first_ms = snowflake->config.pause_ms;
    const struct dv_backoff backoff = { first_ms, first_ms > PAUSE_MAX_MS ? first_ms : PAUSE_MAX_MS };
    dv_breaker_init(&snowflake->breaker, FAILURES_MAX, backoff, now_ns(snowflake));
    dv_timer_init(config->loop, &snowflake->timer, on_timer, snowflake);
    dv_snowflake_signer_open(&snowflake->signer, config->loop, &snowflake->token);
    snowflake->opened = true;
    return DV_OK;
}

void dv_snowflake_close(struct dv_snowflake *snowflake)
{
    if (!snowflake->opened)
        return;
    snowflake->opened = false;
    while (snowflake->first != NULL) {
        struct dv_snowflake_talk *talk = snowflake->first;
        if (talk->statement != NULL)
            talk->statement->talk = NULL;
        drop_talk(talk);
    }
    dv_http_close(snowflake->http);
    dv_timer_close(&snowflake->timer);
    dv_snowflake_signer_close(&snowflake->signer);
    dv_snowflake_token_free(&snowflake->token);
}

bool dv_snowflake_is_idle(const struct dv_snowflake *snowflake)
{
    return snowflake->count == 0;
}

const char *dv_snowflake_waits(const struct dv_snowflake *snowflake)
{
    const struct dv_breaker *breaker = &snowflake->breaker;
    if (breaker->state == DV_BREAKER_CLOSED)
        return NULL;
    return breaker->reason != NULL ? breaker->reason : "Snowflake does not answer";
}

const struct dv_breaker *dv_snowflake_breaker(const struct dv_snowflake *snowflake)
{
    return &snowflake->breaker;
}
