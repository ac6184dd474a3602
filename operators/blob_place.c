/* SPDX-License-Identifier: Apache-2.0
 * blob_place.c - opens a store of sealed records for reading, and looks ids up. */
#include "operators/blob_place.h"

#include <string.h>

#include "engine/operator.h"

/* ---- the place ---- */

static struct dv_pg_config config_of(const struct dv_node *node, const struct dv_blob_place *place)
{
    struct dv_pg_config config = dv_pg_server_config(node, &place->server);
    config.reads_only = true;
    return config;
}

dv_rc dv_blob_place_check(struct dv_node *node, const struct dv_blob_place *place)
{
    if ((place->path != NULL) == (place->server.url != NULL))
        return dv_refuse(node, NULL, "C241", "path: var/vault.sqlite, or url: \"${PG_URL}\"",
                         "'%s' needs either `path` or `url`: where the sealed records are", dv_node_name(node));
    if (place->path != NULL)
        return DV_OK;
    const struct dv_pg_config config = config_of(node, place);
    return dv_pg_server_check(node, &config);
}

static dv_rc open_pg(struct dv_node *node, struct dv_blob_place *place, struct dv_error *error)
{
    const struct dv_pg_config config = config_of(node, place);
    dv_rc rc = dv_pg_probe(&config, error);
    if (dv_is_error(rc) && rc != DV_E_DEPENDENCY)
        return rc;
    DV_TRY(dv_pg_open(&place->of.pg, dv_node_loop(node), &config, error));
    place->store = &place->of.pg.store;
    return DV_OK;
}

static dv_rc open_file(struct dv_node *node, struct dv_blob_place *place, struct dv_error *error)
{
    DV_TRY(dv_sqlite_open(&place->of.sqlite, dv_node_loop(node), place->path, error));
    place->store = &place->of.sqlite.store;
    return DV_OK;
}

dv_rc dv_blob_place_open(struct dv_node *node, struct dv_blob_place *place)
{
    struct dv_error error = { 0 };
    place->rows = dv_arena_zeroed(dv_node_arena(node), DV_BLOB_FIND_MAX, sizeof *place->rows);
    if (place->rows == NULL)
        return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    dv_rc rc = place->path != NULL ? open_file(node, place, &error) : open_pg(node, place, &error);
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

const char *dv_blob_place_waits(struct dv_node *node)
{
    const struct dv_blob_place *place = dv_state(node);
    return place->store != NULL ? dv_store_waits(place->store) : NULL;
}

const struct dv_breaker *dv_blob_place_breaker(const struct dv_node *node, uint32_t index)
{
    const struct dv_blob_place *place = dv_state(node);
    return index == 0 && place->store != NULL ? place->store->breaker : NULL;
}

void dv_blob_place_close(struct dv_node *node)
{
    struct dv_blob_place *place = dv_state(node);
    if (place->store != NULL)
        dv_store_close(place->store);
    place->store = NULL;
}

/* ---- looking ---- */

static void look(struct dv_blob_search *search);

static void end(struct dv_blob_search *search, const struct dv_store_request *request)
{
    search->rc = request->rc;
    search->reason = request->reason;
    search->looked(search);
}

static void on_rows(struct dv_store_request *request)
{
    struct dv_blob_search *search = request->data;
    if (request->rc != DV_OK) {
        end(search, request);
        return;
    }
    for (uint64_t i = 0; i < request->total; i++)
        search->found(search, &search->place->rows[i]);
    search->at += request->count;
    look(search);
}

static void on_row(struct dv_store_request *request)
{
    struct dv_blob_search *search = request->data;
    if (request->rc != DV_OK && request->rc != DV_E_MISSING) {
        end(search, request);
        return;
    }
    if (request->rc == DV_OK && request->row.ciphertext.length <= search->longest)
        search->found(search, &request->row);
    search->at++;
    look(search);
}

/* As many as fit into one answer, however long each is. */
static uint32_t together(const struct dv_blob_search *search)
{
    uint32_t fit = DV_BLOB_FIND_BYTES / (search->longest + 1), left = search->count - search->at;
    fit = fit < 1 ? 1 : fit > DV_BLOB_FIND_MAX ? DV_BLOB_FIND_MAX : fit;
    return left < fit ? left : fit;
}

/* The next of them; behind the last it ends. */
static void look(struct dv_blob_search *search)
{
    struct dv_blob_place *place = search->place;
    struct dv_store_request *request = &place->request;
    if (search->at == search->count) {
        request->rc = DV_OK;
        request->reason = NULL;
        end(search, request);
        return;
    }
    *request = (struct dv_store_request){ .callback = place->path != NULL ? on_row : on_rows, .data = search };
    if (place->path != NULL) {
        request->kind = DV_STORE_GET;
        memcpy(request->id, search->ids[search->at], sizeof request->id);
    } else {
        request->kind = DV_STORE_FIND;
        request->ids = search->ids + search->at;
        request->count = together(search);
        request->longest = search->longest;
        request->taken = place->rows;
    }
    dv_store_request(place->store, request);
}

void dv_blob_place_search(struct dv_blob_place *place, struct dv_blob_search *search)
{
    DV_ASSERT(search->count > 0 && search->longest > 0);
    search->place = place;
    search->at = 0;
    look(search);
}
