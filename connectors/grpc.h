/* SPDX-License-Identifier: Apache-2.0
 * grpc.h - a gRPC server on the loop: HTTP/2 by nghttp2, TLS by tls.h. It knows methods by their paths and nothing of
 * what they are for.
 *
 * A caller gives a table of methods and gets calls. The messages of a call are handed to take(), which answers them with
 * dv_grpc_send() and dv_grpc_finish(), then or later. take() may answer DV_GRPC_LATER: the message stays, nothing more of
 * the call is read, and HTTP/2's flow control holds the client back, until dv_grpc_resume().
 *
 * Whoever keeps a call for later takes a reference. A call can be over at any time (cancelled, past its deadline, its
 * connection lost): ended() tells so, and answers to it go nowhere. All that clients can make the server keep is bounded;
 * what held messages is wiped. Health (grpc.health.v1) and, if it is switched on, reflection are served besides. */
#ifndef DV_CONNECTORS_GRPC_H
#define DV_CONNECTORS_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connectors/bearer.h"
#include "connectors/listen.h"
#include "engine/loop.h"

struct dv_grpc_call;
struct dv_grpc_server;
struct ssl_ctx_st;

enum dv_grpc_status {
    DV_GRPC_OK = 0,
    DV_GRPC_CANCELLED = 1,
    DV_GRPC_INVALID_ARGUMENT = 3,
    DV_GRPC_DEADLINE_EXCEEDED = 4,
    DV_GRPC_NOT_FOUND = 5,
    DV_GRPC_PERMISSION_DENIED = 7,
    DV_GRPC_RESOURCE_EXHAUSTED = 8,
    DV_GRPC_UNIMPLEMENTED = 12,
    DV_GRPC_INTERNAL = 13,
    DV_GRPC_UNAVAILABLE = 14,
    DV_GRPC_DATA_LOSS = 15,
    DV_GRPC_UNAUTHENTICATED = 16,
};

/* What take() says of a message. */
enum dv_grpc_taken { DV_GRPC_TAKEN, DV_GRPC_LATER };

/* A method; callbacks never see a call that is over. */
struct dv_grpc_method {
    const char *path;              /* "/package.Service/Method" */
    bool client_streams;           /* else a call has exactly one message, which take() gets when it is whole */
    const struct dv_bearer *token; /* who may call; NULL or not set: anybody who reaches the server */
    enum dv_grpc_taken (*take)(struct dv_grpc_call *call, const uint8_t *message, size_t length);
    void (*half_closed)(struct dv_grpc_call *call); /* a client that streams has sent all; may be NULL */
    void (*ended)(struct dv_grpc_call *call);       /* over before it was finished; may be NULL */
};

enum { DV_GRPC_METHODS_MAX = 16, DV_GRPC_CALL_DATA = 96 /* bytes of the caller's in each call */ };

/* What dv_grpc_open() needs; what is pointed to must live as long as the server. */
struct dv_grpc_config {
    struct dv_loop *loop;
    const char *name;   /* for the log, a DV_NAME */
    const char *listen; /* the text of `where` */
    struct dv_listen where;
    struct ssl_ctx_st *tls; /* a server's context for h2, or NULL; the caller's */
    const struct dv_grpc_method *methods;
    uint32_t method_count;
    const struct dv_bearer *token; /* for reflection, and who shows it is known: see UNAUTHENTICATED */
    bool reflection;
    uint32_t connections_max;
    uint32_t streams_max; /* at a time, of each connection */
    size_t message_max;
    size_t buffer_max;     /* of all messages that are not whole or held */
    uint64_t stall_ms;     /* how long a client may leave an answer unread */
    uint64_t keepalive_ms; /* a silent connection is asked for a sign of life after so long */
    void *data;            /* the caller's */
};

/* Listens. Errors: DV_E_IO (the address), DV_E_MEMORY. */
DV_CHECKED dv_rc dv_grpc_open(struct dv_grpc_server **ret_server, const struct dv_grpc_config *config,
                              struct dv_error *error);

/* Begins to end: health says NOT_SERVING, new calls are UNAVAILABLE, clients are told to go elsewhere; calls that are
 * under way go on. */
void dv_grpc_drain(struct dv_grpc_server *server);

/* Ends: what is finished is still sent as far as the sockets take it, the rest is cut off, with no callbacks. The loop
 * must run on until its handles are gone. Accepts NULL. */
void dv_grpc_close(struct dv_grpc_server *server);

/* The port that is listened on. */
uint16_t dv_grpc_port(const struct dv_grpc_server *server);

/* ---- calls ---- */

/* What the caller keeps with a call: DV_GRPC_CALL_DATA bytes, zero at first. */
void *dv_grpc_call_data(struct dv_grpc_call *call);

/* The `data` of the server's configuration, and the method that was called. */
void *dv_grpc_server_data(const struct dv_grpc_call *call);
const struct dv_grpc_method *dv_grpc_call_method(const struct dv_grpc_call *call);

/* References. */
struct dv_grpc_call *dv_grpc_ref(struct dv_grpc_call *call);
void dv_grpc_unref(struct dv_grpc_call *call);

/* Sends a message, which is copied. False: the call is over, or there is no memory for it, which ends it. */
bool dv_grpc_send(struct dv_grpc_call *call, const void *message, size_t length);

/* Finishes the call with a status and a text that holds no value. A call that is over is left as it is. */
void dv_grpc_finish(struct dv_grpc_call *call, enum dv_grpc_status status, const char *text);

/* After DV_GRPC_LATER: takes up the call again, by way of the loop. */
void dv_grpc_resume(struct dv_grpc_call *call);

/* Whether the answer is finished, or nobody waits for it any more. */
bool dv_grpc_is_over(const struct dv_grpc_call *call);

/* Bytes of answers that the client has not taken yet. */
size_t dv_grpc_unsent(const struct dv_grpc_call *call);

#endif
