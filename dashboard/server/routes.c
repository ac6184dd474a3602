/* SPDX-License-Identifier: Apache-2.0
 * routes.c - one table of routes, and the one way every request goes: scan, route, judge, method, answer. */
#include <string.h>

#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"

/* What a route's answer is given. */
struct call {
    struct dv_server *server;
    h2o_req_t *request;
    const struct dv_head *head;
    bool trusted;
};

struct route {
    const char *path;
    enum dv_access access;
    void (*answer)(const struct call *call);
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

static void answer_livez(const struct call *call)
{
    dv_reply_json(call->request, 200, make_status, "ok");
}

static void answer_readyz(const struct call *call)
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

static void answer_metrics(const struct call *call)
{
    dv_metrics_reply(call->server, call->request, call->head);
}

static void answer_graph(const struct call *call)
{
    dv_reply_json(call->request, 200, dv_graph_json, call->server);
}

static void answer_stats(const struct call *call)
{
    dv_reply_json(call->request, 200, dv_stats_json, call->server);
}

static void answer_events(const struct call *call)
{
    dv_hub_open(&call->server->hub, call->request, call->head);
}

static void answer_page(const struct call *call)
{
    bool found = dv_page_reply(call->request, call->head);
    DV_ASSERT(found);
}

static const struct route routes[] = {
    { "/livez", DV_ACCESS_OPEN, answer_livez },
    { "/readyz", DV_ACCESS_OPEN, answer_readyz },
    { "/metrics", DV_ACCESS_TOKEN, answer_metrics },
    { "/v1/graph", DV_ACCESS_TOKEN, answer_graph },
    { "/v1/stats", DV_ACCESS_TOKEN, answer_stats },
    { "/v1/events", DV_ACCESS_TOKEN, answer_events },
};

static const struct route page = { "", DV_ACCESS_OPEN, answer_page };
static const struct route unknown = { "", DV_ACCESS_OPEN, NULL };
/* What is not there under /v1 is nobody's business without the token. */
static const struct route unknown_v1 = { "", DV_ACCESS_TOKEN, NULL };

static const struct route *find_route(struct dv_span path)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (dv_span_is(path, routes[i].path))
            return &routes[i];
    if (dv_page_has(path))
        return &page;
    return path.length >= 3 && memcmp(path.text, "/v1", 3) == 0 ? &unknown_v1 : &unknown;
}

static void refuse(h2o_req_t *request, int status, const char *detail)
{
    if (status == 401)
        dv_reply_header(request, "www-authenticate", "Bearer realm=\"datavault\"");
    if (status == 405)
        dv_reply_header(request, "allow", "GET, HEAD");
    /* After a head that can be read in two ways nobody knows where the next one begins. */
    if (status == 400 || status == 413 || status == 414 || status == 431)
        request->http1_is_persistent = 0;
    dv_reply_problem(request, status, detail);
}

static void dispatch(struct dv_server *server, h2o_req_t *request)
{
    h2o_socket_t *socket = request->conn->callbacks->get_socket(request->conn);
    struct dv_head head;
    enum dv_head_fault fault = dv_head_scan(socket->input->bytes, socket->input->size, &head);
    const struct route *route = fault == DV_HEAD_SOUND ? find_route(head.path) : &unknown;
    struct dv_verdict verdict = dv_auth_judge(&server->auth, &head, fault, route->access);
    struct call call = { .server = server, .request = request, .head = &head, .trusted = verdict.trusted };
    if (verdict.status != 0)
        refuse(request, verdict.status, verdict.detail);
    else if (route->answer == NULL)
        refuse(request, 404, "There is nothing at this path.");
    else if (!dv_span_is(head.method, "GET") && !dv_span_is(head.method, "HEAD"))
        refuse(request, 405, "Only GET and HEAD are served here.");
    else
        route->answer(&call);
}

static int on_request(h2o_handler_t *self, h2o_req_t *request)
{
    struct dv_server *server = ((struct handler *)self)->server;
    /* HTTP/2 is off in every way it could come in, and the second look at the head is for HTTP/1 alone. */
    DV_ASSERT(request->version < 0x200);
    dispatch(server, request);
    unsigned class = (unsigned)request->res.status / 100;
    DV_ASSERT(class < DV_STATUS_CLASSES);
    server->responses[class]++;
    return 0;
}

void dv_routes_register(struct dv_server *server, h2o_pathconf_t *path)
{
    struct handler *handler = (struct handler *)h2o_create_handler(path, sizeof *handler);
    handler->super.on_req = on_request;
    handler->server = server;
}
