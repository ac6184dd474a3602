/* SPDX-License-Identifier: Apache-2.0
 * migrate_snowflake.c - tables and views in Snowflake: made over an account, or printed for whoever may make them. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/migrate.h"
#include "connectors/snowflake.h"
#include "connectors/snowflake_migrate.h"
#include "connectors/snowflake_name.h"
#include "engine/graph.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/sink_snowflake.h"
#include "operators/vectors_option.h"

enum { LINE_BYTES = 2048 };

/* What is under way for one account. */
struct work {
    const struct dv_migrate_asked *asked;
    struct dv_snowflake_server server;
    struct dv_snowflake_migrator *migrator; /* NULL: it is printed */
    bool schema_made;
    struct dv_snowflake_wanted wanted;
    struct dv_error error;
    char sql[DV_SNOWFLAKE_STATEMENT_MAX];
};

/* ---- what was done ---- */

static void print_json(const struct dv_snowflake_wanted *wanted, const struct dv_snowflake_migration *done)
{
    char buffer[LINE_BYTES];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "database");
    dv_json_string(&json, wanted->database);
    dv_json_key(&json, "schema");
    dv_json_string(&json, wanted->schema);
    dv_json_key(&json, "table");
    dv_json_string(&json, wanted->name);
    dv_json_key(&json, "from");
    dv_json_int(&json, done->from);
    dv_json_key(&json, "version");
    dv_json_int(&json, done->to);
    dv_json_key(&json, "columns_added");
    dv_json_uint(&json, done->added);
    dv_json_close(&json, '}');
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static void print_done(const struct work *work, const struct dv_snowflake_migration *done)
{
    const struct dv_snowflake_wanted *wanted = &work->wanted;
    if (work->asked->json) {
        print_json(wanted, done);
        return;
    }
    (void)printf("%s.%s.%s: version %d", wanted->database, wanted->schema, wanted->name, done->to);
    if (done->added > 0)
        (void)printf(", %u column%s added\n", done->added, done->added == 1 ? "" : "s");
    else
        (void)printf("%s\n", done->made ? ", made" : done->from == done->to ? ", as it was" : ", brought up to date");
}

/* ---- one table ---- */

static dv_rc run_or_print(struct work *work, const char *what)
{
    if (work->migrator != NULL)
        return dv_snowflake_migrator_run(work->migrator, work->sql, what, &work->error);
    (void)printf("%s;\n", work->sql);
    return DV_OK;
}

/* For whoever has the table already: what is there is left as it is. */
static void print_table(struct work *work)
{
    const struct dv_snowflake_wanted *wanted = &work->wanted;
    dv_snowflake_write_create(work->sql, wanted);
    (void)printf("%s;\n", work->sql);
    for (uint32_t i = 0; i < wanted->count && wanted->use != DV_SNOWFLAKE_VECTORS; i++) {
        dv_snowflake_write_add(work->sql, wanted, i);
        (void)printf("%s;\n", work->sql);
    }
}

static dv_rc make(struct work *work, enum dv_snowflake_use use, const char *table, const struct dv_schema *records,
                  uint32_t width)
{
    struct dv_snowflake_migration done;
    work->wanted.database = work->server.database;
    work->wanted.schema = work->server.schema;
    DV_TRY(dv_snowflake_want(&work->wanted, use, table, records, width, &work->error));
    if (work->migrator == NULL) {
        print_table(work);
    } else {
        DV_TRY(dv_snowflake_migrate(work->migrator, &work->wanted, &done, &work->error));
        print_done(work, &done);
        work->schema_made = work->schema_made || done.schema_made;
    }
    if (work->asked->grant == NULL)
        return DV_OK;
    dv_snowflake_write_grant(work->sql, &work->wanted, work->asked->grant);
    return run_or_print(work, "granting rights on the table");
}

/* ---- the account ---- */

static dv_rc grant_usage(struct work *work, const char *kind, const char *database, const char *schema,
                         const char *name)
{
    char place[DV_SNOWFLAKE_PLACE_MAX], role[DV_SNOWFLAKE_QUOTED_MAX];
    bool fits = dv_snowflake_quote_place(place, sizeof place, database, schema, name) &&
                dv_snowflake_quote_name(role, sizeof role, work->asked->grant);
    DV_ASSERT(fits);
    (void)snprintf(work->sql, sizeof work->sql, "GRANT USAGE ON %s %s TO ROLE %s", kind, place, role);
    return run_or_print(work, "granting USAGE");
}

/* The role gets to the tables. What is not ours to grant, as whoever it belongs to may well have done, is printed only. */
static dv_rc grant_way(struct work *work)
{
    const struct dv_snowflake_server *server = &work->server;
    bool prints = work->migrator == NULL;
    if (work->asked->grant == NULL)
        return DV_OK;
    if (prints)
        DV_TRY(grant_usage(work, "DATABASE", server->database, NULL, NULL));
    if (prints && server->warehouse != NULL)
        DV_TRY(grant_usage(work, "WAREHOUSE", NULL, NULL, server->warehouse));
    return prints || work->schema_made ? grant_usage(work, "SCHEMA", server->database, server->schema, NULL) : DV_OK;
}

