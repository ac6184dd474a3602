/* SPDX-License-Identifier: Apache-2.0
 * redis_url.h - where a Redis server is, or who knows it; rediss instead of redis: with TLS.
 *
 *   redis://HOST[:PORT][/DATABASE]                          this server
 *   redis+sentinel://HOST[:PORT][,...]/MASTER[/DATABASE]    the master that these sentinels know by this name
 *   redis+cluster://HOST[:PORT][,...]                       the nodes of the cluster that these nodes are part of */
#ifndef DV_CONNECTORS_REDIS_URL_H
#define DV_CONNECTORS_REDIS_URL_H

#include "connectors/redis_place.h"

enum {
    DV_REDIS_PORT = 6379,
    DV_REDIS_SENTINEL_PORT = 26379,
    DV_REDIS_DATABASE_MAX = 16383,
    DV_REDIS_PLACES_MAX = 8,
    DV_REDIS_MASTER_MAX = 127,
};

enum dv_redis_kind { DV_REDIS_SINGLE, DV_REDIS_SENTINEL, DV_REDIS_CLUSTER };

/* The parts of a URL. */
struct dv_redis_url {
    enum dv_redis_kind kind;
    struct dv_redis_place places[DV_REDIS_PLACES_MAX]; /* the server, the sentinels, or nodes of the cluster */
    uint32_t place_count;
    char master[DV_REDIS_MASTER_MAX + 1]; /* the name that the sentinels have for it */
    uint32_t database;
    bool tls;
};

/* Parses a URL. NULL if it is one, else what is wrong with it, a literal. A URL with a password is refused, because URLs
 * are shown: `*ret_secret` then says that its text must not be. */
const char *dv_redis_url_parse(const char *text, struct dv_redis_url *ret, bool *ret_secret);

#endif
