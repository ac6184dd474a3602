/* SPDX-License-Identifier: Apache-2.0
 * redis_url.c - takes a URL apart, from left to right. */
#include "connectors/redis_url.h"

#include <string.h>

#define PLAIN  "redis://"
#define SECURE "rediss://"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

static bool skip(const char **at, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(*at, prefix, length) != 0)
        return false;
    *at += length;
    return true;
}

/* A decimal number up to `max`, of at most five digits. */
static bool take_number(const char **at, uint32_t max, uint32_t *ret)
{
    size_t digits = strspn(*at, "0123456789");
    uint32_t number = 0;
    if (digits == 0 || digits > 5)
        return false;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (uint32_t)((*at)[i] - '0');
    *at += digits;
    *ret = number;
    return number <= max;
}

static bool take_host(const char **at, struct dv_redis_url *url)
{
    bool bracket = skip(at, "[");
    size_t length = bracket ? strspn(*at, "0123456789abcdefABCDEF:.") : strspn(*at, letters);
    if (length == 0 || length > DV_REDIS_HOST_MAX)
        return false;
    memcpy(url->host, *at, length);
    url->host[length] = '\0';
    *at += length;
    return !bracket || skip(at, "]");
}

/* What follows the scheme. */
static const char *take_rest(const char *at, struct dv_redis_url *url)
{
    uint32_t port = DV_REDIS_PORT;
    if (!take_host(&at, url))
        return "its host is missing or malformed";
    if (skip(&at, ":") && (!take_number(&at, UINT16_MAX, &port) || port == 0))
        return "its port is not 1..65535";
    url->port = (uint16_t)port;
    if (skip(&at, "/") && *at != '\0' && !take_number(&at, DV_REDIS_DATABASE_MAX, &url->database))
        return "its database is not a number";
    return *at == '\0' ? NULL : "something follows it that does not belong there";
}

const char *dv_redis_url_parse(const char *text, struct dv_redis_url *ret, bool *ret_secret)
{
    struct dv_redis_url url = { 0 };
    const char *at = text;
    *ret_secret = strchr(text, '@') != NULL;
    if (*ret_secret)
        return "it holds a user or a password, which belong into the options `user` and `password`";
    url.tls = skip(&at, SECURE);
    if (!url.tls && !skip(&at, PLAIN))
        return "it does not begin with redis:// or rediss://";
    const char *wrong = take_rest(at, &url);
    if (wrong == NULL)
        *ret = url;
    return wrong;
}
