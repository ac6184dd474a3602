/* SPDX-License-Identifier: Apache-2.0
 * tls.c - the TLS context: 1.2 and later, no tickets, no renegotiation, and no protocol but HTTP/1.1. */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "dashboard/server/listen.h"

/* Answers "http/1.1" if the client offers it, and nothing otherwise, so that HTTP/2 can never be agreed upon. */
static int select_http1(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                        unsigned in_length, void *data)
{
    (void)ssl;
    (void)data;
    static const unsigned char ours[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_length, ours, sizeof ours, in, in_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static dv_rc load(SSL_CTX *context, const char *cert, const char *key, struct dv_error *error)
{
    ERR_clear_error();
    dv_rc rc = DV_OK;
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        rc = dv_error_set(error, DV_E_CONFIG, "tls_cert: %s cannot be read as a PEM certificate chain", cert);
    else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        rc = dv_error_set(error, DV_E_CONFIG, "tls_key: %s cannot be read as the PEM key of %s", key, cert);
    else if (SSL_CTX_check_private_key(context) != 1)
        rc = dv_error_set(error, DV_E_CONFIG, "tls_key: %s is not the key of %s", key, cert);
    ERR_clear_error();
    return rc;
}

SSL_CTX *dv_tls_new(const char *cert, const char *key, struct dv_error *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        (void)dv_error_set(error, DV_E_FAILED, "TLS cannot be set up");
        return NULL;
    }
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_num_tickets(context, 0);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, select_http1, NULL);
    if (dv_is_error(load(context, cert, key, error))) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}
