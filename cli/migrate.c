/* SPDX-License-Identifier: Apache-2.0
 * migrate.c - `datavault migrate`: makes the tables of a graph in PostgreSQL and Snowflake, or brings them up to date. */
#include "cli/migrate.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/load.h"
#include "connectors/pg_url.h"
#include "engine/option.h"

enum { CONNECT_TIMEOUT_MS = 10000, TIMEOUT_MS = 60000, WIDTH = 384, WIDTH_MAX = 4096 };

/* Whether a node before this one is of the same account, database and schema. */
static bool is_first(const struct dv_graph *graph, uint32_t index)
{
    const struct dv_snowflake_server *server = dv_migrate_snowflake_server(dv_graph_node(graph, index));
    for (uint32_t i = 0; server != NULL && i < index; i++) {
        const struct dv_snowflake_server *other = dv_migrate_snowflake_server(dv_graph_node(graph, i));
        if (other != NULL && strcmp(other->account, server->account) == 0 &&
            strcmp(other->database, server->database) == 0 && strcmp(other->schema, server->schema) == 0)
            return false;
    }
    return true;
}

static bool migrate_node(const struct dv_graph *graph, uint32_t index, const struct dv_migrate_asked *asked,
                         int *ret_code)
{
    const struct dv_node *node = dv_graph_node(graph, index);
    bool pg = asked->target == NULL || strcmp(asked->target, "pg") == 0;
    bool snowflake = asked->target == NULL || strcmp(asked->target, "snowflake") == 0;
    if (pg && !asked->print && dv_migrate_pg_node(node, asked->json, ret_code))
        return true;
    return snowflake && dv_migrate_snowflake_node(node, asked, is_first(graph, index), ret_code);
}

/* Every sink, source and place of vectors of a graph that is in a database. */
static int migrate_graph(const struct dv_command *self, const struct dv_migrate_asked *asked)
{
    struct dv_loaded loaded;
    uint32_t found = 0;
    int code = dv_loaded_init(&loaded, asked->file, asked->json);
    for (uint32_t i = 0; code == DV_EXIT_OK && i < dv_graph_node_count(loaded.graph); i++)
        found += migrate_node(loaded.graph, i, asked, &code);
    if (code == DV_EXIT_OK && found == 0)
        code = dv_usage(
            self, "'%s' has neither sink-pg nor a source from pg, nor sink-snowflake, nor vectors in either of them",
            asked->file);
    dv_loaded_free(&loaded);
    return code;
}

/* Every process of the machine can read a command line. */
static int check_secrets(const struct dv_command *self, const struct dv_migrate_asked *asked)
{
    const struct dv_snowflake_server *server = &asked->snowflake;
    const char *const secrets[] = { server->key, server->passphrase, server->token };
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        if (secrets[i] != NULL && !dv_is_secret_reference(secrets[i]))
            return dv_usage(self, "no key and no token on the command line: say env:NAME or file:PATH");
    if (asked->pg.url != NULL && !dv_is_secret_reference(asked->pg.url) && dv_pg_url_has_password(asked->pg.url))
        return dv_usage(self, "no password on the command line: say --pg env:NAME, or --password env:NAME");
    return DV_EXIT_OK;
}

static int check_names(const struct dv_command *self, const struct dv_migrate_asked *asked)
{
    const struct dv_snowflake_server *server = &asked->snowflake;
    const char *const names[] = { server->role, server->warehouse, server->database, server->schema, asked->grant };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i] != NULL && !dv_is_name(names[i]))
            return dv_usage(self, "'%s' is no name of letters, digits, '_', '.' and '-'", names[i]);
    if (asked->target != NULL && strcmp(asked->target, "pg") != 0 && strcmp(asked->target, "snowflake") != 0)
        return dv_usage(self, "--target is pg or snowflake");
    if (asked->dimensions < 1 || asked->dimensions > WIDTH_MAX)
        return dv_usage(self, "--dimensions is a number from 1 to %d", WIDTH_MAX);
    return DV_EXIT_OK;
}

static int migrate(const struct dv_command *self, const struct dv_migrate_asked *asked)
{
    const struct dv_snowflake_server *server = &asked->snowflake;
    bool snowflake = asked->target != NULL && strcmp(asked->target, "snowflake") == 0;
    int code = check_names(self, asked);
    if (code == DV_EXIT_OK)
        code = check_secrets(self, asked);
    if (code != DV_EXIT_OK)
        return code;
    if (asked->file != NULL)
        return asked->pg.url != NULL ? dv_usage(self, "say either which graph file, or --pg and where")
                                     : migrate_graph(self, asked);
    if (asked->pg.url != NULL)
        return snowflake || asked->print ? dv_usage(self, "--pg goes with neither --print nor another target")
                                         : dv_migrate_pg(&asked->pg, asked->json);
    if (!snowflake)
        return dv_usage(self, "say either which graph file, or --pg and where, or --target snowflake and where");
    if (server->database == NULL)
        return dv_usage(self, "--target snowflake needs a --database");
    if (!asked->print &&
        (server->account == NULL || (server->token != NULL) == (server->user != NULL && server->key != NULL)))
        return dv_usage(self,
                        "--target snowflake needs --account, and either --user and --key or a --token; or --print");
    return dv_migrate_snowflake(asked);
}

