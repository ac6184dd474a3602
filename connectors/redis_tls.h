/* SPDX-License-Identifier: Apache-2.0
 * redis_tls.h - TLS for a client whose socket is somebody else's: bytes in, bytes out, by OpenSSL over memory.
 *
 * TLS 1.2 or later; the certificate's chain and the server's name (or address) are verified, always. */
#ifndef DV_CONNECTORS_REDIS_TLS_H
#define DV_CONNECTORS_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

/* Zero-initialise; pointers are OpenSSL's objects. */
struct dv_redis_tls {
    struct ssl_ctx_st *context;
    struct ssl_st *session; /* of the present connection, or NULL */
    struct bio_st *in, *out;
    bool secured; /* the handshake is over */
};

enum dv_tls_step { DV_TLS_MORE, DV_TLS_DONE, DV_TLS_FAILED };

/* Loads what is trusted: the certificates in the file `ca`, or the system's if that is NULL. DV_E_CONFIG. */
DV_CHECKED dv_rc dv_redis_tls_init(struct dv_redis_tls *tls, const char *ca, struct dv_error *error);

/* Begins a connection to `host`. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_redis_tls_start(struct dv_redis_tls *tls, const char *host);

/* Goes on with the handshake; *ret_reason gets why it failed, a literal. */
enum dv_tls_step dv_redis_tls_handshake(struct dv_redis_tls *tls, const char **ret_reason);

/* After a failed handshake: the server showed a certificate that is not accepted, which no other attempt will change. */
bool dv_redis_tls_mistrusts(const struct dv_redis_tls *tls);

/* Takes in what came from the socket. False: no memory. */
bool dv_redis_tls_feed(struct dv_redis_tls *tls, const char *bytes, size_t length);

/* Clear text into `buffer`: DV_TLS_DONE and its length, DV_TLS_MORE: none now, DV_TLS_FAILED: the stream is broken or at
 * its end. */
enum dv_tls_step dv_redis_tls_read(struct dv_redis_tls *tls, char *buffer, size_t size, size_t *ret_length);

/* Takes clear text to be sent. False: the session is broken. */
bool dv_redis_tls_write(struct dv_redis_tls *tls, const char *bytes, size_t length);

/* Bytes that wait to go to the socket, and taking them. */
size_t dv_redis_tls_pending(const struct dv_redis_tls *tls);
size_t dv_redis_tls_take(struct dv_redis_tls *tls, char *buffer, size_t size);

/* Ends the connection; the trusted certificates stay. */
void dv_redis_tls_stop(struct dv_redis_tls *tls);

/* Accepts a zeroed object. */
void dv_redis_tls_free(struct dv_redis_tls *tls);

#endif
