/* SPDX-License-Identifier: Apache-2.0
 * ingest.c - POST /v1/ingest: a body of records becomes a request of `source from: http`, and its answer is sent when
 * they are durable. The client may be gone by then, or is told to come again when it takes too long. */
#include <string.h>

#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"
#include "engine/id.h"
#include "engine/operator.h"
#include "operators/source_http.h"

enum { RETRY_SOON_S = 1, SPENT_S = 60, RETRY_LATER_S = 5 };

/* A request that waits for its records to be durable. */
struct waiting {
    h2o_linklist_t link;
    struct dv_server *server;
    h2o_req_t *request;
    struct dv_ingest *ingest;
    uint64_t ticket;
    uint64_t due_ns;
    dv_ingest_durable durable;
    void *data;
    bool answered;
};

/* ---- which source ---- */

uint64_t dv_ingest_body_max(const struct dv_graph *graph)
{
    uint64_t longest = 0;
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_source_http *source = dv_source_http_of(dv_graph_node(graph, i));
        if (source != NULL && (uint64_t)source->ingest.max_body > longest)
            longest = (uint64_t)source->ingest.max_body;
    }
    return longest;
}

struct dv_source_http *dv_ingest_find_source(const struct dv_server *server, struct dv_span path, const struct dv_taker *taker,
                                             const char **ret_reason)
{
    struct dv_source_http *found = NULL;
    size_t skip = strlen(taker->path) + 1;
    struct dv_span name = { 0 };
    if (path.length > skip)
        name = (struct dv_span){ path.text + skip, path.length - skip };
    *ret_reason = name.text != NULL ? taker->none_named : taker->none;
    for (uint32_t i = 0; i < dv_graph_node_count(server->graph); i++) {
        const struct dv_node *node = dv_graph_node(server->graph, i);
        struct dv_source_http *source = dv_source_http_of(node);
        bool named = name.text == NULL || dv_span_is(name, dv_node_name(node));
        if (source == NULL || !named || (taker->takes != NULL && !taker->takes(server, i)))
            continue;
        if (found != NULL) {
            *ret_reason = taker->several;
            return NULL;
        }
        found = source;
    }
    return found;
}

static const struct dv_taker any_source = {
    .path = "/v1/ingest",
    .none = "The graph has no source that takes requests: `source` with `from: http`.",
    .none_named = "The graph has no source of this name that takes requests.",
    .several = "The graph has several sources that take requests: name one, as in /v1/ingest/NODE.",
};

/* ---- before the body ---- */

static bool read_type(struct dv_span type, enum dv_ingest_form *ret)
{
    static const struct {
        const char *name;
        enum dv_ingest_form form;
    } types[] = { { "application/json", DV_INGEST_ONE }, { "application/x-ndjson", DV_INGEST_LINES } };
    const char *end = type.text != NULL ? memchr(type.text, ';', type.length) : NULL;
    if (end != NULL) {
        struct dv_span rest = { end + 1, type.length - (size_t)(end + 1 - type.text) };
        while (rest.length > 0 && rest.text[0] == ' ')
            rest = (struct dv_span){ rest.text + 1, rest.length - 1 };
        if (!dv_span_is_caseless(rest, "charset=utf-8"))
            return false;
        type.length = (size_t)(end - type.text);
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        *ret = types[i].form;
        if (dv_span_is_caseless(type, types[i].name))
            return true;
    }
    return false;
}

/* The draft standard has the key in quotes; many clients leave them out. False: not a key. */
static bool read_key(struct dv_span header, struct dv_span *ret)
{
    *ret = header;
    if (header.text == NULL)
        return true;
    if (header.length >= 2 && header.text[0] == '"' && header.text[header.length - 1] == '"')
        *ret = (struct dv_span){ header.text + 1, header.length - 2 };
    for (size_t i = 0; i < ret->length; i++)
        if (ret->text[i] <= ' ' || ret->text[i] > '~' || ret->text[i] == '"' || ret->text[i] == '\\')
            return false;
    return ret->length > 0 && ret->length <= DV_INGEST_KEY_MAX;
}

