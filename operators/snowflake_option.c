/* SPDX-License-Identifier: Apache-2.0
 * snowflake_option.c - from an operator's options to the connector of an account. */
#include "operators/snowflake_option.h"

#include <string.h>

#include "connectors/snowflake.h"
#include "engine/graph.h"
#include "engine/operator.h"

enum { KIND_PAT, KIND_OAUTH };

static struct dv_snowflake_identity identity_of(const struct dv_snowflake_server *server)
{
    struct dv_snowflake_identity identity = { .account = server->account, .user = server->user };
    if (server->token == NULL) {
        identity.secret = server->key;
        identity.passphrase = server->passphrase;
        return identity;
    }
    identity.proof = server->token_kind == KIND_OAUTH ? DV_SNOWFLAKE_OAUTH : DV_SNOWFLAKE_PAT;
    identity.secret = server->token;
    return identity;
}

/* Empty text is as good as nothing said: what a graph file makes of "${SNOWFLAKE_URL:-}" where there is no such variable. */
static const char *said(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

struct dv_snowflake_config dv_snowflake_server_config(struct dv_loop *loop, const struct dv_snowflake_server *server)
{
    return (struct dv_snowflake_config){ .loop = loop,
                                         .url = said(server->url),
                                         .identity = identity_of(server),
                                         .role = server->role,
                                         .warehouse = server->warehouse,
                                         .database = server->database,
                                         .schema = server->schema,
                                         .ca = said(server->ca),
                                         .deadlines = { .total_ms = (uint32_t)server->timeout_ms } };
}

/* By an option that nothing else has: a service of Cortex has a warehouse, too. */
const struct dv_snowflake_server *dv_snowflake_server_of(const struct dv_node *node)
{
    for (const struct dv_option *row = dv_node_operator(node)->options; row != NULL && row->name != NULL; row++) {
        if (strcmp(row->name, "database") != 0)
            continue;
        const char *at = (const char *)dv_state(node) + row->offset - offsetof(struct dv_snowflake_server, database);
        const struct dv_snowflake_server *server = (const void *)at;
        return server->account != NULL ? server : NULL;
    }
    return NULL;
}

dv_rc dv_snowflake_server_check(struct dv_node *node, const struct dv_snowflake_server *server)
{
    char host[DV_SNOWFLAKE_NAME_MAX + 1];
    if (!dv_snowflake_account_host(server->account, host, sizeof host))
        return dv_refuse(node, "account", "C250", NULL,
                         "an account is like 'myorg-account1' or 'xy12345.eu-central-1'");
    const char *fault = said(server->url) != NULL ? dv_http_url_fault(server->url, true) : NULL;
    if (fault != NULL)
        return dv_refuse(node, "url", "C251", NULL, "%s", fault);
    if ((server->token != NULL) == (server->user != NULL && server->key != NULL))
        return dv_refuse(node, NULL, "C253", "as in user: DV_LOADER, key: \"env:SNOWFLAKE_KEY\"",
                         "'%s' needs either `user` and `key`, or a `token`", dv_node_name(node));
    return DV_OK;
}
