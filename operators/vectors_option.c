/* SPDX-License-Identifier: Apache-2.0
 * vectors_option.c - from an operator's options to an open place of vectors. */
#include "operators/vectors_option.h"

#include <string.h>
#include <unistd.h>

#include "connectors/vectors_snowflake.h"
#include "engine/graph.h"

enum { PG_WIDTH_MAX = 2000, PG_TIMEOUT_MS = 10000, ACCOUNT_TIMEOUT_MS = 60000 };

struct dv_pg_config dv_vectors_place_config(const struct dv_node *node, const struct dv_vectors_place *place, bool reads_only)
{
    struct dv_pg_config config = dv_pg_server_config(node, &place->server);
    config.vector_width = place->dimensions;
    config.reads_only = reads_only;
    return config;
}

const struct dv_vectors_place *dv_vectors_place_of(const struct dv_node *node)
{
    const char *name = dv_node_operator(node)->name;
    bool has_one = strcmp(name, "sink-vectors") == 0 || strcmp(name, "search") == 0;
    return has_one ? dv_state(node) : NULL; /* the first member of both */
}

static dv_rc check_pg(struct dv_node *node, const struct dv_vectors_place *place)
{
    const struct dv_pg_config config = dv_vectors_place_config(node, place, true);
    if (place->dimensions > PG_WIDTH_MAX)
        return dv_refuse(node, "dimensions", "C243", "take a model of fewer, or another place", "pgvector's index holds vectors of at most %d numbers",
                         PG_WIDTH_MAX);
    return dv_pg_server_check(node, &config);
}

static dv_rc check_snowflake(struct dv_node *node, const struct dv_vectors_place *place)
{
    if (place->snowflake.database == NULL)
        return dv_refuse(node, NULL, "C244", "database: DV", "'%s' needs the `database` of the account's table", dv_node_name(node));
    return dv_snowflake_server_check(node, &place->snowflake);
}

/* A server's options are shared, and what they are if they are not said depends on which it is. */
static void fill_in(struct dv_vectors_place *place)
{
    struct dv_pg_server *server = &place->server;
    struct dv_snowflake_server *snowflake = &place->snowflake;
    bool is_account = snowflake->account != NULL;
    if (is_account && server->url != NULL) {
        snowflake->url = server->url;
        server->url = NULL;
    }
    if (server->schema == NULL)
        server->schema = is_account ? "PUBLIC" : "datavault";
    if (server->table == NULL)
        server->table = is_account ? "EMBEDDINGS" : "embeddings";
    if (server->timeout_ms == 0)
        server->timeout_ms = is_account ? ACCOUNT_TIMEOUT_MS : PG_TIMEOUT_MS;
    snowflake->schema = server->schema;
    snowflake->timeout_ms = server->timeout_ms;
}

dv_rc dv_vectors_place_check(struct dv_node *node, struct dv_vectors_place *place)
{
    fill_in(place);
    if ((place->path != NULL) + (place->server.url != NULL || place->snowflake.url != NULL || place->snowflake.account != NULL) != 1)
        return dv_refuse(node, NULL, "C234", "path: var/vectors.sqlite, url: \"${PG_URL}\", or account: \"${SNOWFLAKE_ACCOUNT}\"",
                         "'%s' needs one of `path`, `url` and `account`: where the vectors are", dv_node_name(node));
    if (place->snowflake.account != NULL)
        return check_snowflake(node, place);
    return place->path != NULL ? DV_OK : check_pg(node, place);
}

static dv_rc open_pg(struct dv_vectors_place *place, const struct dv_pg_config *config, struct dv_loop *loop, struct dv_error *error)
{
    dv_rc rc = dv_vectors_pg_probe(config, error);
    if (dv_is_error(rc) && (rc != DV_E_DEPENDENCY || config->impatient))
        return rc;
    DV_TRY(dv_vectors_pg_open(&place->of.pg, loop, config, error));
    place->vectors = &place->of.pg.vectors;
    return DV_OK;
}

static dv_rc open_file(struct dv_vectors_place *place, struct dv_loop *loop, int64_t memory_bytes, struct dv_error *error)
{
    DV_TRY(dv_vectors_sqlite_open(&place->of.sqlite, loop, place->path, (size_t)memory_bytes, error));
    place->vectors = &place->of.sqlite.vectors;
    return DV_OK;
}

static dv_rc open_snowflake(struct dv_node *node, struct dv_vectors_place *place, struct dv_loop *loop, struct dv_error *error)
{
    const struct dv_vectors_snowflake_config config = { .snowflake = dv_snowflake_server_config(loop, &place->snowflake),
                                                        .table = place->server.table, .width = (uint32_t)place->dimensions };
    struct dv_vectors_snowflake *made = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *made);
    if (made == NULL)
        return dv_error_set(error, DV_E_FAILED, "the graph's memory is used up");
    DV_TRY(dv_vectors_snowflake_open(made, &config, error));
    place->of.snowflake = made;
    place->vectors = &made->vectors;
    return DV_OK;
}

/* Opens it over a loop; a file may have so much memory. */
static dv_rc open_any(struct dv_node *node, const struct dv_pg_config *config, struct dv_loop *loop, int64_t memory_bytes, struct dv_error *error)
{
    struct dv_vectors_place *place = dv_state(node);
    if (place->snowflake.account != NULL)
        return open_snowflake(node, place, loop, error);
    return place->server.url != NULL ? open_pg(place, config, loop, error) : open_file(place, loop, memory_bytes, error);
}

dv_rc dv_vectors_place_open(struct dv_node *node, struct dv_vectors_place *place, bool reads_only)
{
    struct dv_error error = { 0 };
    const struct dv_pg_config config = dv_vectors_place_config(node, place, reads_only);
    dv_rc rc = open_any(node, &config, dv_node_loop(node), place->memory_bytes, &error);
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

dv_rc dv_vectors_place_open_alone(struct dv_node *node, struct dv_loop *loop, struct dv_vectors **ret, struct dv_error *error)
{
    struct dv_vectors_place *place = dv_state(node);
    struct dv_pg_config config = dv_vectors_place_config(node, place, true);
    config.impatient = true;
    config.connections = 1;
    if (place->path != NULL && access(place->path, F_OK) != 0) /* opening would make it */
        return dv_error_set(error, DV_E_MISSING, "there are no vectors at '%s'", place->path);
    DV_TRY(open_any(node, &config, loop, 0, error));
    *ret = place->vectors;
    return DV_OK;
}

/* The place of a node that has one: the first member of its state. */
static struct dv_vectors *vectors_of(const struct dv_node *node)
{
    const struct dv_vectors_place *place = dv_state(node);
    return place->vectors;
}

void dv_vectors_node_close(struct dv_node *node)
{
    struct dv_vectors_place *place = dv_state(node);
    if (place->vectors != NULL)
        dv_vectors_close(place->vectors);
    place->vectors = NULL;
}

const char *dv_vectors_node_waits(struct dv_node *node)
{
    const struct dv_vectors *vectors = vectors_of(node);
    return vectors != NULL ? dv_vectors_waits(vectors) : NULL;
}

const struct dv_breaker *dv_vectors_node_breaker(const struct dv_node *node, uint32_t index)
{
    const struct dv_vectors *vectors = vectors_of(node);
    return index == 0 && vectors != NULL ? vectors->breaker : NULL;
}
