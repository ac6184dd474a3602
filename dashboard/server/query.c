/* SPDX-License-Identifier: Apache-2.0
 * query.c - POST /v1/query: a question becomes a record of `source from: http`, and what a `sink-reply` hands over for its id is
 * the answer: as one JSON document when it is complete, or as an event stream while it grows.
 *
 * Nothing waits for ever: a question that has no answer within the source's `answer_within` is told so. A question that was taken
 * out on its way (a finding of a guard, a dead letter) is settled without an answer, and told that. */
#include <string.h>

#include "dashboard/server/reply.h"
#include "connectors/conversations.h"
#include "dashboard/server/server_internal.h"
#include "engine/id.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/sink_reply.h"
#include "operators/source_http.h"

enum { ANSWER_MAX = 1024 * 1024, TEXT_FIRST = 4096, RETRY_LATER_S = 5 };

#define NO_SOURCE "The graph has no source that takes questions: `source` with `from: http` that leads to a `sink-reply`."

/* Bytes that grow. */
struct text {
    char *bytes;
    size_t length, size;
};

enum phase { OVER, LOOKING, ASKED };

/* A question without an answer; in its request's pool. */
struct query {
    h2o_generator_t super;
    h2o_linklist_t link;
    struct dv_server *server;
    h2o_req_t *request;
    struct dv_ingest *ingest; /* the source's; only while it is ASKED: before, a reload may take the source away */
    uint64_t ticket, due_ns;
    struct dv_reply_wait wait;
    enum phase phase;     /* it waits until it is due: for the store of its conversation, or for the source and for replies */
    struct dv_conversation_named named;
    struct dv_conversations_request look;
    struct text body;     /* while it is looked for */
    struct dv_span path;  /* of the request, as it came; in its pool */
    bool streams;         /* as events */
    bool begun;           /* its head was sent */
    bool final;           /* of the events, the last is in `out` */
    bool stopped;         /* nothing more can be sent */
    bool too_long;
    struct text rows;     /* as JSON, with commas between them */
    struct text answer;   /* what is read, with blanks between */
    struct text out;      /* events that have not been sent */
    struct text flying;   /* events being sent */
};

/* ---- bytes ---- */

static bool add(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length > ANSWER_MAX)
        return false;
    if (text->length + length > text->size) {
        size_t size = text->size > 0 ? text->size : TEXT_FIRST;
        while (size < text->length + length)
            size *= 2;
        char *grown = dv_memory_alloc(size);
        if (grown == NULL)
            return false;
        if (text->length > 0)
            memcpy(grown, text->bytes, text->length);
        dv_memory_free(text->bytes);
        text->bytes = grown;
        text->size = size;
    }
    if (length > 0)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    return true;
}

static void drop(struct text *text)
{
    if (text->bytes != NULL)
        explicit_bzero(text->bytes, text->size);
    dv_memory_free(text->bytes);
    *text = (struct text){ 0 };
}

/* ---- which source ---- */

static bool leads_to_reply(const struct dv_server *server, uint32_t node)
{
    return server->replies != NULL && dv_source_is_answered(server->graph, node);
}

static const struct dv_taker question_source = {
    .path = "/v1/query",
    .takes = leads_to_reply,
    .none = NO_SOURCE,
    .none_named = NO_SOURCE,
    .several = "The graph has several sources that take questions: name one, as in /v1/query/NODE.",
};

void dv_query_judge(const struct dv_server *server, const struct dv_head *head, struct dv_verdict *verdict)
{
    const char *reason = NULL;
    struct dv_source_http *source = dv_ingest_find_source(server, head->path, &question_source, &reason);
    if (source == NULL) {
        verdict->status = 404;
        verdict->detail = reason;
        return;
    }
    dv_ingest_judge_one(server, source, head, verdict);
}

/* ---- the end of waiting ---- */