static const struct option options[] = {
    { "config", required_argument, NULL, 'c' },
    { "pg", required_argument, NULL, 'u' },
    { "password", required_argument, NULL, 'p' },
    { "schema", required_argument, NULL, 's' },
    { "table", required_argument, NULL, 't' },
    { "json", no_argument, NULL, 'j' },
    { "target", required_argument, NULL, 'T' },
    { "account", required_argument, NULL, 'A' },
    { "user", required_argument, NULL, 'U' },
    { "key", required_argument, NULL, 'K' },
    { "passphrase", required_argument, NULL, 'P' },
    { "token", required_argument, NULL, 'O' },
    { "role", required_argument, NULL, 'R' },
    { "warehouse", required_argument, NULL, 'W' },
    { "database", required_argument, NULL, 'D' },
    { "url", required_argument, NULL, 'L' },
    { "ca", required_argument, NULL, 'C' },
    { "dimensions", required_argument, NULL, 'N' },
    { "grant", required_argument, NULL, 'G' },
    { "print", no_argument, NULL, 'X' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static void take_account(struct dv_snowflake_server *server, int option)
{
    switch (option) {
    case 'A': server->account = optarg; break;
    case 'U': server->user = optarg; break;
    case 'K': server->key = optarg; break;
    case 'P': server->passphrase = optarg; break;
    case 'O': server->token = optarg; break;
    case 'R': server->role = optarg; break;
    case 'W': server->warehouse = optarg; break;
    case 'D': server->database = optarg; break;
    case 'L': server->url = optarg; break;
    case 'C': server->ca = optarg; break;
    default: break;
    }
}

static void take_option(struct dv_migrate_asked *asked, int option)
{
    switch (option) {
    case 'c': asked->file = optarg; break;
    case 'u': asked->pg.url = optarg; break;
    case 'p': asked->pg.password = optarg; break;
    case 's': asked->pg.schema = asked->snowflake.schema = optarg; break;
    case 't': asked->pg.table = optarg; break;
    case 'j': asked->json = true; break;
    case 'T': asked->target = optarg; break;
    case 'N': asked->dimensions = strtoll(optarg, NULL, 10); break;
    case 'G': asked->grant = optarg; break;
    case 'X': asked->print = true; break;
    default: take_account(&asked->snowflake, option); break;
    }
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    struct dv_migrate_asked asked = {
        .pg = { .schema = "datavault",
                .table = "encrypted_blobs",
                .connections = 1,
                .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                .timeout_ms = TIMEOUT_MS },
        .snowflake = { .timeout_ms = TIMEOUT_MS },
        .dimensions = WIDTH,
    };
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        take_option(&asked, option);
    }
    if (asked.file == NULL && optind + 1 == argc)
        asked.file = argv[optind++];
    if (optind != argc)
        return dv_usage(self, "say either which graph file, or --pg and where, or --target snowflake and where");
    return migrate(self, &asked);
}

const struct dv_command dv_command_migrate = {
    .name = "migrate",
    .summary = "Makes the tables of PostgreSQL stores and in Snowflake.",
    .help =
        "examples:\n"
        "  datavault migrate conf/pg.yaml                          the table of each node in the graph\n"
        "  datavault migrate conf/snowflake.yaml --role OWNER --grant DV_WRITER\n"
        "  datavault migrate conf/snowflake.yaml --print --grant DV_WRITER    the statements, for an administrator\n"
        "  datavault migrate --pg env:PG_URL                       a table of the default name\n"
        "  datavault migrate --pg postgresql://me@db/app --password file:pg.password --json\n"
        "  datavault migrate --target snowflake --account myorg-acc --user ME --key env:KEY --database DV\n\n"
        "usage: datavault migrate [--config] FILE.yaml [--target pg|snowflake] [account options] [--grant ROLE] "
        "[--print] [--json]\n"
        "       datavault migrate --pg URL [--password REF] [--schema NAME] [--table NAME] [--json]\n"
        "       datavault migrate --target snowflake --account NAME (--user NAME --key REF [--passphrase REF] | "
        "--token REF)\n"
        "                         --database NAME [--schema NAME] [--role NAME] [--warehouse NAME] [--url URL] [--ca "
        "FILE]\n"
        "                         [--dimensions N] [--grant ROLE] [--print] [--json]\n\n"
        "Tables have versions; an old one is brought up to date, a later one is refused, and doing it again changes\n"
        "nothing.\n\n"
        "PostgreSQL: it all happens in one transaction, and two at a time wait for each other. The role that runs "
        "this\n"
        "owns the table; the one that stores needs USAGE on the schema, SELECT and INSERT on the table; a sink-pg with "
        "an\n"
        "`owner` also SELECT, INSERT and UPDATE on the table `fences`. A source from pg needs SELECT on the table and "
        "on\n"
        "`readers`, SELECT, UPDATE and DELETE on `pending`. sink-vectors with a `url` needs pgvector, and SELECT, "
        "INSERT and\n"
        "UPDATE on its table; search needs SELECT.\n\n"
        "Snowflake: the table of each sink-snowflake with a column for each of its records', and AUDIT_HEADS and "
        "ERASURES;\n"
        "without a graph also EMBEDDINGS and its view of vectors. A table that is there gets the columns that it "
        "lacks; one of\n"
        "another type is refused. Account options beside a graph count instead of the node's: the role that makes "
        "tables is\n"
        "seldom the one that fills them. --grant gives ROLE what it needs; --print asks nobody and prints the "
        "statements.\n",
    .run = run,
};
