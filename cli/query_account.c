/* SPDX-License-Identifier: Apache-2.0
 * query_account.c - an account out of options, a graph and the environment. */
#include "cli/query_account.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

/* Where each text of an account comes from. */
static const struct place {
    int option;
    size_t offset;
    const char *variable;
    const char *reference; /* of a secret: what stands for the variable itself */
} places[] = {
    { 'A', offsetof(struct dv_snowflake_server, account), "SNOWFLAKE_ACCOUNT", NULL },
    { 'U', offsetof(struct dv_snowflake_server, user), "SNOWFLAKE_USER", NULL },
    { 'K', offsetof(struct dv_snowflake_server, key), "SNOWFLAKE_KEY", "env:SNOWFLAKE_KEY" },
    { 'P', offsetof(struct dv_snowflake_server, passphrase), "SNOWFLAKE_PASSPHRASE", "env:SNOWFLAKE_PASSPHRASE" },
    { 'T', offsetof(struct dv_snowflake_server, token), "SNOWFLAKE_TOKEN", "env:SNOWFLAKE_TOKEN" },
    { 'R', offsetof(struct dv_snowflake_server, role), "SNOWFLAKE_ROLE", NULL },
    { 'W', offsetof(struct dv_snowflake_server, warehouse), "SNOWFLAKE_WAREHOUSE", NULL },
    { 'D', offsetof(struct dv_snowflake_server, database), "SNOWFLAKE_DATABASE", NULL },
    { 'S', offsetof(struct dv_snowflake_server, schema), "SNOWFLAKE_SCHEMA", NULL },
    { 'L', offsetof(struct dv_snowflake_server, url), "SNOWFLAKE_URL", NULL },
    { 'C', offsetof(struct dv_snowflake_server, ca), "SNOWFLAKE_CA", NULL },
};

enum { PLACES = sizeof places / sizeof places[0] };

static const char **member(struct dv_snowflake_server *server, size_t offset)
{
    return (const char **)(void *)((char *)server + offset);
}

bool dv_query_account_takes(struct dv_query_account *account, int option, const char *value)
{
    for (size_t i = 0; i < PLACES; i++) {
        if (places[i].option != option)
            continue;
        *member(&account->server, places[i].offset) = value;
        return true;
    }
    if (option == 'g')
        account->graph = value;
    else if (option == 'n')
        account->node = value;
    else if (option == 'O')
        account->server.token_kind = 1; /* of DV_SNOWFLAKE_TOKEN_KINDS */
    else
        return false;
    return true;
}

/* Whoever is named anew has a proof of his own: one of somebody else's beside it would be shown instead. */
static bool keeps_proof(const struct dv_snowflake_server *given)
{
    return given->key == NULL && given->token == NULL;
}

static bool is_proof(int option)
{
    return option == 'K' || option == 'P' || option == 'T';
}

static void fill_from(struct dv_snowflake_server *server, const struct dv_snowflake_server *other)
{
    bool proof = keeps_proof(server);
    for (size_t i = 0; i < PLACES; i++) {
        const char **at = member(server, places[i].offset);
        const char *value = *(const char *const *)(const void *)((const char *)other + places[i].offset);
        if (*at == NULL && (proof || !is_proof(places[i].option)))
            *at = value;
    }
    if (proof && server->token != NULL)
        server->token_kind = other->token_kind;
}

static struct dv_snowflake_server of_environment(void)
{
    struct dv_snowflake_server server = { 0 };
    for (size_t i = 0; i < PLACES; i++) {
        const char *value = places[i].variable != NULL ? getenv(places[i].variable) : NULL;
        if (value == NULL || value[0] == '\0')
            continue;
        bool itself = places[i].reference != NULL && !dv_is_secret_reference(value);
        *member(&server, places[i].offset) = itself ? places[i].reference : value;
    }
    if (server.key != NULL)
        server.token = NULL;
    return server;
}

static int take_graph(struct dv_query_account *account, const struct dv_command *self, bool json)
{
    const struct dv_snowflake_server *found = NULL;
    int code = dv_loaded_init(&account->loaded, account->graph, json);
    if (code != DV_EXIT_OK)
        return code;
    for (uint32_t i = 0; found == NULL && i < dv_graph_node_count(account->loaded.graph); i++) {
        const struct dv_node *node = dv_graph_node(account->loaded.graph, i);
        if (account->node == NULL || strcmp(dv_node_name(node), account->node) == 0)
            found = dv_snowflake_server_of(node);
    }
    if (found == NULL && account->node != NULL)
        return dv_usage(self, "'%s' has no node '%s' with an account of Snowflake", account->graph, account->node);
    if (found == NULL)
        return dv_usage(self, "'%s' has no node with an account of Snowflake", account->graph);
    fill_from(&account->server, found);
    return DV_EXIT_OK;
}

static int check(const struct dv_query_account *account, const struct dv_command *self)
{
    const struct dv_snowflake_server *server = &account->server;
    const char *const secrets[] = { server->key, server->passphrase, server->token };
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        if (secrets[i] != NULL && !dv_is_secret_reference(secrets[i]))
            return dv_usage(self, "--key, --passphrase and --token take env:NAME or file:PATH, never the secret itself");
    if (server->account == NULL)
        return dv_usage(self, "which account? --graph FILE, --account NAME, or SNOWFLAKE_ACCOUNT");
    if (server->token == NULL && (server->user == NULL || server->key == NULL))
        return dv_usage(self, "who asks? --user NAME and --key REF, SNOWFLAKE_USER and SNOWFLAKE_KEY, or --token REF");
    return DV_EXIT_OK;
}

int dv_query_account_open(struct dv_query_account *account, const struct dv_command *self, bool json)
{
    const struct dv_snowflake_server environment = of_environment();
    int code = account->graph != NULL ? take_graph(account, self, json) : DV_EXIT_OK;
    if (code == DV_EXIT_OK && account->graph == NULL)
        fill_from(&account->server, &environment);
    return code == DV_EXIT_OK ? check(account, self) : code;
}

void dv_query_account_free(struct dv_query_account *account)
{
    if (account->graph != NULL)
        dv_loaded_free(&account->loaded);
}
