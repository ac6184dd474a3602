/* SPDX-License-Identifier: Apache-2.0
 * redis_tls.c - an OpenSSL session between two memory buffers. */
#include "connectors/redis_tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static bool trust(SSL_CTX *context, const char *ca)
{
    if (ca == NULL)
        return SSL_CTX_set_default_verify_paths(context) == 1;
    return SSL_CTX_load_verify_locations(context, ca, NULL) == 1;
}

dv_rc dv_redis_tls_init(struct dv_redis_tls *tls, const char *ca, struct dv_error *error)
{
    *tls = (struct dv_redis_tls){ .context = SSL_CTX_new(TLS_client_method()) };
    if (tls->context == NULL)
        return dv_error_set(error, DV_E_MEMORY, "TLS cannot be set up");
    (void)SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(tls->context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_cipher_list(tls->context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 && trust(tls->context, ca))
        return DV_OK;
    ERR_clear_error();
    dv_redis_tls_free(tls);
    return dv_error_set(error, DV_E_CONFIG, "%s: no certificates can be read from it", ca != NULL ? ca : "the system's CA");
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

dv_rc dv_redis_tls_start(struct dv_redis_tls *tls, const char *host)
{
    DV_ASSERT(tls->context != NULL && tls->session == NULL);
    SSL *session = SSL_new(tls->context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    if (session == NULL || in == NULL || out == NULL || !expect(session, host)) {
        SSL_free(session);
        (void)BIO_free(in);
        (void)BIO_free(out);
        return DV_E_MEMORY;
    }
    SSL_set_bio(session, in, out);
    SSL_set_connect_state(session);
    tls->session = session;
    tls->in = in;
    tls->out = out;
    tls->secured = false;
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

enum dv_tls_step dv_redis_tls_handshake(struct dv_redis_tls *tls, const char **ret_reason)
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

bool dv_redis_tls_mistrusts(const struct dv_redis_tls *tls)
{
    return SSL_get_verify_result(tls->session) != X509_V_OK;
}

bool dv_redis_tls_feed(struct dv_redis_tls *tls, const char *bytes, size_t length)
{
    DV_ASSERT(length <= INT_MAX);
    return BIO_write(tls->in, bytes, (int)length) == (int)length;
}

enum dv_tls_step dv_redis_tls_read(struct dv_redis_tls *tls, char *buffer, size_t size, size_t *ret_length)
{
    ERR_clear_error();
    int result = SSL_read_ex(tls->session, buffer, size, ret_length);
    if (result == 1)
        return DV_TLS_DONE;
    int error = SSL_get_error(tls->session, result);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ ? DV_TLS_MORE : DV_TLS_FAILED;
}

bool dv_redis_tls_write(struct dv_redis_tls *tls, const char *bytes, size_t length)
{
    size_t written = 0;
    ERR_clear_error();
    bool sent = SSL_write_ex(tls->session, bytes, length, &written) == 1 && written == length;
    ERR_clear_error();
    return sent;
}

size_t dv_redis_tls_pending(const struct dv_redis_tls *tls)
{
    return BIO_ctrl_pending(tls->out);
}

size_t dv_redis_tls_take(struct dv_redis_tls *tls, char *buffer, size_t size)
{
    int taken = BIO_read(tls->out, buffer, size > INT_MAX ? INT_MAX : (int)size);
    return taken > 0 ? (size_t)taken : 0;
}

void dv_redis_tls_stop(struct dv_redis_tls *tls)
{
    SSL_free(tls->session); /* and its two buffers */
    tls->session = NULL;
    tls->in = NULL;
    tls->out = NULL;
    tls->secured = false;
}

void dv_redis_tls_free(struct dv_redis_tls *tls)
{
    dv_redis_tls_stop(tls);
    SSL_CTX_free(tls->context);
    *tls = (struct dv_redis_tls){ 0 };
}
