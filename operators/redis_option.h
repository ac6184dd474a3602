/* SPDX-License-Identifier: Apache-2.0
 * redis_option.h - the options that every operator has which talks to a Redis server, and a connection made of them. */
#ifndef DV_OPERATORS_REDIS_OPTION_H
#define DV_OPERATORS_REDIS_OPTION_H

#include <string.h>

#include "connectors/redis.h"

struct dv_node;

/* The member of an operator's state that the rows fill. */
struct dv_redis_server {
    const char *url;
    const char *user;
    const char *password;
    const char *ca;
    int64_t connect_timeout;
    int64_t command_timeout;
    struct dv_redis_url parsed; /* by dv_redis_server_check() */
};

/* Rows of an option table whose state has a member `server` of the type above. */
#define DV_REDIS_SERVER_ROWS(state)                                                                                    \
    { "url", DV_STR, offsetof(state, server.url), .initial = "redis://127.0.0.1:6379",                                 \
      .help = "Server: redis://HOST[:PORT][/DATABASE], or rediss:// for TLS with a verified certificate." },           \
    { "user", DV_STR, offsetof(state, server.user), .help = "ACL user; none: the server's default user." },            \
    { "password", DV_SECRET, offsetof(state, server.password),                                                         \
      .help = "Password; read anew for every connection." },                                                           \
    { "ca", DV_STR, offsetof(state, server.ca),                                                                        \
      .help = "File of the certificates that may sign the server's; none: those of the system." },                     \
    { "connect_timeout", DV_DURATION, offsetof(state, server.connect_timeout), .initial = "5s", .min = 100,            \
      .max = 60000, .help = "How long connecting and logging in may take." },                                          \
    { "command_timeout", DV_DURATION, offsetof(state, server.command_timeout), .initial = "5s", .min = 100,            \
      .max = 60000, .help = "How long the server may take to answer before the connection is made anew." }

/* During transfer(): takes the URL apart. DV_E_CONFIG after findings. */
DV_CHECKED dv_rc dv_redis_server_check(struct dv_node *node, struct dv_redis_server *server);

/* What dv_redis_open() needs, for this node; the caller adds limits and callback. */
struct dv_redis_options dv_redis_server_options(struct dv_node *node, const struct dv_redis_server *server);

/* A word of a command. */
static inline struct dv_redis_word dv_redis_text(const char *text)
{
    return (struct dv_redis_word){ text, strlen(text) };
}

#endif
