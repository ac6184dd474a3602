/* SPDX-License-Identifier: Apache-2.0
 * redis_url.c - takes a URL apart, from left to right. */
#include "connectors/redis_url.h"

#include <string.h>

struct scheme {
    const char *prefix;
    enum dv_redis_kind kind;
    bool tls;
};

static const struct scheme schemes[] = {
    { "redis://", DV_REDIS_SINGLE, false },
    { "rediss://", DV_REDIS_SINGLE, true },
    { "redis+sentinel://", DV_REDIS_SENTINEL, false },
    { "rediss+sentinel://", DV_REDIS_SENTINEL, true },
    { "redis+cluster://", DV_REDIS_CLUSTER, false },
    { "rediss+cluster://", DV_REDIS_CLUSTER, true },
};

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

static bool take_host(const char **at, struct dv_redis_place *place)
{
    bool bracket = skip(at, "[");
    size_t length = bracket ? strspn(*at, "0123456789abcdefABCDEF:.") : strspn(*at, letters);
    if (length == 0 || length > DV_REDIS_HOST_MAX)
        return false;
    memcpy(place->host, *at, length);
    place->host[length] = '\0';
    *at += length;
    return !bracket || skip(at, "]");
}

static const char *take_place(const char **at, uint32_t port, struct dv_redis_place *place)
{
    if (!take_host(at, place))
        return "its host is missing or malformed";
    if (skip(at, ":") && (!take_number(at, UINT16_MAX, &port) || port == 0))
        return "its port is not 1..65535";
    place->port = (uint16_t)port;
    return NULL;
}

static const char *take_places(const char **at, struct dv_redis_url *url)
{
    uint32_t port = url->kind == DV_REDIS_SENTINEL ? DV_REDIS_SENTINEL_PORT : DV_REDIS_PORT;
    const char *wrong = NULL;
    do {
        if (url->place_count == DV_REDIS_PLACES_MAX)
            return "it names more than 8 hosts";
        wrong = take_place(at, port, &url->places[url->place_count]);
        url->place_count++;
    } while (wrong == NULL && url->kind != DV_REDIS_SINGLE && skip(at, ","));
    return wrong;
}

static const char *take_master(const char **at, struct dv_redis_url *url)
{
    size_t length = skip(at, "/") ? strspn(*at, letters) : 0;
    if (length == 0 || length > DV_REDIS_MASTER_MAX)
        return "the master's name, which the sentinels know it by, does not follow the hosts";
    memcpy(url->master, *at, length);
    *at += length;
    return NULL;
}

/* What follows the scheme. */
static const char *take_rest(const char *at, struct dv_redis_url *url)
{
    const char *wrong = take_places(&at, url);
    if (wrong == NULL && url->kind == DV_REDIS_SENTINEL)
        wrong = take_master(&at, url);
    if (wrong != NULL)
        return wrong;
    if (skip(&at, "/") && *at != '\0' && !take_number(&at, DV_REDIS_DATABASE_MAX, &url->database))
        return "its database is not a number";
    if (url->kind == DV_REDIS_CLUSTER && url->database != 0)
        return "a cluster has no databases but 0";
    return *at == '\0' ? NULL : "something follows it that does not belong there";
}

const char *dv_redis_url_parse(const char *text, struct dv_redis_url *ret, bool *ret_secret)
{
    struct dv_redis_url url = { 0 };
    const char *wrong = "it does not begin with redis://, rediss://, redis+sentinel:// or redis+cluster://";
    const char *at = text;
    *ret_secret = strchr(text, '@') != NULL;
    if (*ret_secret)
        return "it holds a user or a password, which belong into the options `user` and `password`";
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!skip(&at, schemes[i].prefix))
            continue;
        url.kind = schemes[i].kind;
        url.tls = schemes[i].tls;
        wrong = take_rest(at, &url);
        break;
    }
    if (wrong == NULL)
        *ret = url;
    return wrong;
}
