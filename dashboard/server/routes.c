/* SPDX-License-Identifier: Apache-2.0
 * routes.c - one table of routes, and the one way every request goes: scan, route, judge, method, answer. */
#include <string.h>

#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"

/* What a path and a method lead to. A row with `body` takes one; it judges the head before the body is read. */
struct route {
    const char *path;
    const char *method;
    enum dv_access access;
    void (*answer)(const struct dv_call *call);
    void (*body)(const struct dv_server *server, const struct dv_head *head, struct dv_verdict *verdict);
    bool below; /* the path and what stands below it */
};

/* h2o's handler with the server behind it. */
struct handler {
    h2o_handler_t super;
    struct dv_server *server;
};

static void make_status(struct dv_json *json, const void *status)
{
    dv_json_open(json, '{');
    dv_json_key(json, "status");
    dv_json_string(json, status);
    dv_json_close(json, '}');
}

static void answer_livez(const struct dv_call *call)
{
    dv_reply_json(call->request, 200, make_status, "ok");
}

static void answer_readyz(const struct dv_call *call)
{
    bool ready = dv_health_ready(call->server);
    int status = ready ? 200 : 503;
    if (!ready)
        dv_reply_header(call->request, "retry-after", "5");
    if (call->trusted)
        dv_reply_json(call->request, status, dv_health_json, call->server);
    else
        dv_reply_json(call->request, status, make_status, ready ? "ready" : "not ready");
}

static void answer_metrics(const struct dv_call *call)
{
    dv_metrics_reply(call->server, call->request, call->head);
}

static void answer_graph(const struct dv_call *call)
{
    dv_reply_json(call->request, 200, dv_graph_json, call->server);
}

static void answer_stats(const struct dv_call *call)
{
    dv_reply_json(call->request, 200, dv_stats_json, call->server);
}

static void answer_events(const struct dv_call *call)
{
    dv_hub_open(&call->server->hub, call->request, call->head);
}

static void answer_page(const struct dv_call *call)
{
    bool found = dv_page_reply(call->request, call->head);
    DV_ASSERT(found);
}

static const struct route routes[] = {
    { "/livez", "GET", DV_ACCESS_OPEN, answer_livez, NULL, false },
    { "/readyz", "GET", DV_ACCESS_OPEN, answer_readyz, NULL, false },
    { "/metrics", "GET", DV_ACCESS_TOKEN, answer_metrics, NULL, false },
    { "/v1/graph", "GET", DV_ACCESS_TOKEN, answer_graph, NULL, false },
    { "/v1/stats", "GET", DV_ACCESS_TOKEN, answer_stats, NULL, false },
    { "/v1/events", "GET", DV_ACCESS_TOKEN, answer_events, NULL, false },
    { "/v1/ingest", "POST", DV_ACCESS_TOKEN, dv_ingest_reply, dv_ingest_judge, true },
    { "/v1/query", "POST", DV_ACCESS_TOKEN, dv_query_reply, dv_query_judge, true },
    { "/v1/conversations", "GET", DV_ACCESS_TOKEN, dv_conversation_reply, NULL, true },
    { "/v1/conversations", "DELETE", DV_ACCESS_TOKEN, dv_conversation_reply, NULL, true },
    { "/v1/conversations", "POST", DV_ACCESS_TOKEN, dv_conversation_reply, NULL, false },
    { "/v1/reviews", "POST", DV_ACCESS_TOKEN, dv_review_reply, dv_review_judge, true },
    { "/v1/reload", "POST", DV_ACCESS_TOKEN, dv_reload_reply, NULL, false },
};

static const struct route page = { "", "GET", DV_ACCESS_OPEN, answer_page, NULL, false };
static const struct route unknown = { "", "GET", DV_ACCESS_OPEN, NULL, NULL, false };
/* What is not there under /v1 is nobody's business without the token. */
static const struct route unknown_v1 = { "", "GET", DV_ACCESS_TOKEN, NULL, NULL, false };

static bool leads_to(const struct route *route, struct dv_span path)
{
    size_t length = strlen(route->path);
    return dv_span_is(path, route->path) || (route->below && path.length > length + 1 && path.text[length] == '/' &&
                                             memcmp(path.text, route->path, length) == 0);
}

static bool has_method(const struct route *route, struct dv_span method)
{
    return dv_span_is(method, route->method) ||
           (strcmp(route->method, "GET") == 0 && dv_span_is(method, "HEAD"));
}

/* The row of path and method; the path's first row if it has no such method. */
static const struct route *find_route(const struct dv_head *head)
{
    const struct route *found = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (leads_to(&routes[i], head->path) && (found == NULL || has_method(&routes[i], head->method)))
            found = &routes[i];
    if (found != NULL)
        return found;
    if (dv_page_has(head->path))
        return &page;
    return head->path.length >= 3 && memcmp(head->path.text, "/v1", 3) == 0 ? &unknown_v1 : &unknown;
}