static void refuse(struct dv_verdict *verdict, int status, int retry_after_s, const char *detail)
{
    verdict->status = status;
    verdict->retry_after_s = retry_after_s;
    verdict->detail = detail;
}

static void refuse_full(struct dv_verdict *verdict)
{
    refuse(verdict, 429, RETRY_SOON_S, "More records are waiting than there is room for.");
}

static void refuse_draining(struct dv_verdict *verdict)
{
    refuse(verdict, 503, RETRY_LATER_S, "The run starts or ends: nothing is taken now.");
}

static void refuse_large(struct dv_verdict *verdict)
{
    refuse(verdict, 413, 0, "The body is longer than the source's `max_body`.");
}

static void judge_body(const struct dv_server *server, struct dv_source_http *source, const struct dv_head *head,
                       struct dv_verdict *verdict)
{
    enum dv_ingest_form form = DV_INGEST_ONE;
    struct dv_span key;
    if (head->codings > 0 || head->lengths == 0)
        refuse(verdict, 411, 0, "The body's length must be told first: send Content-Length, not a transfer coding.");
    else if (!read_type(head->content_type, &form) || head->is_encoded)
        refuse(verdict, 415, 0, "The body must be application/json (one record) or application/x-ndjson (one in each "
                                "line), in UTF-8 and not compressed.");
    else if (!read_key(head->idempotency_key, &key))
        refuse(verdict, 400, 0, "The Idempotency-Key must be 1 to 128 visible characters without quotes inside.");
    else if (head->body_length > (uint64_t)source->ingest.max_body)
        refuse_large(verdict);
    else if (!server->ready || dv_ingest_is_draining(&source->ingest))
        refuse_draining(verdict);
    else if (head->body_length > dv_ingest_room(&source->ingest))
        refuse_full(verdict);
}

void dv_ingest_judge_one(const struct dv_server *server, struct dv_source_http *source, const struct dv_head *head,
                         struct dv_verdict *verdict)
{
    enum dv_ingest_form form = DV_INGEST_ONE;
    judge_body(server, source, head, verdict);
    if (verdict->status == 0 && !(read_type(head->content_type, &form) && form == DV_INGEST_ONE))
        refuse(verdict, 415, 0, "The body is one JSON object: application/json.");
}

void dv_ingest_judge(const struct dv_server *server, const struct dv_head *head, struct dv_verdict *verdict)
{
    const char *reason = NULL;
    struct dv_source_http *source = dv_ingest_find_source(server, head->path, &any_source, &reason);
    if (source == NULL)
        refuse(verdict, 404, 0, reason);
    else
        judge_body(server, source, head, verdict);
}

/* ---- the answer ---- */

static void write_accepted(struct dv_json *json, const void *data)
{
    const struct dv_ingest_answer *answer = data;
    dv_json_open(json, '{');
    dv_json_key(json, "accepted");
    dv_json_uint(json, answer->records);
    dv_json_key(json, "ids");
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < answer->records && !json->full; i++) {
        uint8_t id[DV_UUID_BYTES];
        char text[DV_UUID_TEXT];
        dv_ingest_id(&answer->name, i, id);
        dv_json_string(json, dv_id_text(text, id));
    }
    dv_json_close(json, ']');
    dv_json_close(json, '}');
}

void dv_ingest_reply_refused(h2o_req_t *request, const struct dv_ingest_answer *answer)
{
    const struct dv_problem problem = {
        .status = answer->code == DV_E_SYNTAX ? 400 : 422,
        .detail = "A record is wrong, and none of the request was taken.",
        .line = answer->line,
        .reason = answer->reason,
    };
    dv_reply_problem_of(request, &problem);
}

void dv_ingest_reply_full(h2o_req_t *request, enum dv_ingest_outcome outcome)
{
    struct dv_verdict verdict = { 0 };
    switch (outcome) {
    case DV_INGEST_LARGE: refuse_large(&verdict); break;
    case DV_INGEST_DRAINING: refuse_draining(&verdict); break;
    case DV_INGEST_SPENT:
        refuse(&verdict, 429, SPENT_S, "The privacy budget of all that these records would come to is spent: `datavault "
                                       "budget set` gives it more.");
        break;
    default: refuse_full(&verdict); break;
    }
    dv_routes_refuse(request, &verdict);
}

