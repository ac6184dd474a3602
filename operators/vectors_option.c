/* SPDX-License-Identifier: Apache-2.0
 * vectors_option.c - from an operator's options to an open place of vectors. */
#include "operators/vectors_option.h"

#include <string.h>

#include "engine/graph.h"

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

dv_rc dv_vectors_place_check(struct dv_node *node, const struct dv_vectors_place *place)
{
    if ((place->path != NULL) == (place->server.url != NULL))
        return dv_refuse(node, NULL, "C234", "path: var/vectors.sqlite, or url: \"${PG_URL}\"",
                         "'%s' needs either `path` or `url`: where the vectors are", dv_node_name(node));
    if (place->path != NULL)
        return DV_OK;
    const struct dv_pg_config config = dv_vectors_place_config(node, place, true);
    return dv_pg_server_check(node, &config);
}

static dv_rc open_pg(struct dv_node *node, struct dv_vectors_place *place, bool reads_only)
{
    const struct dv_pg_config config = dv_vectors_place_config(node, place, reads_only);
    struct dv_error error = { 0 };
    dv_rc rc = dv_vectors_pg_probe(&config, &error);
    if (dv_is_error(rc) && rc != DV_E_DEPENDENCY)
        return dv_fail(node, rc, "%s", error.text);
    rc = dv_vectors_pg_open(&place->of.pg, dv_node_loop(node), &config, &error);
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    place->vectors = &place->of.pg.vectors;
    return DV_OK;
}

dv_rc dv_vectors_place_open(struct dv_node *node, struct dv_vectors_place *place, bool reads_only)
{
    struct dv_error error = { 0 };
    if (place->server.url != NULL)
        return open_pg(node, place, reads_only);
    dv_rc rc = dv_vectors_sqlite_open(&place->of.sqlite, dv_node_loop(node), place->path, (size_t)place->memory_bytes, &error);
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    place->vectors = &place->of.sqlite.vectors;
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
    dv_vectors_place_close(place);
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

void dv_vectors_place_close(struct dv_vectors_place *place)
{
    if (place->vectors != NULL)
        dv_vectors_close(place->vectors);
    place->vectors = NULL;
}
