/* SPDX-License-Identifier: Apache-2.0
 * migrate.c - `datavault migrate`: makes the tables of PostgreSQL stores, or brings them up to date. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/load.h"
#include "connectors/pg_schema.h"
#include "connectors/pg_url.h"
#include "engine/json.h"
#include "engine/option.h"
#include "operators/sink_pg.h"
#include "operators/source_pg.h"
#include "operators/vectors_option.h"

enum { CONNECT_TIMEOUT_MS = 10000, TIMEOUT_MS = 60000, LINE_BYTES = 512 };

static void print_done(const struct dv_pg_config *config, const struct dv_pg_migration *done, bool json_wanted)
{
    char buffer[LINE_BYTES];
    struct dv_json json;
    if (!json_wanted) {
        (void)printf("%s.%s: version %d%s\n", config->schema, config->table, done->to,
                     done->from == done->to ? ", as it was" : done->from == 0 ? ", made" : ", brought up to date");
        return;
    }
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "schema");
    dv_json_string(&json, config->schema);
    dv_json_key(&json, "table");
    dv_json_string(&json, config->table);
    dv_json_key(&json, "from");
    dv_json_int(&json, done->from);
    dv_json_key(&json, "version");
    dv_json_int(&json, done->to);
    dv_json_close(&json, '}');
    (void)fwrite(buffer, 1, dv_json_length(&json), stdout);
    (void)fputc('\n', stdout);
}

static int migrate(const struct dv_pg_config *config, const struct dv_pg_reader *reader, bool json)
{
    struct dv_pg_migration done = { 0 };
    struct dv_error error = { 0 };
    dv_rc rc = dv_pg_migrate(config, reader, &done, &error);
    if (rc != DV_OK)
        return dv_say_error(rc, &error);
    print_done(config, &done, json);
    return DV_EXIT_OK;
}

/* What a node of the graph needs; false if it needs nothing. */
static bool migrate_node(const struct dv_node *node, bool json, int *ret_code)
{
    const struct dv_operator *op = dv_node_operator(node);
    if (op->source && strcmp(op->from, "pg") == 0) {
        const struct dv_pg_config config = dv_source_pg_config(node);
        const struct dv_pg_reader reader = dv_source_pg_reader(node);
        *ret_code = migrate(&config, &reader, json);
        return true;
    }
    const struct dv_vectors_place *place = dv_vectors_place_of(node);
    if (place != NULL && place->server.url != NULL) {
        const struct dv_pg_config config = dv_vectors_place_config(node, place, false);
        *ret_code = migrate(&config, NULL, json);
        return true;
    }
    if (strcmp(op->name, "sink-pg") != 0)
        return false;
    const struct dv_pg_config config = dv_sink_pg_config(node);
    *ret_code = migrate(&config, NULL, json);
    return true;
}

/* Every sink-pg, source and place of vectors of a graph. */
static int migrate_graph(const struct dv_command *self, const char *file, bool json)
{
    struct dv_loaded loaded;
    uint32_t found = 0;
    int code = dv_loaded_init(&loaded, file, json);
    for (uint32_t i = 0; code == DV_EXIT_OK && i < dv_graph_node_count(loaded.graph); i++)
        found += migrate_node(dv_graph_node(loaded.graph, i), json, &code);
    if (code == DV_EXIT_OK && found == 0)
        code = dv_usage(self, "'%s' has neither sink-pg nor a source from pg, nor vectors in PostgreSQL", file);
    dv_loaded_free(&loaded);
    return code;
}

static int migrate_url(const struct dv_command *self, const struct dv_pg_config *config, bool json)
{
    struct dv_error error = { 0 };
    /* Every process of the machine can read a command line. */
    if (!dv_is_secret_reference(config->url) && dv_pg_url_has_password(config->url))
        return dv_usage(self, "no password on the command line: say --pg env:NAME, or --password env:NAME");
    dv_rc rc = dv_pg_config_check(config, &error);
    return rc == DV_OK ? migrate(config, NULL, json) : dv_say_error(rc, &error);
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' }, { "pg", required_argument, NULL, 'u' },
        { "password", required_argument, NULL, 'p' }, { "schema", required_argument, NULL, 's' },
        { "table", required_argument, NULL, 't' }, { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' }, { 0 },
    };
    struct dv_pg_config config = { .schema = "datavault", .table = "encrypted_blobs", .connections = 1,
                                   .connect_timeout_ms = CONNECT_TIMEOUT_MS, .timeout_ms = TIMEOUT_MS };
    const char *file = NULL;
    bool json = false;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        switch (option) {
        case -2: return code;
        case 'c': file = optarg; break;
        case 'u': config.url = optarg; break;
        case 'p': config.password = optarg; break;
        case 's': config.schema = optarg; break;
        case 't': config.table = optarg; break;
        default: json = true; break;
        }
    }
    if (file == NULL && optind + 1 == argc)
        file = argv[optind++];
    if (optind != argc || (file == NULL) == (config.url == NULL))
        return dv_usage(self, "say either which graph file, or --pg and where");
    return file != NULL ? migrate_graph(self, file, json) : migrate_url(self, &config, json);
}

const struct dv_command dv_command_migrate = {
    .name = "migrate",
    .summary = "Makes the tables of PostgreSQL stores.",
    .help = "examples:\n"
            "  datavault migrate conf/pg.yaml                          the table of each node in the graph\n"
            "  datavault migrate --pg env:PG_URL                       a table of the default name\n"
            "  datavault migrate --pg postgresql://me@db/app --password file:pg.password --json\n\n"
            "usage: datavault migrate [--config] FILE.yaml | --pg URL [--password REF] [--schema NAME] [--table NAME]\n"
            "       [--json]\n\n"
            "Tables have versions; an old one is brought up to date, a later one is refused, and doing it again changes\n"
            "nothing. It all happens in one transaction, and two at a time wait for each other. The role that runs this\n"
            "owns the table; the one that stores needs USAGE on the schema, SELECT and INSERT on the table; a sink-pg with an\n"
            "`owner` also SELECT, INSERT and UPDATE on the table `fences`. A source from pg needs SELECT on the table and on\n"
            "`readers`, SELECT, UPDATE and DELETE on `pending`. sink-vectors with a `url` needs pgvector, and SELECT, INSERT and\n"
            "UPDATE on its table; search needs SELECT.\n",
    .run = run,
};
