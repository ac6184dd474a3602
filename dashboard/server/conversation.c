/* SPDX-License-Identifier: Apache-2.0
 * conversation.c - /v1/conversations: an asker makes conversations, looks at them, and erases them for good.
 *
 * Whoever shows the token is named by a keyed digest of it, and meets his own conversations only; another's is told like one that never
 * was. What is kept in them comes by POST /v1/query, through the graph. */
#include <string.h>

#include "connectors/conversations.h"
#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"
#include "engine/graph.h"
#include "engine/id.h"
#include "engine/json_doc.h"
#include "engine/memory.h"
#include "operators/conversation.h"

enum { WITHIN_MS = 10000, RETRY_LATER_S = 5, LOCATION_BYTES = 64, BODY_MAX = 1024 * 1024 };

#define PATH "/v1/conversations"
#define NO_NODE "The graph keeps no conversations: it has no node `conversation`."

/* A request that the store has; in its own pool. */
struct conversing {
    h2o_linklist_t link;
    struct dv_server *server;
    h2o_req_t *request;
    struct dv_conversations *store;
    struct dv_conversations_request asked;
    uint64_t due_ns;
    bool over;
};

/* ---- where, and who ---- */

/* The one node there is; NULL with a reason. */
static const struct dv_node *find_node(const struct dv_server *server, const char **ret_reason)
{
    const struct dv_node *found = NULL;
    *ret_reason = NO_NODE;
    for (uint32_t i = 0; i < dv_graph_node_count(server->graph); i++) {
        const struct dv_node *node = dv_graph_node(server->graph, i);
        if (!dv_node_keeps_conversations(node))
            continue;
        if (found != NULL) {
            *ret_reason = "The graph has several nodes `conversation`: only one can be served here.";
            return NULL;
        }
        found = node;
    }
    return found;
}

static struct dv_conversations *find_store(const struct dv_server *server, uint8_t ret_asker[DV_ASKER_BYTES], const char **ret_reason)
{
    uint8_t who[DV_WHO_MAX];
    const struct dv_node *node = find_node(server, ret_reason);
    struct dv_conversations *store = node != NULL ? dv_conversations_of_node(node) : NULL;
    if (node != NULL)
        *ret_reason = "The conversations are not open now.";
    if (store == NULL)
        return NULL;
    dv_conversations_asker(node, who, dv_auth_who(&server->auth, who), ret_asker);
    return store;
}

/* ---- what a question says ---- */

static void read_id(struct dv_doc *doc, struct dv_conversation_named *named, bool *ret_any)
{
    const char *text = NULL;
    size_t length = 0;
    dv_doc_at id = dv_doc_in(doc, dv_doc_root(doc), "conversation");
    *ret_any = id != NULL && !dv_doc_is_null(doc, id);
    if (*ret_any && !(dv_doc_text(doc, id, &text, &length) && dv_id_parse(text, length, named->id)))
        named->fault = "`conversation` must be the id of a conversation, a UUID.";
}

/* Whether it names one. What cannot be read is told by the source, which reads it, too. */
static bool read_named(const h2o_iovec_t *body, struct dv_conversation_named *named)
{
    struct dv_doc doc;
    bool any = false;
    char *copy = body->len <= BODY_MAX ? dv_memory_zeroed(1, body->len + DV_JSON_PADDING) : NULL;
    dv_rc rc = dv_doc_init(&doc, BODY_MAX);
    if (rc == DV_OK && copy != NULL && body->len > 0) {
        memcpy(copy, body->base, body->len);
        rc = dv_doc_read(&doc, copy, body->len);
        if (rc == DV_OK)
            read_id(&doc, named, &any);
    }
    dv_doc_free(&doc);
    if (copy != NULL)
        explicit_bzero(copy, body->len);
    dv_memory_free(copy);
    return any;
}

void dv_conversation_name(const struct dv_call *call, struct dv_conversation_named *ret)
{
    const char *reason = NULL;
    *ret = (struct dv_conversation_named){ .known = false };
    struct dv_conversations *store = find_store(call->server, ret->asker, &reason);
    ret->known = store != NULL;
    if (!read_named(&call->request->entity, ret) || ret->fault != NULL)
        return;
    ret->store = store;
    ret->fault = store == NULL ? reason : NULL;
}

/* ---- the answers ---- */

