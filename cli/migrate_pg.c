/* SPDX-License-Identifier: Apache-2.0
 * migrate_pg.c - the tables of PostgreSQL stores. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/migrate.h"
#include "connectors/pg_schema.h"
#include "connectors/pg_url.h"
#include "engine/graph.h"
#include "engine/json.h"
#include "operators/sink_pg.h"
#include "operators/source_pg.h"
#include "operators/vectors_option.h"

enum { LINE_BYTES = 512 };

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

bool dv_migrate_pg_node(const struct dv_node *node, bool json, int *ret_code)
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

int dv_migrate_pg(const struct dv_pg_config *config, bool json)
{
    struct dv_error error = { 0 };
    dv_rc rc = dv_pg_config_check(config, &error);
    return rc == DV_OK ? migrate(config, NULL, json) : dv_say_error(rc, &error);
}
