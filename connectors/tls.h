/* SPDX-License-Identifier: Apache-2.0
 * tls.h - TLS for sockets that are somebody else's, on both sides: contexts, and sessions between two memory buffers.
 *
 * TLS 1.2 or later. A client always verifies the server's chain and name (or address); a server verifies its clients if
 * it is given what may sign them. */
#ifndef DV_CONNECTORS_TLS_H
#define DV_CONNECTORS_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

struct dv_log_pair;
struct ssl_ctx_st;

/* A context for clients, which trusts the certificates in the file `ca`, or the system's if that is NULL. DV_E_CONFIG.
 * Free with dv_tls_context_free(). */
DV_CHECKED dv_rc dv_tls_client(struct ssl_ctx_st **ret_context, const char *ca, struct dv_error *error);

/* The one application protocol of a server. */
enum dv_tls_protocol {
    DV_TLS_HTTP1, /* agreed upon if the client offers anything */
    DV_TLS_H2,    /* who does not offer it is turned away */
};

/* What a server shows and asks for; PEM files. */
struct dv_tls_server {
    const char *cert, *key;
    const char *client_ca; /* who may sign the clients' certificates, which then are asked for; or NULL */
    enum dv_tls_protocol protocol;
};

/* A context for a server. DV_E_CONFIG. Free with dv_tls_context_free(). */
DV_CHECKED dv_rc dv_tls_server(struct ssl_ctx_st **ret_context, const struct dv_tls_server *server,
                               struct dv_error *error);

/* Accepts NULL. */
void dv_tls_context_free(struct ssl_ctx_st *context);

/* A session. Zero-initialise; pointers are OpenSSL's objects. */
struct dv_tls {
    struct ssl_st *session; /* of the present connection, or NULL */
    struct bio_st *in, *out;
    bool secured; /* the handshake is over */
};

enum dv_tls_step { DV_TLS_MORE, DV_TLS_DONE, DV_TLS_FAILED };

/* Begins a connection to `host`, or one that a client has made. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_tls_connect(struct dv_tls *tls, struct ssl_ctx_st *context, const char *host);
DV_CHECKED dv_rc dv_tls_accept(struct dv_tls *tls, struct ssl_ctx_st *context);

/* Goes on with the handshake; *ret_reason gets why it failed, a literal. */
enum dv_tls_step dv_tls_handshake(struct dv_tls *tls, const char **ret_reason);

/* After a failed handshake: the other side showed a certificate that is not accepted, which no other attempt will change. */
bool dv_tls_mistrusts(const struct dv_tls *tls);

/* After a server's failed handshake: `why` for the log. */
struct dv_log_pair dv_tls_refusal(const struct dv_tls *tls);

/* Takes in what came from the socket. False: no memory. */
bool dv_tls_feed(struct dv_tls *tls, const char *bytes, size_t length);

/* Clear text into `buffer`: DV_TLS_DONE and its length, DV_TLS_MORE: none now, DV_TLS_FAILED: the stream is broken or at
 * its end. */
enum dv_tls_step dv_tls_read(struct dv_tls *tls, char *buffer, size_t size, size_t *ret_length);

/* Takes clear text to be sent. False: the session is broken. */
bool dv_tls_write(struct dv_tls *tls, const char *bytes, size_t length);

/* Bytes that wait to go to the socket, and taking them. */
size_t dv_tls_pending(const struct dv_tls *tls);
size_t dv_tls_take(struct dv_tls *tls, char *buffer, size_t size);

/* Ends the session; accepts a zeroed one. */
void dv_tls_stop(struct dv_tls *tls);

#endif
