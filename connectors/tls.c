/* SPDX-License-Identifier: Apache-2.0
 * tls.c - contexts with the rules that hold everywhere, and OpenSSL sessions between two memory buffers. */
#include "connectors/tls.h"
#include "engine/log.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

static bool trust(SSL_CTX *context, const char *ca)
{
    if (ca == NULL)
        return SSL_CTX_set_default_verify_paths(context) == 1;
    return SSL_CTX_load_verify_locations(context, ca, NULL) == 1;
}

/* What holds on both sides. NULL: no memory. */
static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL)
        return NULL;
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

dv_rc dv_tls_client(struct ssl_ctx_st **ret_context, const char *ca, struct dv_error *error)
{
    SSL_CTX *context = new_context(TLS_client_method());
    if (context == NULL)
        return dv_error_set(error, DV_E_MEMORY, "TLS cannot be set up");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (!trust(context, ca)) {
        ERR_clear_error();
        SSL_CTX_free(context);
        return dv_error_set(error, DV_E_CONFIG, "%s: no certificates can be read from it",
                            ca != NULL ? ca : "the system's CA");
    }
    *ret_context = context;
    return DV_OK;
}

/* A protocol's name behind its length, as ALPN has it. */
struct protocol {
    unsigned char length;
    unsigned char name[9];
    bool must_agree;
};
static const struct protocol protocols[] = {
    [DV_TLS_HTTP1] = { 8, "http/1.1", false },
    [DV_TLS_H2] = { 2, "h2", true },
};

/* Answers with our one protocol if the client offers it, so that no other can ever be agreed upon. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                           unsigned in_length, void *data)
{
    (void)ssl;
    const struct protocol *ours = data;
    for (unsigned i = 0; i < in_length && in[i] < in_length - i; i += in[i] + 1u) {
        if (in[i] != ours->length || memcmp(in + i + 1, ours->name, ours->length) != 0)
            continue;
        *out = ours->name;
        *out_length = ours->length;
        return SSL_TLSEXT_ERR_OK;
    }
    return ours->must_agree ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* Clients must show a certificate that is signed by one of `ca`. */
static bool ask_for_certificates(SSL_CTX *context, const char *ca)
{
    static const unsigned char name[] = "datavault";
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);
    if (names == NULL || !trust(context, ca)) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return false;
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return SSL_CTX_set_session_id_context(context, name, sizeof name - 1) == 1;
}

static dv_rc load_files(SSL_CTX *context, const struct dv_tls_server *server, struct dv_error *error)
{
    if (SSL_CTX_use_certificate_chain_file(context, server->cert) != 1)
        return dv_error_set(error, DV_E_CONFIG, "tls_cert: %s cannot be read as a PEM certificate chain", server->cert);
    if (SSL_CTX_use_PrivateKey_file(context, server->key, SSL_FILETYPE_PEM) != 1)
        return dv_error_set(error, DV_E_CONFIG, "tls_key: %s cannot be read as the PEM key of %s", server->key,
                            server->cert);
    if (SSL_CTX_check_private_key(context) != 1)
        return dv_error_set(error, DV_E_CONFIG, "tls_key: %s is not the key of %s", server->key, server->cert);
    if (server->client_ca != NULL && !ask_for_certificates(context, server->client_ca))
        return dv_error_set(error, DV_E_CONFIG, "client_ca: %s cannot be read as PEM certificates", server->client_ca);
    return DV_OK;
}

dv_rc dv_tls_server(struct ssl_ctx_st **ret_context, const struct dv_tls_server *server, struct dv_error *error)
{
    struct protocol *protocol = NULL;
    const struct protocol *const chosen = &protocols[server->protocol];
    memcpy(&protocol, &chosen, sizeof protocol); /* OpenSSL's parameter is not const */
    SSL_CTX *context = new_context(TLS_server_method());
    if (context == NULL)
        return dv_error_set(error, DV_E_MEMORY, "TLS cannot be set up");
    (void)SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, protocol);
    ERR_clear_error();
    dv_rc rc = load_files(context, server, error);
    ERR_clear_error();
    if (rc == DV_OK)
        *ret_context = context;
    else
        SSL_CTX_free(context);
    return rc;
}

void dv_tls_context_free(struct ssl_ctx_st *context)
{
    SSL_CTX_free(context);
}

