/* SPDX-License-Identifier: Apache-2.0
 * snowflake_option.h - the options that every operator has which works with an account of Snowflake.
 *
 * The state that a table of options fills has a member `snowflake` of the type below, the table the rows, and transfer() asks for the
 * check. Names of objects are as SHOW writes them. Who we are is shown by a key pair (`user` and `key`), or by a token. */
#ifndef DV_OPERATORS_SNOWFLAKE_OPTION_H
#define DV_OPERATORS_SNOWFLAKE_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "engine/option.h"

struct dv_loop;
struct dv_node;
struct dv_snowflake_config;

/* The member of an operator's state that the rows fill. */
struct dv_snowflake_server {
    const char *account, *url, *user;
    const char *key, *passphrase, *token; /* references of secrets */
    int token_kind;                       /* as DV_SNOWFLAKE_TOKEN_KINDS has them */
    const char *ca;
    const char *role, *warehouse, *database, *schema; /* NULL: the user's own */
    int64_t timeout_ms;
};

#define DV_SNOWFLAKE_TOKEN_KINDS "pat|oauth"

/* Rows of who and where, in a table of a state with a member `snowflake`; `need` is DV_REQUIRED, or 0 where an account is one of several places. */
#define DV_SNOWFLAKE_ACCOUNT_ROWS(state, need)                                                                         \
    { "account", DV_STR, offsetof(state, snowflake.account), .flags = (need),                                          \
      .help = "Snowflake's account, as myorg-account1, or a locator as xy12345.eu-central-1." },                       \
        { "user", DV_STR, offsetof(state, snowflake.user),                                                             \
          .help = "With `account`: user whose public key Snowflake knows." },                                          \
        { "key", DV_SECRET, offsetof(state, snowflake.key),                                                            \
          .help = "With `account`: private RSA key of the user, in PEM." },                                            \
        { "passphrase", DV_SECRET, offsetof(state, snowflake.passphrase),                                              \
          .help = "With `account`: passphrase of the key; none: it has none." },                                       \
        { "token", DV_SECRET, offsetof(state, snowflake.token),                                                        \
          .help = "With `account`: a token instead of user and key." },                                                \
        { "token_kind",                                                                                                \
          DV_ENUM,                                                                                                     \
          offsetof(state, snowflake.token_kind),                                                                       \
          .initial = "pat",                                                                                            \
          .values = DV_SNOWFLAKE_TOKEN_KINDS,                                                                          \
          .help = "With `token`: a programmatic access token, or one of OAuth." },                                     \
        { "role", DV_NAME, offsetof(state, snowflake.role),                                                            \
          .help = "With `account`: role for statements; none: the user's own." },                                      \
        { "warehouse", DV_NAME, offsetof(state, snowflake.warehouse),                                                  \
          .help = "With `account`: warehouse for statements; none: the user's own." },                                 \
    {                                                                                                                  \
        "database", DV_NAME, offsetof(state, snowflake.database),                                                      \
            .flags = (need), .help = "With `account`: database, as SHOW writes it."                                    \
    }

/* The rest of them, where no other place has options of these names. */
#define DV_SNOWFLAKE_SERVER_ROWS(state)                                                                                \
    { "url", DV_STR, offsetof(state, snowflake.url),                                                                   \
      .help = "Address of the account; none or empty: https://ACCOUNT.snowflakecomputing.com." },                               \
        { "ca", DV_STR, offsetof(state, snowflake.ca), .help = "File of trusted certificates; none or empty: the system's." },  \
        { "schema", DV_NAME, offsetof(state, snowflake.schema), .initial = "PUBLIC",                                   \
          .help = "Schema, as SHOW writes it." },                                                                      \
    {                                                                                                                  \
        "timeout", DV_DURATION, offsetof(state, snowflake.timeout_ms), .initial = "120s", .min = 1000, .max = 600000,  \
                                                                       .help = "How long a request may take."          \
    }

/* The connector's configuration of these options; texts are the node's. */
struct dv_snowflake_config dv_snowflake_server_config(struct dv_loop *loop, const struct dv_snowflake_server *server);

/* The account that a node of any operator with these rows names; NULL: it names none. */
const struct dv_snowflake_server *dv_snowflake_server_of(const struct dv_node *node);

/* snowflake_look.c: looks at the account of such a node without a run, and at the table or view that it names; *ret_place gets what was looked at.
 * Blocks. DV_OK; DV_E_CONFIG: what is wrong; DV_E_DEPENDENCY: it cannot be told now; and what opening an account says. */
DV_CHECKED dv_rc dv_snowflake_server_look(const struct dv_node *node, char *ret_place, size_t size, struct dv_error *error);

/* During transfer(): what can be checked without a server. DV_E_CONFIG after a finding. */
DV_CHECKED dv_rc dv_snowflake_server_check(struct dv_node *node, const struct dv_snowflake_server *server);

#endif
