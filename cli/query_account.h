/* SPDX-License-Identifier: Apache-2.0
 * query_account.h - whose account a statement is asked of: of a graph's node, by options, or by the environment. */
#ifndef DV_CLI_QUERY_ACCOUNT_H
#define DV_CLI_QUERY_ACCOUNT_H

#include <stdbool.h>

#include "cli/load.h"
#include "operators/snowflake_option.h"

struct dv_command;

/* What was given, and what became of it. Zero it; texts are the command line's, the environment's and the graph's. */
struct dv_query_account {
    struct dv_snowflake_server server; /* the options so far; then all of it */
    const char *graph, *node;
    struct dv_loaded loaded;
};

#define DV_QUERY_ACCOUNT_OPTIONS                                                                                       \
    { "graph", required_argument, NULL, 'g' }, { "node", required_argument, NULL, 'n' },                               \
        { "account", required_argument, NULL, 'A' }, { "user", required_argument, NULL, 'U' },                         \
        { "key", required_argument, NULL, 'K' }, { "passphrase", required_argument, NULL, 'P' },                       \
        { "token", required_argument, NULL, 'T' }, { "oauth", no_argument, NULL, 'O' },                                \
        { "role", required_argument, NULL, 'R' }, { "warehouse", required_argument, NULL, 'W' },                       \
        { "database", required_argument, NULL, 'D' }, { "schema", required_argument, NULL, 'S' },                      \
        { "url", required_argument, NULL, 'L' }, { "ca", required_argument, NULL, 'C' }

#define DV_QUERY_ACCOUNT_HELP                                                                                          \
    "  --graph FILE   the account of the first node of this graph that has one; --node NAME: of this one\n"            \
    "  --account NAME --user NAME --key REF [--passphrase REF] | --token REF [--oauth]\n"                              \
    "                 whose account; REF is env:NAME or file:PATH, never the secret itself\n"                          \
    "  --role, --warehouse, --database, --schema NAME\n"                                                               \
    "                 as SHOW writes them; none: the user's own\n"                                                     \
    "  --url URL, --ca FILE\n"                                                                                         \
    "                 another address than the account's, and what it is trusted by\n"                                 \
    "  What is not given is the graph's; without a graph it is from SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, SNOWFLAKE_KEY,\n"   \
    "  SNOWFLAKE_PASSPHRASE, SNOWFLAKE_TOKEN, SNOWFLAKE_ROLE, SNOWFLAKE_WAREHOUSE, SNOWFLAKE_DATABASE,\n"              \
    "  SNOWFLAKE_SCHEMA, SNOWFLAKE_URL and SNOWFLAKE_CA. The three that are secrets may hold the secret or its reference.\n"

/* Takes an option of these; false: it is another one. */
bool dv_query_account_takes(struct dv_query_account *account, int option, const char *value);

/* Fills in what was not given, and loads the graph for it (`json`: findings as JSON). The exit code, after saying what is wrong. */
int dv_query_account_open(struct dv_query_account *account, const struct dv_command *self, bool json);

/* Gives the graph back; accepts a zeroed one. */
void dv_query_account_free(struct dv_query_account *account);

#endif