static void answer_accepted(struct dv_server *server, h2o_req_t *request, const struct dv_ingest_answer *answer, void *data)
{
    (void)server;
    (void)data;
    dv_reply_json(request, 200, write_accepted, answer);
}

/* From here on nobody may answer the request again. */
static h2o_req_t *take(struct waiting *waiting)
{
    waiting->answered = true;
    h2o_linklist_unlink(&waiting->link);
    return waiting->request;
}

static void on_answer(void *data, const struct dv_ingest_answer *answer)
{
    struct waiting *waiting = data;
    struct dv_server *server = waiting->server;
    h2o_req_t *request = take(waiting);
    struct dv_verdict verdict = { 0 };
    if (answer->outcome == DV_INGEST_DURABLE) {
        waiting->durable(server, request, answer, waiting->data);
    } else if (answer->outcome == DV_INGEST_REFUSED) {
        dv_ingest_reply_refused(request, answer);
    } else {
        refuse(&verdict, 503, RETRY_LATER_S, "The run ended before the records were durable: send them again, with the "
                                             "same Idempotency-Key.");
        dv_routes_refuse(request, &verdict);
    }
    dv_routes_count(server, request);
}

/* h2o lets go of the request: its client is gone, if it has no answer yet. */
static void on_disposed(void *data)
{
    struct waiting *waiting = data;
    if (waiting->answered)
        return;
    dv_ingest_cancel(waiting->ingest, waiting->ticket);
    (void)take(waiting);
}

static struct waiting *make_waiting(const struct dv_call *call, const struct dv_source_http *source)
{
    struct waiting *waiting = h2o_mem_alloc_shared(&call->request->pool, sizeof *waiting, on_disposed);
    *waiting = (struct waiting){ .server = call->server, .request = call->request, .answered = true };
    waiting->due_ns = dv_now_ns(call->server->loop) + (uint64_t)source->answer_within * 1000000;
    return waiting;
}

void dv_ingest_take(const struct dv_call *call, struct dv_source_http *source, struct dv_ingest_request request,
                    dv_ingest_durable durable, void *data)
{
    struct waiting *waiting = make_waiting(call, source);
    waiting->durable = durable;
    waiting->data = data;
    request.callback = on_answer;
    request.data = waiting;
    enum dv_ingest_outcome outcome = dv_ingest_push(&source->ingest, &request, &waiting->ticket);
    if (outcome != DV_INGEST_QUEUED) {
        dv_ingest_reply_full(call->request, outcome);
        return;
    }
    waiting->answered = false;
    waiting->ingest = &source->ingest;
    h2o_linklist_insert(&call->server->waiting, &waiting->link);
}

void dv_ingest_reply(const struct dv_call *call)
{
    const char *reason = NULL;
    struct dv_source_http *source = dv_ingest_find_source(call->server, call->head->path, &any_source, &reason);
    struct dv_ingest_request request = { .text = call->request->entity.base, .length = call->request->entity.len };
    struct dv_span key;
    bool judged = read_type(call->head->content_type, &request.form) && read_key(call->head->idempotency_key, &key);
    DV_ASSERT(judged);
    request.key = key.text;
    request.key_length = key.length;
    dv_ingest_take(call, source, request, answer_accepted, NULL);
}

void dv_ingest_sweep(struct dv_server *server)
{
    uint64_t now = dv_now_ns(server->loop);
    struct dv_verdict verdict = { 0 };
    refuse(&verdict, 503, RETRY_LATER_S, "The records are not durable yet: send them again, with the same "
                                         "Idempotency-Key.");
    for (h2o_linklist_t *link = server->waiting.next; link != &server->waiting;) {
        struct waiting *waiting = H2O_STRUCT_FROM_MEMBER(struct waiting, link, link);
        link = link->next;
        if (now < waiting->due_ns)
            continue;
        dv_ingest_cancel(waiting->ingest, waiting->ticket);
        h2o_req_t *request = take(waiting);
        dv_routes_refuse(request, &verdict);
        dv_routes_count(server, request);
    }
}
