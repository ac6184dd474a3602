/* SPDX-License-Identifier: Apache-2.0
 * migrate.h - between the files of `datavault migrate`: what was asked, and each kind of server. */
#ifndef DV_CLI_MIGRATE_H
#define DV_CLI_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "connectors/pg.h"
#include "operators/snowflake_option.h"

struct dv_node;

/* What the command line says. */
struct dv_migrate_asked {
    const char *file;
    const char *target; /* "pg" or "snowflake", or NULL */
    bool json, print;
    const char *grant; /* a role that gets the rights; NULL: none */
    struct dv_pg_config pg;
    struct dv_snowflake_server snowflake; /* beside a graph: what counts instead of a node's */
    int64_t dimensions;
};

/* migrate_pg.c: what a node needs in PostgreSQL; false if it needs nothing there. */
bool dv_migrate_pg_node(const struct dv_node *node, bool json, int *ret_code);

/* A table without a graph; the exit code. */
int dv_migrate_pg(const struct dv_pg_config *config, bool json);

/* migrate_snowflake.c: the same in Snowflake. `first`: no node before it is of the same database and schema. */
bool dv_migrate_snowflake_node(const struct dv_node *node, const struct dv_migrate_asked *asked, bool first,
                               int *ret_code);
int dv_migrate_snowflake(const struct dv_migrate_asked *asked);

/* The account of a node that needs something in Snowflake, or NULL. */
const struct dv_snowflake_server *dv_migrate_snowflake_server(const struct dv_node *node);

#endif
