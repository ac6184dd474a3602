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
#include "operators/ingest_outcome.h"

struct dv_conversations;
struct dv_ingest_answer;
struct dv_ingest_request;
struct dv_source_http;

enum { DV_STATUS_CLASSES = 6, DV_STATS_BYTES = 64 * 1024, DV_REFUSAL_BYTES = 2048 };

#define DV_CHALLENGE "Bearer realm=\"datavault\""

/* One accepted connection. */
struct dv_connection {
    struct dv_cured_tcp cured; /* first: libuv's handle is the connection */
    struct dv_server *server;
    h2o_linklist_t link;
    size_t queued;           /* bytes that waited to be written at the last look */
    uint64_t stuck_since_ns; /* since when none of them has left */
    uint64_t busy_since_ns;  /* since when there are some at every look */
    h2o_socket_t *socket;
    uint64_t body_bytes;     /* of the body that is being read: it was admitted */
    bool refused;            /* it was not: what else comes is thrown away */
    char refusal[DV_REFUSAL_BYTES];
};

enum dv_review_verdict { DV_REVIEW_GOOD, DV_REVIEW_BAD, DV_REVIEW_VERDICTS };
enum { DV_REVIEW_KEY = 32, DV_REVIEWS_KNOWN = 1024 };

/* One that is durable. */
struct dv_review_known {
    uint8_t key[DV_REVIEW_KEY]; /* of answer and token; all zero: none */
    uint8_t id[16];             /* of the record */
    enum dv_review_verdict verdict;
};

/* How answers were judged since the start, and the newest of these. */
struct dv_reviews {
    uint64_t total[DV_REVIEW_VERDICTS];
    struct dv_review_known known[DV_REVIEWS_KNOWN];
    uint32_t next; /* to be forgotten */
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
    uint64_t body_bytes, body_bytes_max; /* of bodies that are being read */
    h2o_linklist_t waiting;              /* requests that are answered when they are durable */
    h2o_linklist_t queries;              /* questions without an answer */
    h2o_linklist_t conversing;           /* requests that the store of conversations has */
    struct dv_replies *replies;
    struct dv_reviews reviews;
    struct dv_server_reload reload;
    struct caller *reload_caller; /* who waits for the reload under way, or NULL */
    bool reload_begins;           /* its end may be told before begin() returns */
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

/* What a route's answer is given. */
struct dv_call {
    struct dv_server *server;
    h2o_req_t *request;
    const struct dv_head *head;
    bool trusted;
};

/* Handles every request; one handler of h2o's, which finds the server behind itself. */
void dv_routes_register(struct dv_server *server, h2o_pathconf_t *path);

/* Whether a request may be served, by its head alone; and the answer if not. */
struct dv_verdict dv_routes_judge(const struct dv_server *server, const struct dv_head *head, enum dv_head_fault fault);
void dv_routes_refuse(h2o_req_t *request, const struct dv_verdict *verdict);

/* Counts an answer that has a status now. */
void dv_routes_count(struct dv_server *server, const h2o_req_t *request);

/* Looks at what a connection has sent so far, after h2o has: a body that will not be taken is refused before it is
 * read. */
void dv_gate_look(struct dv_connection *connection);

/* A connection is gone. */
void dv_gate_leave(struct dv_connection *connection);

/* POST /v1/ingest and /v1/ingest/NODE: whether the body may come, the answer, which is often given later, and the
 * requests that have waited too long. */
void dv_ingest_judge(const struct dv_server *server, const struct dv_head *head, struct dv_verdict *verdict);
void dv_ingest_reply(const struct dv_call *call);
void dv_ingest_sweep(struct dv_server *server);

/* Which sources a route puts bodies into, and what it says where there is none of them; literals. */
struct dv_taker {
    const char *path;
    bool (*takes)(const struct dv_server *server, uint32_t node); /* of `from: http` that one; NULL: every one */
    const char *none, *none_named, *several;
};

/* The route's source: of the name behind its path, or the only one; NULL with a reason. */
struct dv_source_http *dv_ingest_find_source(const struct dv_server *server, struct dv_span path, const struct dv_taker *taker,
                                             const char **ret_reason);

/* What a head says against a body of one JSON object for the source. */
void dv_ingest_judge_one(const struct dv_server *server, struct dv_source_http *source, const struct dv_head *head,
                         struct dv_verdict *verdict);

/* Answers a request whose records are durable. */
typedef void (*dv_ingest_durable)(struct dv_server *server, h2o_req_t *request, const struct dv_ingest_answer *answer, void *data);

/* Puts a request's records into the source. It is answered by `durable`, or told why not, also when it takes too long. */
void dv_ingest_take(const struct dv_call *call, struct dv_source_http *source, struct dv_ingest_request request,
                    dv_ingest_durable durable, void *data);

/* The answers to a request that found no room, or was no record. */
void dv_ingest_reply_full(h2o_req_t *request, enum dv_ingest_outcome outcome);
void dv_ingest_reply_refused(h2o_req_t *request, const struct dv_ingest_answer *answer);

/* POST /v1/query and /v1/query/NODE: the same for questions, whose answer is what a `sink-reply` hands over. */
void dv_query_judge(const struct dv_server *server, const struct dv_head *head, struct dv_verdict *verdict);
void dv_query_reply(const struct dv_call *call);
void dv_query_sweep(struct dv_server *server);

/* /v1/conversations and /v1/conversations/ID: making one, looking, erasing. */
void dv_conversation_reply(const struct dv_call *call);
void dv_conversation_sweep(struct dv_server *server);

/* What a question says of its conversation. */
struct dv_conversation_named {
    uint8_t id[16];
    uint8_t asker[16];
    struct dv_conversations *store; /* NULL: it names none */
    bool known;                     /* `asker` is */
    const char *fault;              /* it is no such question: a literal, or NULL */
};

/* Reads it, and who asks. */
void dv_conversation_name(const struct dv_call *call, struct dv_conversation_named *ret);

struct dv_conversations_request;

/* Why there is no answer to a request of a conversation's: status and words. */
struct dv_verdict dv_conversation_fault(const struct dv_conversations_request *asked);

/* POST /v1/reviews and /v1/reviews/NODE: what somebody says of an answer. */
void dv_review_judge(const struct dv_server *server, const struct dv_head *head, struct dv_verdict *verdict);
void dv_review_reply(const struct dv_call *call);

/* POST /v1/reload. */
void dv_reload_reply(const struct dv_call *call);

/* The longest body that any source of the graph takes; 0 if there is none. */
uint64_t dv_ingest_body_max(const struct dv_graph *graph);

/* The bodies of the routes. */
void dv_graph_json(struct dv_json *json, const void *server);
void dv_stats_json(struct dv_json *json, const void *server);

/* What is amiss with a node, also if it can go on: "" if all is well. */
const char *dv_health_trouble(const struct dv_server *server, struct dv_node *node);

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