/* The methods of a path, as `Allow` has them; literals. */
static const char *allowed_at(struct dv_span path)
{
    static const char *const methods[] = { "GET", "POST", "DELETE" };
    static const char *const texts[] = { "",       "GET, HEAD",         "POST",         "GET, HEAD, POST",
                                         "DELETE", "GET, HEAD, DELETE", "POST, DELETE", "GET, HEAD, POST, DELETE" };
    unsigned found = 0;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        for (size_t k = 0; leads_to(&routes[i], path) && k < sizeof methods / sizeof methods[0]; k++)
            found |= (unsigned)(strcmp(routes[i].method, methods[k]) == 0) << k;
    return found != 0 ? texts[found] : texts[1]; /* the page's */
}

static void refuse_as(struct dv_verdict *verdict, int status, const char *detail)
{
    verdict->status = status;
    verdict->detail = detail;
}

/* By the head alone, so that it can be done before a body is read. */
static struct dv_verdict judge(const struct dv_server *server, const struct dv_head *head, enum dv_head_fault fault,
                               const struct route **ret_route)
{
    bool readable = fault == DV_HEAD_SOUND || fault == DV_HEAD_BODY;
    const struct route *route = readable ? find_route(head) : &unknown;
    bool fits = readable && has_method(route, head->method);
    if (fault == DV_HEAD_BODY && fits && route->body != NULL)
        fault = DV_HEAD_SOUND;
    struct dv_verdict verdict = dv_auth_judge(&server->auth, head, fault, route->access);
    *ret_route = route;
    if (verdict.status != 0)
        return verdict;
    if (route->answer == NULL) {
        refuse_as(&verdict, 404, "There is nothing at this path.");
    } else if (!fits) {
        refuse_as(&verdict, 405, "This path is not served by this method.");
        verdict.allow = allowed_at(head->path);
    } else if (route->body != NULL) {
        route->body(server, head, &verdict);
    }
    return verdict;
}

struct dv_verdict dv_routes_judge(const struct dv_server *server, const struct dv_head *head, enum dv_head_fault fault)
{
    const struct route *route = NULL;
    return judge(server, head, fault, &route);
}

void dv_routes_refuse(h2o_req_t *request, const struct dv_verdict *verdict)
{
    int status = verdict->status;
    if (status == 401)
        dv_reply_header(request, "www-authenticate", DV_CHALLENGE);
    if (verdict->allow != NULL)
        dv_reply_header(request, "allow", verdict->allow);
    if (verdict->retry_after_s != 0)
        dv_reply_header(request, "retry-after", verdict->retry_after_s > 1 ? "5" : "1");
    /* After a head that can be read in two ways nobody knows where the next one begins. */
    if (status == 400 || status == 411 || status == 413 || status == 414 || status == 431)
        request->http1_is_persistent = 0;
    dv_reply_problem(request, status, verdict->detail);
}

static void dispatch(struct dv_server *server, h2o_req_t *request)
{
    h2o_socket_t *socket = request->conn->callbacks->get_socket(request->conn);
    struct dv_head head;
    enum dv_head_fault fault = dv_head_scan(socket->input->bytes, socket->input->size, &head);
    const struct route *route = NULL;
    struct dv_verdict verdict = judge(server, &head, fault, &route);
    struct dv_call call = { .server = server, .request = request, .head = &head, .trusted = verdict.trusted };
    if (verdict.status != 0)
        dv_routes_refuse(request, &verdict);
    else
        route->answer(&call);
    /* Records are in memory as long as they must be, and no longer. */
    if (request->entity.base != NULL)
        explicit_bzero(request->entity.base, request->entity.len);
}

void dv_routes_count(struct dv_server *server, const h2o_req_t *request)
{
    unsigned class = (unsigned)request->res.status / 100;
    DV_ASSERT(class < DV_STATUS_CLASSES);
    server->responses[class]++;
}

static int on_request(h2o_handler_t *self, h2o_req_t *request)
{
    struct dv_server *server = ((struct handler *)self)->server;
    /* HTTP/2 is off in every way it could come in, and the second look at the head is for HTTP/1 alone. */
    DV_ASSERT(request->version < 0x200);
    dispatch(server, request);
    if (request->res.status != 0) /* else it is answered later */
        dv_routes_count(server, request);
    return 0;
}

void dv_routes_register(struct dv_server *server, h2o_pathconf_t *path)
{
    struct handler *handler = (struct handler *)h2o_create_handler(path, sizeof *handler);
    handler->super.on_req = on_request;
    handler->server = server;
}