static dv_rc open_account(struct work *work)
{
    char place[DV_SNOWFLAKE_PLACE_MAX];
    if (!work->asked->print) {
        struct dv_snowflake_config config = dv_snowflake_server_config(NULL, &work->server);
        config.warehouse = work->asked->snowflake.warehouse; /* none is needed, and who makes tables need not have the graph's */
        return dv_snowflake_migrator_new(&work->migrator, &config, &work->error);
    }
    bool fits = dv_snowflake_quote_place(place, sizeof place, work->server.database, work->server.schema, NULL);
    DV_ASSERT(fits);
    (void)printf("CREATE SCHEMA IF NOT EXISTS %s;\n", place);
    return DV_OK;
}

/* What every database has that DataVault writes into. */
static dv_rc make_common(struct work *work)
{
    DV_TRY(make(work, DV_SNOWFLAKE_HEADS, NULL, NULL, 0));
    DV_TRY(make(work, DV_SNOWFLAKE_ERASURES, NULL, NULL, 0));
    return grant_way(work);
}

static dv_rc make_vectors(struct work *work, const char *table, uint32_t width)
{
    DV_TRY(make(work, DV_SNOWFLAKE_EMBEDDINGS, table, NULL, width));
    return make(work, DV_SNOWFLAKE_VECTORS, table, NULL, width);
}

static int end(struct work *work, dv_rc rc)
{
    int code = rc == DV_OK ? DV_EXIT_OK : dv_say_error(rc, &work->error);
    dv_snowflake_migrator_free(work->migrator);
    dv_memory_free(work);
    return code;
}

/* What the command line says counts instead of what the file says. */
static struct dv_snowflake_server merged(const struct dv_snowflake_server *of_node,
                                         const struct dv_snowflake_server *said)
{
    struct dv_snowflake_server server = *of_node;
    server.account = said->account != NULL ? said->account : server.account;
    server.url = said->url != NULL ? said->url : server.url;
    server.ca = said->ca != NULL ? said->ca : server.ca;
    server.role = said->role != NULL ? said->role : server.role;
    server.warehouse = said->warehouse != NULL ? said->warehouse : server.warehouse;
    server.database = said->database != NULL ? said->database : server.database;
    server.schema = said->schema != NULL ? said->schema : server.schema;
    if (said->user != NULL || said->key != NULL || said->token != NULL) {
        server.token = said->token;
        server.user = said->user != NULL ? said->user : server.user;
        server.key = said->key != NULL ? said->key : server.key;
        server.passphrase = said->passphrase;
    }
    return server;
}

/* ---- nodes ---- */

const struct dv_snowflake_server *dv_migrate_snowflake_server(const struct dv_node *node)
{
    if (strcmp(dv_node_operator(node)->name, "sink-snowflake") == 0)
        return &dv_sink_snowflake_options(node)->snowflake;
    const struct dv_vectors_place *place = dv_vectors_place_of(node);
    return place != NULL && place->snowflake.account != NULL ? &place->snowflake : NULL;
}

/* A pipe that the sink names is for whoever owns the table to make: printed, and never made here, as it may read the records in its own way. */
static void print_pipe(struct work *work, const char *pipe, const struct dv_schema *records)
{
    dv_snowflake_write_pipe(work->sql, &work->wanted, pipe, records);
    (void)printf("%s;\n", work->sql);
    if (work->asked->grant == NULL)
        return;
    dv_snowflake_write_pipe_grant(work->sql, &work->wanted, pipe, work->asked->grant);
    (void)printf("%s;\n", work->sql);
}

static dv_rc make_sink(struct work *work, const struct dv_node *node)
{
    const struct dv_snow_options *options = dv_sink_snowflake_options(node);
    DV_TRY(make(work, DV_SNOWFLAKE_SUMMARIES, options->table, dv_node_schema_in(node), 0));
    if (work->migrator == NULL && options->pipe != NULL)
        print_pipe(work, options->pipe, dv_node_schema_in(node));
    return DV_OK;
}

/* Its own table; a place of vectors is one by its options, of whatever operator. */
static dv_rc make_own(struct work *work, const struct dv_node *node)
{
    const struct dv_vectors_place *place = dv_vectors_place_of(node);
    if (place != NULL)
        return make_vectors(work, place->server.table, (uint32_t)place->dimensions);
    return make_sink(work, node);
}

bool dv_migrate_snowflake_node(const struct dv_node *node, const struct dv_migrate_asked *asked, bool first,
                               int *ret_code)
{
    const struct dv_snowflake_server *server = dv_migrate_snowflake_server(node);
    if (server == NULL)
        return false;
    struct work *work = dv_memory_zeroed(1, sizeof *work);
    if (work == NULL) {
        *ret_code = dv_say_error(DV_E_MEMORY, NULL);
        return true;
    }
    work->asked = asked;
    work->server = merged(server, &asked->snowflake);
    dv_rc rc = open_account(work);
    if (rc == DV_OK)
        rc = make_own(work, node);
    if (rc == DV_OK && first)
        rc = make_common(work);
    *ret_code = end(work, rc);
    return true;
}

int dv_migrate_snowflake(const struct dv_migrate_asked *asked)
{
    struct work *work = dv_memory_zeroed(1, sizeof *work);
    if (work == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    work->asked = asked;
    work->server = asked->snowflake;
    if (work->server.schema == NULL)
        work->server.schema = "PUBLIC";
    dv_rc rc = open_account(work);
    if (rc == DV_OK)
        rc = make_vectors(work, NULL, (uint32_t)asked->dimensions);
    if (rc == DV_OK)
        rc = make_common(work);
    return end(work, rc);
}