static const struct dv_verdict missing = { .status = 404, .detail = "There is no such conversation." };
static const struct dv_verdict full = { .status = 507, .detail = "There is no room for more conversations: erase some." };
static const struct dv_verdict away = { .status = 503, .retry_after_s = RETRY_LATER_S, .detail = "The conversations cannot be reached now: try again." };
static const struct dv_verdict still_read = {
    .status = 503,
    .retry_after_s = RETRY_LATER_S,
    .detail = "It is erased, but another process reads the file, so that it may still be in its log: erase it again.",
};

/* A disk that is full is no bound that erasing would help against. */
struct dv_verdict dv_conversation_fault(const struct dv_conversations_request *asked)
{
    if (asked->rc == DV_E_MISSING)
        return missing;
    if (asked->kind == DV_CONVERSATIONS_MAKE && asked->rc == DV_E_FULL && asked->file_is_well)
        return full;
    return asked->kind == DV_CONVERSATIONS_ERASE && asked->file_is_well ? still_read : away;
}

static void write_one(struct dv_json *json, const struct dv_conversation *one)
{
    char id[DV_UUID_TEXT];
    dv_json_key(json, "id");
    dv_json_string(json, dv_id_text(id, one->id));
    dv_json_key(json, "created_ms");
    dv_json_int(json, one->created_ms);
    dv_json_key(json, "used_ms");
    dv_json_int(json, one->used_ms);
}

static void write_list(struct dv_json *json, const void *data)
{
    const struct dv_conversations_request *asked = data;
    dv_json_open(json, '{');
    dv_json_key(json, "conversations");
    dv_json_open(json, '[');
    for (uint64_t i = 0; i < asked->total && !json->full; i++) {
        dv_json_open(json, '{');
        write_one(json, &asked->conversations[i]);
        dv_json_key(json, "turns");
        dv_json_uint(json, asked->conversations[i].turns);
        dv_json_close(json, '}');
    }
    dv_json_close(json, ']');
    dv_json_close(json, '}');
}

static void write_text(struct dv_json *json, const char *key, struct dv_store_bytes text)
{
    dv_json_key(json, key);
    if (text.at != NULL)
        dv_json_text(json, text.at, text.length);
    else
        dv_json_null(json);
}

static void write_turn(struct dv_json *json, const struct dv_turn *turn)
{
    char id[DV_UUID_TEXT];
    dv_json_open(json, '{');
    dv_json_key(json, "id");
    dv_json_string(json, dv_id_text(id, turn->id));
    dv_json_key(json, "asked_ms");
    dv_json_int(json, turn->asked_ms);
    write_text(json, "question", turn->question);
    write_text(json, "status", turn->status);
    dv_json_key(json, "cut");
    dv_json_bool(json, turn->cut);
    dv_json_key(json, "sentences");
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < turn->said_count && !json->full; i++) {
        dv_json_open(json, '{');
        write_text(json, "text", turn->said[i].text);
        dv_json_key(json, "citations");
        if (turn->said[i].citations.length > 0)
            dv_json_raw(json, turn->said[i].citations.at, turn->said[i].citations.length);
        else
            dv_json_null(json);
        dv_json_close(json, '}');
    }
    dv_json_close(json, ']');
    dv_json_close(json, '}');
}

static void write_turns(struct dv_json *json, const void *data)
{
    const struct dv_conversations_request *asked = data;
    dv_json_open(json, '{');
    write_one(json, &asked->conversations[0]);
    dv_json_key(json, "turns");
    dv_json_open(json, '[');
    for (uint64_t i = asked->total; i > 0 && !json->full; i--)
        write_turn(json, &asked->turns[i - 1]);
    dv_json_close(json, ']');
    dv_json_close(json, '}');
}

static void write_made(struct dv_json *json, const void *data)
{
    const struct dv_conversations_request *asked = data;
    const struct dv_conversation one = { .created_ms = asked->now_ms, .used_ms = asked->now_ms };
    struct dv_conversation made = one;
    memcpy(made.id, asked->id, sizeof made.id);
    dv_json_open(json, '{');
    write_one(json, &made);
    dv_json_close(json, '}');
}

static void write_erased(struct dv_json *json, const void *data)
{
    const struct dv_conversations_request *asked = data;
    dv_json_open(json, '{');
    dv_json_key(json, "erased");
    dv_json_uint(json, asked->total);
    dv_json_close(json, '}');
}

static void reply_made(h2o_req_t *request, const struct dv_conversations_request *asked)
{
    static const char path[] = PATH "/";
    char *location = h2o_mem_alloc_pool(&request->pool, LOCATION_BYTES);
    memcpy(location, path, sizeof path - 1);
    (void)dv_id_text(location + sizeof path - 1, asked->id);
    dv_reply_header(request, "location", location);
    dv_reply_json(request, 201, write_made, asked);
}

