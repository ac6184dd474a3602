/* SPDX-License-Identifier: Apache-2.0
 * http_url.c - what a server's URL says, read by libcurl, which will use it. */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "connectors/http_internal.h"
#include "connectors/http_memory.h"

/* One part of the URL into `out`; false if it is longer. What is not there is "". */
static bool take_part(CURLU *parsed, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    out[0] = '\0';
    if (curl_url_get(parsed, part, &text, flags) != CURLUE_OK)
        return true;
    int length = snprintf(out, size, "%s", text);
    curl_free(text);
    return length >= 0 && (size_t)length < size;
}

static bool has_part(CURLU *parsed, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(parsed, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

/* "[::1]" without its brackets. */
static void strip_brackets(char *host)
{
    size_t length = strlen(host);
    if (length < 2 || host[0] != '[')
        return;
    memmove(host, host + 1, length - 2);
    host[length - 2] = '\0';
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return uv_inet_pton(AF_INET, host, bytes) == 0 || uv_inet_pton(AF_INET6, host, bytes) == 0;
}

/* Names below localhost (RFC 6761): libcurl takes them to the loopback without asking anybody. */
static bool is_below_localhost(const char *host)
{
    static const char tail[] = ".localhost";
    size_t length = strlen(host);
    return length >= sizeof tail && strcasecmp(host + length - (sizeof tail - 1), tail) == 0;
}

/* An address of this host, or a name that always means one. */
static bool is_here(const struct dv_http_url *url)
{
    return strcmp(url->host, "localhost") == 0 || is_below_localhost(url->host) || strcmp(url->host, "::1") == 0 ||
           (url->is_address && strncmp(url->host, "127.", 4) == 0);
}

static const char *take_parts(CURLU *parsed, struct dv_http_url *ret)
{
    char scheme[8];
    if (has_part(parsed, CURLUPART_USER) || has_part(parsed, CURLUPART_PASSWORD))
        return "a URL holds no user and no password: the key is an option of its own";
    if (has_part(parsed, CURLUPART_QUERY) || has_part(parsed, CURLUPART_FRAGMENT))
        return "a server's URL ends before the question mark";
    if (!take_part(parsed, CURLUPART_SCHEME, 0, scheme, sizeof scheme) ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return "a server's URL begins with http:// or https://";
    ret->secure = strcmp(scheme, "https") == 0;
    if (!take_part(parsed, CURLUPART_URL, 0, ret->url, sizeof ret->url) ||
        !take_part(parsed, CURLUPART_HOST, 0, ret->host, sizeof ret->host) ||
        !take_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT, ret->port, sizeof ret->port))
        return "the URL is too long";
    strip_brackets(ret->host);
    ret->is_address = is_address(ret->host) || is_below_localhost(ret->host);
    for (size_t length = strlen(ret->url); length > 0 && ret->url[length - 1] == '/'; length--)
        ret->url[length - 1] = '\0';
    return ret->host[0] != '\0' ? NULL : "the URL names no host";
}

const char *dv_http_url_read(const char *text, struct dv_http_url *ret)
{
    *ret = (struct dv_http_url){ 0 };
    if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0)
        return "a server's URL begins with http:// or https://";
    CURLU *parsed = curl_url();
    if (parsed == NULL)
        return "no memory for a URL";
    const char *fault =
        curl_url_set(parsed, CURLUPART_URL, text, 0) == CURLUE_OK ? take_parts(parsed, ret) : "this is no URL";
    curl_url_cleanup(parsed);
    return fault;
}

const char *dv_http_url_fault(const char *url, bool secret)
{
    struct dv_http_url parsed;
    if (!dv_http_library_start())
        return "no memory for a URL";
    const char *fault = dv_http_url_read(url, &parsed);
    dv_http_library_end();
    if (fault == NULL && secret && !parsed.secure && !is_here(&parsed))
        return "a key travels to another host under https:// only";
    return fault;
}
