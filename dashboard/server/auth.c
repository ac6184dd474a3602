/* SPDX-License-Identifier: Apache-2.0
 * auth.c - form first, then the name the client used, then the token. */
#include "dashboard/server/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "engine/option.h"

/* SHA-256 of the token: comparing digests takes the same time whatever the length and content. */
static bool digest_of(const char *text, size_t length, uint8_t digest[DV_TOKEN_DIGEST])
{
    size_t written = 0;
    return EVP_Q_digest(NULL, "SHA256", NULL, text, length, digest, &written) == 1 && written == DV_TOKEN_DIGEST;
}

static bool is_bearer_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-._~+/=", c) != NULL);
}

static dv_rc check_token(const char *token, size_t length, struct dv_error *error)
{
    if (length < DV_TOKEN_MIN)
        return dv_error_set(error, DV_E_CONFIG,
                            "token: shorter than %d characters; make one with `openssl rand -hex 32`", DV_TOKEN_MIN);
    for (size_t i = 0; i < length; i++)
        if (!is_bearer_char(token[i]))
            return dv_error_set(error, DV_E_CONFIG,
                                "token: only letters, digits and -._~+/= can be sent; make one with "
                                "`openssl rand -hex 32`");
    return DV_OK;
}

dv_rc dv_auth_init(struct dv_auth *auth, bool loopback, const char *reference, struct dv_error *error)
{
    *auth = (struct dv_auth){ .loopback = loopback };
    if (reference == NULL)
        return DV_OK;
    char token[DV_TOKEN_MAX];
    size_t length = 0;
    DV_TRY(dv_secret_read(reference, token, sizeof token, &length, error));
    dv_rc rc = check_token(token, length, error);
    if (rc == DV_OK && !digest_of(token, length, auth->digest))
        rc = dv_error_set(error, DV_E_FAILED, "token: SHA-256 is not available");
    explicit_bzero(token, sizeof token);
    auth->has_token = rc == DV_OK;
    return rc;
}

/* The host part of a Host header: what stands before the port. */
static struct dv_span without_port(struct dv_span host)
{
    const char *close = memchr(host.text, ']', host.length);
    size_t from = close != NULL ? (size_t)(close - host.text) : 0;
    const char *colon = memchr(host.text + from, ':', host.length - from);
    if (colon != NULL)
        host.length = (size_t)(colon - host.text);
    return host;
}

/* A page of another origin can make its own name point to 127.0.0.1 and then read what it likes from here; but the name
 * stands in Host. */
static bool is_local_name(struct dv_span host)
{
    struct dv_span name = without_port(host);
    return dv_span_is_caseless(name, "localhost") || dv_span_is(name, "127.0.0.1") || dv_span_is(name, "[::1]");
}

static bool shows_token(const struct dv_auth *auth, struct dv_span header)
{
    static const char scheme[] = "Bearer ";
    size_t skip = sizeof scheme - 1;
    if (header.text == NULL || header.length <= skip || strncasecmp(header.text, scheme, skip) != 0)
        return false;
    uint8_t digest[DV_TOKEN_DIGEST];
    return digest_of(header.text + skip, header.length - skip, digest) &&
           CRYPTO_memcmp(digest, auth->digest, sizeof digest) == 0;
}

static struct dv_verdict refuse(int status, const char *detail)
{
    return (struct dv_verdict){ .status = status, .detail = detail };
}

static struct dv_verdict judge_fault(enum dv_head_fault fault)
{
    switch (fault) {
    case DV_HEAD_TARGET_LONG:
        return refuse(414, "The request target is longer than 2 KiB.");
    case DV_HEAD_LARGE:
        return refuse(431, "The request has more than 64 headers or 16 KiB of them.");
    case DV_HEAD_HOST:
        return refuse(400, "The request must have exactly one Host header.");
    case DV_HEAD_LENGTH:
        return refuse(400, "The length of the request body is ambiguous.");
    case DV_HEAD_BODY:
        return refuse(413, "This server takes no request bodies.");
    default:
        return refuse(400, "The request head is malformed.");
    }
}

struct dv_verdict dv_auth_judge(const struct dv_auth *auth, const struct dv_head *head, enum dv_head_fault fault,
                                enum dv_access access)
{
    if (fault != DV_HEAD_SOUND)
        return judge_fault(fault);
    if (auth->loopback && !is_local_name(head->host))
        return refuse(421, "On a loopback address the Host must be localhost, 127.0.0.1 or [::1].");
    struct dv_verdict verdict = { .trusted = !auth->has_token || shows_token(auth, head->authorization) };
    if (access == DV_ACCESS_TOKEN && !verdict.trusted)
        return refuse(401, "This route needs the server's token: `Authorization: Bearer …`.");
    return verdict;
}
