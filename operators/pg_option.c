/* SPDX-License-Identifier: Apache-2.0
 * pg_option.c - from an operator's options to a PostgreSQL store's configuration. */
#include "operators/pg_option.h"

#include "connectors/pg_url.h"
#include "engine/operator.h"

struct dv_pg_config dv_pg_server_config(const struct dv_node *node, const struct dv_pg_server *server)
{
    return (struct dv_pg_config){ .name = dv_node_name(node), .url = server->url, .password = server->password,
                                  .schema = server->schema, .table = server->table, .connections = 2,
                                  .connect_timeout_ms = server->connect_timeout_ms, .timeout_ms = server->timeout_ms };
}

dv_rc dv_pg_server_check(struct dv_node *node, const struct dv_pg_config *config)
{
    struct dv_error error = { 0 };
    if (dv_pg_config_check(config, &error) == DV_OK)
        return DV_OK;
    return dv_refuse(node, NULL, "C151", "see the operator's page in `datavault docs`", "%s", error.text);
}
