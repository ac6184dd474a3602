/* SPDX-License-Identifier: Apache-2.0
 * auth.c - form first, then the name the client used, then the token. */
#include "dashboard/server/auth.h"

#include <string.h>

dv_rc dv_auth_init(struct dv_auth *auth, bool loopback, const char *reference, struct dv_error *error)
{
    *auth = (struct dv_auth){ .loopback = loopback };
    return dv_bearer_init(&auth->token, "token", reference, error);
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

static bool changes_something(const struct dv_head *head)
{
    return !dv_span_is(head->method, "GET") && !dv_span_is(head->method, "HEAD");
}

/* What a page of another origin makes its reader's browser send. Browsers name the page's origin with every request of
 * this kind, and no page can keep them from it; programs name none. */
static bool is_foreign(const struct dv_head *head)
{
    static const char *const schemes[] = { "http://", "https://" };
    if (head->fetch_site.text != NULL && !dv_span_is(head->fetch_site, "same-origin") &&
        !dv_span_is(head->fetch_site, "none"))
        return true;
    for (size_t i = 0; head->origin.text != NULL && i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t skip = strlen(schemes[i]);
        if (head->origin.length == skip + head->host.length && memcmp(head->origin.text, schemes[i], skip) == 0 &&
            strncasecmp(head->origin.text + skip, head->host.text, head->host.length) == 0)
            return false;
    }
    return head->origin.text != NULL;
}

static struct dv_verdict refuse(int status, const char *detail)
{
    return (struct dv_verdict){ .status = status, .detail = detail };
}

static struct dv_verdict judge_fault(enum dv_head_fault fault)
{
    switch (fault) {
    case DV_HEAD_TARGET_LONG: return refuse(414, "The request target is longer than 2 KiB.");
    case DV_HEAD_LARGE: return refuse(431, "The request has more than 64 headers or 16 KiB of them.");
    case DV_HEAD_HOST: return refuse(400, "The request must have exactly one Host header.");
    case DV_HEAD_LENGTH: return refuse(400, "The length of the request body is ambiguous.");
    case DV_HEAD_BODY: return refuse(413, "This route takes no request bodies.");
    default: return refuse(400, "The request head is malformed.");
    }
}

struct dv_verdict dv_auth_judge(const struct dv_auth *auth, const struct dv_head *head, enum dv_head_fault fault,
                                enum dv_access access)
{
    if (fault != DV_HEAD_SOUND)
        return judge_fault(fault);
    if (auth->loopback && !is_local_name(head->host))
        return refuse(421, "On a loopback address the Host must be localhost, 127.0.0.1 or [::1].");
    if (changes_something(head) && is_foreign(head))
        return refuse(403, "Pages of another origin may not send this.");
    struct dv_verdict verdict = { .trusted =
                                      !auth->token.is_set || dv_bearer_shown(&auth->token, head->authorization.text,
                                                                             head->authorization.length) };
    if (access == DV_ACCESS_TOKEN && !verdict.trusted)
        return refuse(401, "This route needs the server's token: `Authorization: Bearer …`.");
    return verdict;
}

size_t dv_auth_who(const struct dv_auth *auth, uint8_t ret[DV_WHO_MAX])
{
    static const char token[] = "token:", local[] = "local";
    const size_t skip = sizeof token - 1;
    if (!auth->token.is_set) {
        memcpy(ret, local, sizeof local - 1);
        return sizeof local - 1;
    }
    memcpy(ret, token, skip);
    memcpy(ret + skip, auth->token.digest, DV_TOKEN_DIGEST);
    return skip + DV_TOKEN_DIGEST;
}
