/* SPDX-License-Identifier: Apache-2.0
 * server_internal.h - what the files of the server share. */
#ifndef DV_DASHBOARD_SERVER_INTERNAL_H
#define DV_DASHBOARD_SERVER_INTERNAL_H

#include <h2o.h>

#include "dashboard/server/auth.h"
#include "dashboard/server/head.h"
#include "dashboard/server/server.h"
#include "dashboard/server/sse.h"
#include "dashboard/server/tls_cure.h"
#include "engine/json.h"
#include "engine/stats.h"

enum { DV_STATUS_CLASSES = 6, DV_STATS_BYTES = 64 * 1024 };

/* One accepted connection. */
struct dv_connection {
    struct dv_cured_tcp cured; /* first: libuv's handle is the connection */
    struct dv_server *server;
    h2o_linklist_t link;
    size_t queued;           /* bytes that waited to be written at the last look */
    uint64_t stuck_since_ns; /* since when none of them has left */
    uint64_t busy_since_ns;  /* since when there are some at every look */
};

/* The server. */
struct dv_server {
    struct dv_graph *graph;
    struct dv_feed *feed;
    struct dv_loop *loop;
    uv_loop_t *uv;
    struct dv_dead_letters *letters;

    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    uv_tcp_t listener;
    uint16_t port;
    struct dv_auth auth;
    struct dv_hub hub;

    h2o_linklist_t connections;
    uint32_t connection_count, connections_max;
    bool accept_owed; /* a connection waits in the listener for memory */
    uint64_t connections_refused, connections_stalled;
    uint64_t responses[DV_STATUS_CLASSES]; /* by the status's first digit */

    struct dv_timer tick;
    uint64_t started_ns;

    bool ready;
    bool stalled; /* the feed was told */
    bool stopping;
    bool stopped;
    uint64_t stop_due_ns;
    dv_server_stopped on_stopped;
    void *on_stopped_data;

    char stats[DV_STATS_BYTES]; /* the event of this second */
};

/* Handles every request; one handler of h2o's, which finds the server behind itself. */
void dv_routes_register(struct dv_server *server, h2o_pathconf_t *path);

/* The bodies of the routes. */
void dv_graph_json(struct dv_json *json, const void *server);
void dv_stats_json(struct dv_json *json, const void *server);

/* Why a node does not work now, or NULL. */
const char *dv_health_of(const struct dv_server *server, struct dv_node *node);

/* The node's circuit breaker as members of an open object: nothing if it depends on nothing outside. */
void dv_circuit_json(struct dv_json *json, const struct dv_server *server, const struct dv_node *node);

/* Who holds everything up since when, or "ok". */
void dv_stall_json(struct dv_json *json, const struct dv_server *server);

/* Whether everything works; what does not is told in the JSON. */
bool dv_health_ready(const struct dv_server *server);
void dv_health_json(struct dv_json *json, const void *server);

/* GET /metrics. */
void dv_metrics_reply(const struct dv_server *server, h2o_req_t *request, const struct dv_head *head);

/* The files of the page: whether `path` is one, and the answer; false if it is none. */
bool dv_page_has(struct dv_span path);
bool dv_page_reply(h2o_req_t *request, const struct dv_head *head);

#endif
