/* SPDX-License-Identifier: Apache-2.0
 * vectors_option.h - the options that every operator has which works with a place of vectors, and the place they name: an
 * embedded file (`path`), a PostgreSQL server with pgvector (`url`), or an account of Snowflake (`account`).
 *
 * An operator's state begins with a member `place`, its option table with the rows below; its transfer() asks for the check. */
#ifndef DV_OPERATORS_VECTORS_OPTION_H
#define DV_OPERATORS_VECTORS_OPTION_H

#include "connectors/vectors_pg.h"
#include "connectors/vectors_sqlite.h"
#include "engine/operator.h"
#include "operators/pg_option.h"
#include "operators/snowflake_option.h"

struct dv_vectors_snowflake;

/* The member of an operator's state that the rows fill, and what is open. */
struct dv_vectors_place {
    const char *path;
    int64_t memory_bytes;
    struct dv_pg_server server; /* schema, table and timeout are those of either server; `url` is NULL if it is not this one */
    struct dv_snowflake_server snowflake; /* `account` is NULL if it is not this one */
    int64_t dimensions;
    struct dv_vectors *vectors; /* NULL: not open */
    union {
        struct dv_vectors_sqlite sqlite;
        struct dv_vectors_pg pg;
        struct dv_vectors_snowflake *snowflake; /* in the node's memory */
    } of;
};

/* Rows of an option table whose state begins with a member `place` of the type above. */
#define DV_VECTORS_PLACE_ROWS(state)                                                                                    \
    { "path", DV_STR, offsetof(state, place.path),                                                                      \
      .help = "SQLite file of the vectors; made if it is not there. Either this, `url` or `account`." },                \
        { "memory",                                                                                                     \
          DV_SIZE,                                                                                                      \
          offsetof(state, place.memory_bytes),                                                                          \
          .initial = "512MiB",                                                                                          \
          .min = 1 << 20,                                                                                               \
          .max = INT64_C(1) << 40,                                                                                      \
          .help =                                                                                                       \
              "With `path`: the most that vectors may take in memory; 512 MiB hold some 340,000 of 384 numbers." },     \
        { "url", DV_STR, offsetof(state, place.server.url),                                                             \
          .help =                                                                                                       \
              "PostgreSQL server with pgvector, as postgresql://user@host:5432/database, or a secret's reference to "   \
              "it; TLS is verified (sslmode=verify-full) unless the host is this machine or the URL says "              \
              "otherwise. With `account`: Snowflake's address; none or empty: https://ACCOUNT.snowflakecomputing.com." },        \
        { "password", DV_SECRET, offsetof(state, place.server.password),                                                \
          .help = "With `url`: password; none: the URL's, or no password." },                                           \
        { "connect_timeout",                                                                                            \
          DV_DURATION,                                                                                                  \
          offsetof(state, place.server.connect_timeout_ms),                                                             \
          .initial = "5s",                                                                                              \
          .min = 100,                                                                                                   \
          .max = 60000,                                                                                                 \
          .help = "With `url`: how long one try to connect may take." },                                                \
        DV_SNOWFLAKE_ACCOUNT_ROWS(struct dv_vectors_place, 0),                                                          \
        { "ca", DV_STR, offsetof(state, place.snowflake.ca),                                                            \
          .help = "With `account`: file of trusted certificates; none or empty: the system's." },                                \
        { "schema", DV_NAME, offsetof(state, place.server.schema),                                                      \
          .help = "Of a server: schema of the table; none: `datavault`, with `account` `PUBLIC`." },                    \
        { "table", DV_NAME, offsetof(state, place.server.table),                                                        \
          .help = "Of a server: table of the vectors, which `datavault migrate` makes; none: `embeddings`, with "       \
                  "`account` `EMBEDDINGS`." },                                                                          \
        { "dimensions",                                                                                                 \
          DV_INT,                                                                                                       \
          offsetof(state, place.dimensions),                                                                            \
          .initial = "384",                                                                                             \
          .min = 1,                                                                                                     \
          .max = DV_VECTORS_WIDTH_MAX,                                                                                  \
          .help = "Of a server: how many numbers a vector of the table has; with `url` at most 2000." },                \
    {                                                                                                                   \
        "timeout", DV_DURATION, offsetof(state, place.server.timeout_ms), .min = 100, .max = 600000,                    \
            .help = "Of a server: how long a statement may take, on both sides; none: 10s, with `account` 60s."         \
    }

/* During transfer(): what can be checked without opening; fills in what is not said. DV_E_CONFIG after a finding. */
DV_CHECKED dv_rc dv_vectors_place_check(struct dv_node *node, struct dv_vectors_place *place);

/* The connector's configuration, of a place with `url`. */
struct dv_pg_config dv_vectors_place_config(const struct dv_node *node, const struct dv_vectors_place *place,
                                            bool reads_only);

/* The place of a node that has one, so that `datavault migrate` can make its table; NULL: the node is of another kind. */
const struct dv_vectors_place *dv_vectors_place_of(const struct dv_node *node);

/* Opens it, for open(). */
DV_CHECKED dv_rc dv_vectors_place_open(struct dv_node *node, struct dv_vectors_place *place, bool reads_only);

/* Opens the place of a node of a graph that does not run, for a command: it has to be there, and a server that cannot be reached is an
 * error. Close it with dv_vectors_node_close(). */
DV_CHECKED dv_rc dv_vectors_place_open_alone(struct dv_node *node, struct dv_loop *loop, struct dv_vectors **ret, struct dv_error *error);

/* `.waits`, `.breaker` and `.close` of an operator whose state begins with its place, open or not. */
const char *dv_vectors_node_waits(struct dv_node *node);
const struct dv_breaker *dv_vectors_node_breaker(const struct dv_node *node, uint32_t index);
void dv_vectors_node_close(struct dv_node *node);

#endif
