/* SPDX-License-Identifier: Apache-2.0
 * server.h - the HTTP server of a running graph: health, metrics, the graph, its statistics and its live feed.
 *
 * One listener on the graph's own loop. It speaks HTTP/1.1, with TLS where a certificate is given, and never HTTP/2:
 * this h2o has no cure for rapid resets. Only POST /v1/ingest and /v1/query take request bodies. A loopback address needs nothing else; any other
 * address needs a token and a certificate, and the server does not start without them. Nothing ever waits for a slow
 * client. */
#ifndef DV_DASHBOARD_SERVER_H
#define DV_DASHBOARD_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/dead_letter.h"
#include "engine/error.h"
#include "engine/feed.h"
#include "engine/graph.h"
#include "engine/loop.h"
#include "engine/reload.h"
#include "engine/replies.h"

struct dv_server;

/* What POST /v1/reload begins, as dv_graph_reload() says. */
struct dv_server_reload {
    dv_rc (*begin)(void *data, dv_reload_done done, void *done_data); /* NULL: nothing can be reloaded */
    void *data;
};

/* How to serve. All is lent for the call of dv_server_start(), except `dead_letters` and `replies`. */
struct dv_server_config {
    const char *listen;                   /* "127.0.0.1:8080", "[::1]:8080", "localhost:0" (any free port) */
    const char *token;                    /* a secret's reference ("file:var/token"), or NULL */
    const char *tls_cert;                 /* PEM file with the chain, or NULL */
    const char *tls_key;                  /* PEM file, or NULL */
    uint32_t streams_max;                 /* clients of /v1/events at a time; 0 means 256 */
    uint32_t connections_max;             /* connections at a time; 0 means 1024 */
    struct dv_dead_letters *dead_letters; /* for /readyz, or NULL */
    struct dv_replies *replies;           /* where answers to POST /v1/query come from, or NULL: nobody can ask */
    struct dv_server_reload reload;
};

/* Tells that the server has stopped: no connection is left. Called once, from the loop. */
typedef void (*dv_server_stopped)(struct dv_server *server, void *data);

/* Listens and serves on `loop`. Not ready until dv_server_ready(). DV_E_CONFIG with the mend in *error if the settings
 * are wrong or unsafe, DV_E_IO if the address cannot be had. `graph`, `feed` and `loop` must outlive the server.
 * Ignores SIGPIPE for the process. Not to be called from inside the loop. */
DV_CHECKED dv_rc dv_server_start(struct dv_server **ret, const struct dv_server_config *config, struct dv_graph *graph,
                                 struct dv_feed *feed, struct dv_loop_real *loop, struct dv_error *error);

/* What /readyz says about the process as a whole: false while it starts and while it drains. */
void dv_server_ready(struct dv_server *server, bool ready);

/* The port it listens on. */
uint16_t dv_server_port(const struct dv_server *server);

/* Whether it speaks TLS. */
bool dv_server_is_tls(const struct dv_server *server);

/* Closes the listener, says goodbye to the streams, gives replies at most 2 s to leave, then tells `stopped`. */
void dv_server_stop(struct dv_server *server, dv_server_stopped stopped, void *data);

/* Gives everything back. After `stopped`, and not from inside the loop: it turns the loop once. Accepts NULL. */
void dv_server_free(struct dv_server *server);

#endif
