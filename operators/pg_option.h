/* SPDX-License-Identifier: Apache-2.0
 * pg_option.h - the options that every operator has which works with a table of sealed records in PostgreSQL.
 *
 * An operator's state has a member `server`, its option table begins with the rows below, and its transfer() asks for the
 * check. What is special to it (an owner, a reader) it adds to the configuration itself. */
#ifndef DV_OPERATORS_PG_OPTION_H
#define DV_OPERATORS_PG_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "connectors/pg.h"
#include "engine/option.h"

struct dv_node;

/* The member of an operator's state that the rows fill. */
struct dv_pg_server {
    const char *url;      /* or a secret's reference to one */
    const char *password; /* a secret's reference, or NULL */
    const char *schema;
    const char *table;
    int64_t connect_timeout_ms;
    int64_t timeout_ms;
};

/* Rows of an option table whose state has the type above at the offset `at`. `url_flags`: whether there must be a
 * server, which is `what`; `of_table` ends what is said of the table, `only` what is said of each row beside the url. */
#define DV_PG_ROWS(at, url_flags, what, of_table, only)                                                                \
    { "url", DV_STR, (at) + offsetof(struct dv_pg_server, url), .flags = (url_flags),                                  \
      .help = what ", as postgresql://user@host:5432/database, or a secret's reference to it; TLS is verified "        \
                   "(sslmode=verify-full) unless the host is this machine or the URL says otherwise." },               \
        { "password", DV_SECRET, (at) + offsetof(struct dv_pg_server, password),                                       \
          .help = "Password; none: the URL's, or no password." only },                                                 \
        { "schema", DV_NAME, (at) + offsetof(struct dv_pg_server, schema), .initial = "datavault",                     \
          .help = "Schema of the table." only },                                                                       \
        { "table", DV_NAME, (at) + offsetof(struct dv_pg_server, table), .initial = "encrypted_blobs",                 \
          .help = "Table of sealed records; " of_table only },                                                         \
        { "connect_timeout", DV_DURATION,  (at) + offsetof(struct dv_pg_server, connect_timeout_ms), .initial = "5s",  \
          .min = 100,        .max = 60000, .help = "How long one try to connect may take." only },                     \
    {                                                                                                                  \
        "timeout", DV_DURATION, (at) + offsetof(struct dv_pg_server, timeout_ms),                                      \
            .initial = "10s", .min = 100, .max = 600000, .help = "How long a statement may take, on both sides." only  \
    }

/* The same of a member `server`, for an operator that must have one. */
#define DV_PG_SERVER_ROWS(state)                                                                                       \
    DV_PG_ROWS(offsetof(state, server), DV_REQUIRED, "Server", "`datavault migrate` makes it.", "")

/* The connector's configuration of these options, for this node; texts are the node's. */
struct dv_pg_config dv_pg_server_config(const struct dv_node *node, const struct dv_pg_server *server);

/* During transfer(): what can be checked without a server. DV_E_CONFIG after a finding. */
DV_CHECKED dv_rc dv_pg_server_check(struct dv_node *node, const struct dv_pg_config *config);

#endif
