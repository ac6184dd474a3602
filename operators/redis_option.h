/* SPDX-License-Identifier: Apache-2.0
 * redis_option.h - the options that every operator has which talks to a Redis server, and a connection made of them. */
#ifndef DV_OPERATORS_REDIS_OPTION_H
#define DV_OPERATORS_REDIS_OPTION_H

#include <string.h>

#include "connectors/redis.h"

struct dv_node;

/* Whether the way to the sentinels is under TLS, in the order of the option's values. */
enum dv_redis_sentinel_tls {
    DV_REDIS_SENTINEL_TLS_AS_URL,
    DV_REDIS_SENTINEL_TLS_ON,
    DV_REDIS_SENTINEL_TLS_OFF,
};

/* The member of an operator's state that the rows fill. */
struct dv_redis_server {
    const char *url;
    const char *user;
    const char *password;
    const char *ca;
    const char *sentinel_user;
    const char *sentinel_password;
    int sentinel_tls; /* enum dv_redis_sentinel_tls */
    int64_t connect_timeout;
    int64_t command_timeout;
    struct dv_redis_url parsed; /* by dv_redis_server_check() */
};

/* Rows of an option table whose state has a member `server` of the type above. */
#define DV_REDIS_SERVER_ROWS(state)                                                                                    \
    { "url", DV_STR, offsetof(state, server.url), .initial = "redis://127.0.0.1:6379",                                 \
      .help = "Server: redis://HOST[:PORT][/DATABASE]; redis+sentinel://HOST[:PORT],.../MASTER[/DATABASE] for the "    \
              "master that sentinels know; redis+cluster://HOST[:PORT],... for a cluster, of which some nodes are "    \
              "named. rediss instead of redis: TLS with a verified certificate." },                                    \
        { "user", DV_STR, offsetof(state, server.user), .help = "ACL user; none: the server's default user." },        \
        { "password", DV_SECRET, offsetof(state, server.password),                                                     \
          .help = "Password; read anew for every connection." },                                                       \
        { "ca", DV_STR, offsetof(state, server.ca),                                                                    \
          .help = "File of the certificates that may sign the server's; none: those of the system." },                 \
        { "sentinel_user", DV_STR, offsetof(state, server.sentinel_user), .help = "ACL user at the sentinels." },      \
        { "sentinel_password", DV_SECRET, offsetof(state, server.sentinel_password),                                   \
          .help = "Password for the sentinels; none: they ask for none." },                                            \
        { "sentinel_tls",                                                                                              \
          DV_ENUM,                                                                                                     \
          offsetof(state, server.sentinel_tls),                                                                        \
          .initial = "as-url",                                                                                         \
          .values = "as-url|on|off",                                                                                   \
          .help = "TLS to the sentinels; as-url: as to the server." },                                                 \
        { "connect_timeout",                                                                                           \
          DV_DURATION,                                                                                                 \
          offsetof(state, server.connect_timeout),                                                                     \
          .initial = "5s",                                                                                             \
          .min = 100,                                                                                                  \
          .max = 60000,                                                                                                \
          .help = "How long connecting and logging in may take." },                                                    \
    {                                                                                                                  \
        "command_timeout", DV_DURATION, offsetof(state, server.command_timeout),                                       \
            .initial = "5s", .min = 100, .max = 60000,                                                                 \
            .help = "How long the server may take to answer before the connection is made anew."                       \
    }

/* During transfer(): takes the URL apart. DV_E_CONFIG after findings. */
DV_CHECKED dv_rc dv_redis_server_check(struct dv_node *node, struct dv_redis_server *server);

/* What dv_redis_open() needs, for keys of this node in the slot of `key`; the caller adds limits and callback. */
struct dv_redis_options dv_redis_server_options(struct dv_node *node, const struct dv_redis_server *server,
                                                const char *key);

/* Whether a trouble at the start is a wrong configuration. */
static inline bool dv_redis_is_mistake(const struct dv_redis_server *server, enum dv_redis_trouble trouble)
{
    return trouble == DV_REDIS_MISTAKE || (trouble == DV_REDIS_ELSEWHERE && server->parsed.kind != DV_REDIS_CLUSTER);
}

/* A word of a command. */
static inline struct dv_redis_word dv_redis_text(const char *text)
{
    return (struct dv_redis_word){ text, strlen(text) };
}

#endif