static bool is_address(const char *host)
{
    struct in6_addr scratch;
    return inet_pton(AF_INET, host, &scratch) == 1 || inet_pton(AF_INET6, host, &scratch) == 1;
}

/* The name that the certificate must be for. */
static bool expect(SSL *session, const char *host)
{
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1;
    SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
}

static dv_rc begin(struct dv_tls *tls, SSL_CTX *context, const char *host)
{
    DV_ASSERT(context != NULL && tls->session == NULL);
    SSL *session = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    if (session == NULL || in == NULL || out == NULL || (host != NULL && !expect(session, host))) {
        SSL_free(session);
        (void)BIO_free(in);
        (void)BIO_free(out);
        return DV_E_MEMORY;
    }
    SSL_set_bio(session, in, out);
    *tls = (struct dv_tls){ .session = session, .in = in, .out = out };
    return DV_OK;
}

dv_rc dv_tls_connect(struct dv_tls *tls, struct ssl_ctx_st *context, const char *host)
{
    DV_TRY(begin(tls, context, host));
    SSL_set_connect_state(tls->session);
    return DV_OK;
}

dv_rc dv_tls_accept(struct dv_tls *tls, struct ssl_ctx_st *context)
{
    DV_TRY(begin(tls, context, NULL));
    SSL_set_accept_state(tls->session);
    return DV_OK;
}

static const char *why_refused(const SSL *session)
{
    switch (SSL_get_verify_result(session)) {
    case X509_V_OK: return "the TLS handshake failed";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "the server's certificate is for another name";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "the server's certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "the server's certificate is not valid yet";
    default: return "the server's certificate is signed by nobody that is trusted: set `ca`";
    }
}

enum dv_tls_step dv_tls_handshake(struct dv_tls *tls, const char **ret_reason)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->session);
    if (result == 1) {
        tls->secured = true;
        return DV_TLS_DONE;
    }
    if (SSL_get_error(tls->session, result) == SSL_ERROR_WANT_READ)
        return DV_TLS_MORE;
    *ret_reason = why_refused(tls->session);
    ERR_clear_error();
    return DV_TLS_FAILED;
}

bool dv_tls_mistrusts(const struct dv_tls *tls)
{
    return SSL_get_verify_result(tls->session) != X509_V_OK;
}

struct dv_log_pair dv_tls_refusal(const struct dv_tls *tls)
{
    switch (SSL_get_verify_result(tls->session)) {
    case X509_V_OK: return DV_LOG_LITERAL("why", "the handshake failed or no certificate was shown");
    case X509_V_ERR_CERT_HAS_EXPIRED: return DV_LOG_LITERAL("why", "the client's certificate has expired");
    case X509_V_ERR_CERT_NOT_YET_VALID: return DV_LOG_LITERAL("why", "the client's certificate is not valid yet");
    default: return DV_LOG_LITERAL("why", "the client's certificate is signed by nobody in client_ca");
    }
}

bool dv_tls_feed(struct dv_tls *tls, const char *bytes, size_t length)
{
    DV_ASSERT(length <= INT_MAX);
    return BIO_write(tls->in, bytes, (int)length) == (int)length;
}

enum dv_tls_step dv_tls_read(struct dv_tls *tls, char *buffer, size_t size, size_t *ret_length)
{
    ERR_clear_error();
    int result = SSL_read_ex(tls->session, buffer, size, ret_length);
    if (result == 1)
        return DV_TLS_DONE;
    int error = SSL_get_error(tls->session, result);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ ? DV_TLS_MORE : DV_TLS_FAILED;
}

bool dv_tls_write(struct dv_tls *tls, const char *bytes, size_t length)
{
    size_t written = 0;
    ERR_clear_error();
    bool sent = SSL_write_ex(tls->session, bytes, length, &written) == 1 && written == length;
    ERR_clear_error();
    return sent;
}

size_t dv_tls_pending(const struct dv_tls *tls)
{
    return BIO_ctrl_pending(tls->out);
}

size_t dv_tls_take(struct dv_tls *tls, char *buffer, size_t size)
{
    int taken = BIO_read(tls->out, buffer, size > INT_MAX ? INT_MAX : (int)size);
    return taken > 0 ? (size_t)taken : 0;
}

void dv_tls_stop(struct dv_tls *tls)
{
    SSL_free(tls->session); /* and its two buffers */
    *tls = (struct dv_tls){ 0 };
}
