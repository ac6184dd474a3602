/* SPDX-License-Identifier: Apache-2.0
 * redis_option.c - checks what the options say about a server. */
#include "operators/redis_option.h"

#include "engine/diag.h"
#include "engine/operator.h"

dv_rc dv_redis_server_check(struct dv_node *node, struct dv_redis_server *server)
{
    bool secret = false;
    const char *wrong = dv_redis_url_parse(server->url, &server->parsed, &secret);
    if (wrong != NULL && secret) { /* without its place: the line must not be shown */
        dv_diags_add(dv_node_diags(node), (struct dv_place){ 0 }, "C009", NULL,
                     "{ url: redis://HOST, user: NAME, password: env:REDIS_PASSWORD }", "the url of node '%s': %s",
                     dv_node_name(node), wrong);
        return DV_E_CONFIG;
    }
    if (wrong != NULL)
        return dv_refuse(node, "url", "C150", "redis://HOST[:PORT][/DATABASE]", "the url is malformed: %s", wrong);
    if (server->user != NULL && server->password == NULL)
        return dv_refuse(node, "user", "C151", "password: env:REDIS_PASSWORD", "a user needs a password");
    bool sentinel = server->parsed.kind == DV_REDIS_SENTINEL;
    if (!sentinel && (server->sentinel_user != NULL || server->sentinel_password != NULL))
        return dv_refuse(node, server->sentinel_user != NULL ? "sentinel_user" : "sentinel_password", "C154",
                         "redis+sentinel://HOST[:PORT],.../MASTER", "the url names no sentinels");
    if (server->sentinel_user != NULL && server->sentinel_password == NULL)
        return dv_refuse(node, "sentinel_user", "C151", "sentinel_password: env:SENTINEL_PASSWORD",
                         "a user needs a password");
    if (server->ca != NULL && !server->parsed.tls && server->sentinel_tls != DV_REDIS_SENTINEL_TLS_ON)
        return dv_refuse(node, "ca", "C152", "begin the url with rediss://", "without TLS no certificate is looked at");
    return DV_OK;
}

struct dv_redis_options dv_redis_server_options(struct dv_node *node, const struct dv_redis_server *server,
                                                const char *key)
{
    bool sentinel = server->parsed.kind == DV_REDIS_SENTINEL;
    bool as_url = server->sentinel_tls == DV_REDIS_SENTINEL_TLS_AS_URL;
    return (struct dv_redis_options){
        .loop = dv_node_loop(node),
        .name = dv_node_name(node),
        .url = server->parsed,
        .user = server->user,
        .password = server->password,
        .slot = dv_redis_slot(key, strlen(key)),
        .sentinel_user = server->sentinel_user,
        .sentinel_password = server->sentinel_password,
        .sentinel_tls = sentinel && (as_url ? server->parsed.tls : server->sentinel_tls == DV_REDIS_SENTINEL_TLS_ON),
        .ca = server->ca,
        .connect_ms = (uint64_t)server->connect_timeout,
        .command_ms = (uint64_t)server->command_timeout,
    };
}