/* From here on neither the source nor the sink has anything to do with it. */
static void unlist(struct query *query)
{
    enum phase phase = query->phase;
    query->phase = OVER;
    drop(&query->body);
    if (phase == OVER)
        return;
    h2o_linklist_unlink(&query->link);
    if (phase == LOOKING) {
        dv_conversations_cancel(query->named.store, &query->look);
        return;
    }
    dv_replies_leave(query->server->replies, &query->wait);
    dv_ingest_cancel(query->ingest, query->ticket);
}

static void on_dispose(void *memory)
{
    struct query *query = memory;
    unlist(query);
    drop(&query->rows);
    drop(&query->answer);
    drop(&query->out);
    drop(&query->flying);
}

static void reply_problem(struct query *query, int status, const char *detail)
{
    struct dv_verdict verdict = { .status = status, .detail = detail, .retry_after_s = status == 503 ? RETRY_LATER_S : 0 };
    dv_routes_refuse(query->request, &verdict);
    dv_routes_count(query->server, query->request);
}

/* ---- events ---- */

static void flush(struct query *query)
{
    if (query->flying.bytes != NULL || query->out.length == 0 || query->stopped)
        return;
    query->flying = query->out;
    query->out = (struct text){ 0 };
    h2o_iovec_t buffer = h2o_iovec_init(query->flying.bytes, query->flying.length);
    h2o_send(query->request, &buffer, 1, query->final ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_proceed(h2o_generator_t *self, h2o_req_t *request)
{
    (void)request;
    struct query *query = (struct query *)self;
    drop(&query->flying);
    flush(query);
}

static void on_stop(h2o_generator_t *self, h2o_req_t *request)
{
    (void)request;
    struct query *query = (struct query *)self;
    query->stopped = true;
    unlist(query);
}

static void begin_stream(struct query *query)
{
    if (query->begun)
        return;
    query->begun = true;
    query->request->http1_is_persistent = 0;
    dv_reply_begin(query->request, 200, "text/event-stream; charset=utf-8");
    dv_reply_header(query->request, "cache-control", "no-store");
    dv_reply_header(query->request, "x-accel-buffering", "no");
    dv_routes_count(query->server, query->request);
    query->super = (h2o_generator_t){ on_proceed, on_stop };
    h2o_start_response(query->request, &query->super);
}

/* One event; the JSON is one line. */
static void send_event(struct query *query, const char *name, const char *json, size_t length)
{
    begin_stream(query);
    bool fits = add(&query->out, "event: ", 7) && add(&query->out, name, strlen(name)) && add(&query->out, "\ndata: ", 7) &&
                add(&query->out, json, length) && add(&query->out, "\n\n", 2);
    if (!fits) { /* a reader that is so far behind is told no half of it */
        query->final = true;
        query->out.length = 0;
        static const char end[] = "event: end\ndata: {\"kind\":\"end\",\"status\":\"failed\",\"reason\":\"the reader is too slow\"}\n\n";
        (void)add(&query->out, end, sizeof end - 1);
        unlist(query);
    }
    flush(query);
}

static void stream_failure(struct query *query, const char *json)
{
    query->final = true;
    send_event(query, "end", json, strlen(json));
}

/* The last row, with the id by which the answer can be reviewed. */
static void stream_end(struct query *query, const struct dv_reply *end)
{
    char id[DV_UUID_TEXT];
    struct text json = { 0 };
    unlist(query);
    query->final = true;
    bool fits = end->length > 2 && add(&json, "{\"id\":\"", 7) && add(&json, dv_id_text(id, query->wait.id), DV_UUID_TEXT - 1) && add(&json, "\",", 2) &&
                add(&json, end->json + 1, end->length - 1);
    send_event(query, "end", fits ? json.bytes : end->json, fits ? json.length : end->length);
    drop(&json);
}

/* ---- one document ---- */

/* What make_answer() writes. */
struct whole {
    const struct query *query;
    const struct dv_reply *end;
};

static void make_answer(struct dv_json *json, const void *data)
{
    const struct whole *whole = data;
    const struct query *query = whole->query;
    char id[DV_UUID_TEXT];
    bool stands = !whole->end->withdrawn;
    dv_json_open(json, '{');
    dv_json_key(json, "id");
    dv_json_string(json, dv_id_text(id, query->wait.id));
    dv_json_key(json, "answer");
    if (stands && query->answer.length > 0)
        dv_json_text(json, query->answer.bytes, query->answer.length);
    else
        dv_json_text(json, whole->end->text != NULL ? whole->end->text : "", whole->end->text_length);
    dv_json_key(json, "sentences");
    dv_json_open(json, '[');
    if (stands && query->rows.length > 0)
        dv_json_raw(json, query->rows.bytes, query->rows.length);
    dv_json_close(json, ']');
    if (whole->end->length > 2)
        dv_json_raw(json, whole->end->json + 1, whole->end->length - 2);
    dv_json_close(json, '}');
}

static void collect(struct query *query, const struct dv_reply *reply)
{
    bool fits = (query->rows.length == 0 || add(&query->rows, ",", 1)) && add(&query->rows, reply->json, reply->length);
    if (reply->text != NULL && fits)
        fits = (query->answer.length == 0 || add(&query->answer, " ", 1)) && add(&query->answer, reply->text, reply->text_length);
    query->too_long = query->too_long || !fits;
}

static void reply_whole(struct query *query, const struct dv_reply *end)
{
    const struct whole whole = { query, end };
    unlist(query);
    if (query->too_long) {
        reply_problem(query, 503, "The answer is longer than there is room for.");
        return;
    }
    dv_reply_json(query->request, 200, make_answer, &whole);
    dv_routes_count(query->server, query->request);
}

/* ---- what comes ---- */

static void on_reply(const struct dv_reply *reply, void *data)
{
    struct query *query = data;
    if (!query->streams) {
        if (reply->last)
            reply_whole(query, reply);
        else
            collect(query, reply);
        return;
    }
    if (reply->last)
        stream_end(query, reply);
    else
        send_event(query, "sentence", reply->json, reply->length);
}

/* The source is done with it, and no end has come: it never reached the sink. */
static void on_settled(void *data, const struct dv_ingest_answer *answer)
{
    struct query *query = data;
    unlist(query);
    if (query->begun)
        stream_failure(query, "{\"kind\":\"end\",\"status\":\"failed\",\"reason\":\"the run ended before the answer was complete\"}");
    else if (answer->outcome == DV_INGEST_REFUSED) {
        dv_ingest_reply_refused(query->request, answer);
        dv_routes_count(query->server, query->request);
    } else if (answer->outcome == DV_INGEST_DURABLE)
        reply_problem(query, 422, "The question was taken out on its way, as a guard does that finds personal data in it.");
    else
        reply_problem(query, 503, "The run ended before there was an answer: ask again.");
}

static bool wants_events(struct dv_span accept)
{
    static const char type[] = "text/event-stream";
    return accept.text != NULL && memmem(accept.text, accept.length, type, sizeof type - 1) != NULL;
}

/* Puts it into the graph. Without a key: the same question asked twice at a time is two. */
static enum dv_ingest_outcome push(struct query *query, struct dv_source_http *source, const char *text, size_t length)
{
    const struct dv_ingest_request request = { .text = text, .length = length, .form = DV_INGEST_ONE, .callback = on_settled, .data = query,
                                               .asker = query->named.known ? query->named.asker : NULL };
    enum dv_ingest_outcome outcome = dv_ingest_push(&source->ingest, &request, &query->ticket);
    if (outcome != DV_INGEST_QUEUED)
        return outcome;
    query->ingest = &source->ingest;
    bool known = dv_ingest_record_id(query->ingest, query->ticket, 0, query->wait.id);
    DV_ASSERT(known);
    query->phase = ASKED;
    h2o_linklist_insert(&query->server->queries, &query->link);
    dv_replies_wait(query->server->replies, &query->wait);
    return outcome;
}

/* The source that the path names now, which a reload may have exchanged meanwhile, or taken away. */
static enum dv_ingest_outcome push_known(struct query *query, const struct text *body)
{
    const char *reason = NULL;
    struct dv_source_http *source = dv_ingest_find_source(query->server, query->path, &question_source, &reason);
    return source != NULL ? push(query, source, body->bytes, body->length) : DV_INGEST_DRAINING;
}

/* The store knows the conversation, or does not. */
static void on_known(struct dv_conversations_request *look)
{
    struct query *query = look->data;
    struct text body = query->body;
    query->body = (struct text){ 0 };
    query->phase = OVER;
    h2o_linklist_unlink(&query->link);
    enum dv_ingest_outcome outcome = look->rc == DV_OK ? push_known(query, &body) : DV_INGEST_REFUSED;
    drop(&body);
    if (outcome == DV_INGEST_QUEUED)
        return;
    const struct dv_verdict fault = dv_conversation_fault(look);
    if (look->rc == DV_OK)
        dv_ingest_reply_full(query->request, outcome);
    else
        dv_routes_refuse(query->request, &fault);
    dv_routes_count(query->server, query->request);
}

/* Asks the store first; false: there is no memory. */
static bool look(struct query *query, const h2o_iovec_t *body)
{
    if (!add(&query->body, body->base, body->len))
        return false;
    query->look = (struct dv_conversations_request){ .kind = DV_CONVERSATIONS_KNOW, .waited = true,
                                                     .now_ms = dv_wall_ms(query->server->loop), .callback = on_known, .data = query };
    memcpy(query->look.id, query->named.id, sizeof query->look.id);
    memcpy(query->look.asker, query->named.asker, sizeof query->look.asker);
    query->phase = LOOKING;
    h2o_linklist_insert(&query->server->queries, &query->link);
    dv_conversations_request(query->named.store, &query->look);
    return true;
}

void dv_query_reply(const struct dv_call *call)
{
    const char *reason = NULL;
    struct dv_source_http *source = dv_ingest_find_source(call->server, call->head->path, &question_source, &reason);
    DV_ASSERT(source != NULL);
    struct query *query = h2o_mem_alloc_shared(&call->request->pool, sizeof *query, on_dispose);
    *query = (struct query){ .server = call->server, .request = call->request };
    query->due_ns = dv_now_ns(call->server->loop) + (uint64_t)source->answer_within * 1000000;
    query->streams = wants_events(call->head->accept);
    query->wait = (struct dv_reply_wait){ .callback = on_reply, .data = query };
    h2o_iovec_t path = h2o_strdup(&call->request->pool, call->head->path.text, call->head->path.length);
    query->path = (struct dv_span){ path.base, path.len };
    dv_conversation_name(call, &query->named);
    enum dv_ingest_outcome outcome = DV_INGEST_QUEUED;
    if (query->named.fault != NULL)
        dv_reply_problem(call->request, 422, query->named.fault);
    else if (query->named.store == NULL)
        outcome = push(query, source, call->request->entity.base, call->request->entity.len);
    else if (!look(query, &call->request->entity))
        dv_reply_problem(call->request, 503, "There is no memory for it: ask again.");
    if (outcome != DV_INGEST_QUEUED)
        dv_ingest_reply_full(call->request, outcome);
}

void dv_query_sweep(struct dv_server *server)
{
    uint64_t now = dv_now_ns(server->loop);
    for (h2o_linklist_t *link = server->queries.next; link != &server->queries;) {
        struct query *query = H2O_STRUCT_FROM_MEMBER(struct query, link, link);
        link = link->next;
        if (now < query->due_ns)
            continue;
        unlist(query);
        if (query->begun)
            stream_failure(query, "{\"kind\":\"end\",\"status\":\"failed\",\"reason\":\"the answer was not complete in time\"}");
        else
            reply_problem(query, 504, "There is no answer yet, and none will be given any more: ask again.");
    }
}