/* From here on nobody may answer the request again. */
static h2o_req_t *take(struct conversing *conversing)
{
    conversing->over = true;
    h2o_linklist_unlink(&conversing->link);
    return conversing->request;
}

static void on_answer(struct dv_conversations_request *asked)
{
    struct conversing *conversing = asked->data;
    h2o_req_t *request = take(conversing);
    const struct dv_verdict fault = dv_conversation_fault(asked);
    if (asked->rc != DV_OK)
        dv_routes_refuse(request, &fault);
    else if (asked->kind == DV_CONVERSATIONS_MAKE)
        reply_made(request, asked);
    else if (asked->kind == DV_CONVERSATIONS_ERASE)
        dv_reply_json(request, 200, write_erased, asked);
    else
        dv_reply_json(request, 200, asked->kind == DV_CONVERSATIONS_LIST ? write_list : write_turns, asked);
    dv_routes_count(conversing->server, request);
}

/* h2o lets go of the request: its client is gone, if it has no answer yet. */
static void on_disposed(void *memory)
{
    struct conversing *conversing = memory;
    if (conversing->over)
        return;
    dv_conversations_cancel(conversing->store, &conversing->asked);
    (void)take(conversing);
}

/* ---- the requests ---- */

/* What method and path ask for; false: the path names nothing that could be a conversation. */
static bool read_request(const struct dv_head *head, struct dv_conversations_request *ret)
{
    const size_t skip = sizeof PATH; /* with its slash */
    bool one = head->path.length >= skip;
    if (dv_span_is(head->method, "POST"))
        ret->kind = DV_CONVERSATIONS_MAKE;
    else if (dv_span_is(head->method, "DELETE"))
        ret->kind = DV_CONVERSATIONS_ERASE;
    else
        ret->kind = one ? DV_CONVERSATIONS_SHOW : DV_CONVERSATIONS_LIST;
    ret->all = !one;
    return !one || dv_id_parse(head->path.text + skip, head->path.length - skip, ret->id);
}

/* A random UUID (version 4): it is to be guessed by nobody, though an asker could do nothing with another's. */
static bool make_id(uint8_t id[DV_UUID_BYTES])
{
    if (uv_random(NULL, NULL, id, DV_UUID_BYTES, 0, NULL) != 0)
        return false;
    id[6] = (uint8_t)((id[6] & 0x0F) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
    return true;
}

static void ask(const struct dv_call *call, struct dv_conversations *store, const struct dv_conversations_request *asked)
{
    struct dv_server *server = call->server;
    struct conversing *conversing = h2o_mem_alloc_shared(&call->request->pool, sizeof *conversing, on_disposed);
    *conversing = (struct conversing){ .server = server, .request = call->request, .store = store, .asked = *asked };
    conversing->due_ns = dv_now_ns(server->loop) + (uint64_t)WITHIN_MS * 1000000;
    conversing->asked.now_ms = dv_wall_ms(server->loop);
    conversing->asked.waited = true;
    conversing->asked.callback = on_answer;
    conversing->asked.data = conversing;
    h2o_linklist_insert(&server->conversing, &conversing->link);
    dv_conversations_request(store, &conversing->asked);
}

void dv_conversation_reply(const struct dv_call *call)
{
    struct dv_conversations_request asked = { .all = false };
    const char *reason = NULL;
    struct dv_conversations *store = find_store(call->server, asked.asker, &reason);
    if (store == NULL)
        dv_reply_problem(call->request, 404, reason);
    else if (!read_request(call->head, &asked))
        dv_routes_refuse(call->request, &missing);
    else if (asked.kind == DV_CONVERSATIONS_MAKE && !make_id(asked.id))
        dv_routes_refuse(call->request, &away);
    else
        ask(call, store, &asked);
}

void dv_conversation_sweep(struct dv_server *server)
{
    uint64_t now = dv_now_ns(server->loop);
    for (h2o_linklist_t *link = server->conversing.next; link != &server->conversing;) {
        struct conversing *conversing = H2O_STRUCT_FROM_MEMBER(struct conversing, link, link);
        link = link->next;
        if (now < conversing->due_ns)
            continue;
        dv_conversations_cancel(conversing->store, &conversing->asked);
        h2o_req_t *request = take(conversing);
        dv_routes_refuse(request, &away);
        dv_routes_count(server, request);
    }
}
