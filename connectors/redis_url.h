/* SPDX-License-Identifier: Apache-2.0
 * redis_url.h - where a Redis server is: redis://HOST[:PORT][/DATABASE], or rediss:// with TLS. */
#ifndef DV_CONNECTORS_REDIS_URL_H
#define DV_CONNECTORS_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DV_REDIS_HOST_MAX = 253, DV_REDIS_PORT = 6379, DV_REDIS_DATABASE_MAX = 16383 };

/* The parts of a URL. */
struct dv_redis_url {
    char host[DV_REDIS_HOST_MAX + 1]; /* a name or an address, without brackets */
    uint16_t port;
    uint32_t database;
    bool tls;
};

/* Parses a URL. NULL if it is one, else what is wrong with it, a literal. A URL with a password is refused, because URLs
 * are shown: `*ret_secret` then says that its text must not be. */
const char *dv_redis_url_parse(const char *text, struct dv_redis_url *ret, bool *ret_secret);

#endif
