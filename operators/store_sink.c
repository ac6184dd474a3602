/* SPDX-License-Identifier: Apache-2.0
 * store_sink.c - fills the rows of a put from a sealed batch and finishes the batch with the store's answer. */
#include "operators/store_sink.h"

#include <string.h>

#include "engine/crash.h"
#include "engine/graph.h"
#include "operators/blob_schema.h"
#include "vault/blob.h"

dv_rc dv_store_sink_transfer(struct dv_node *node, struct dv_shape *shape)
{
    if (dv_schema_is_blob(shape->in))
        return DV_OK;
    return dv_refuse(node, NULL, "C141", "put `encrypt` before it: { op: encrypt, key: NAME }",
                     "the store keeps sealed records only");
}

static struct dv_store_bytes bytes_of(const struct dv_batch *batch, uint32_t row, enum dv_blob_column column)
{
    const struct dv_cell *cell = &dv_batch_cells(batch, (uint32_t)column)[row];
    if (!cell->present)
        return (struct dv_store_bytes){ 0 };
    return (struct dv_store_bytes){ cell->text, cell->length };
}

static void fill_row(struct dv_store_row *to, const struct dv_batch *batch, uint32_t row)
{
    memcpy(to->id, batch->row[row].id, sizeof to->id);
    to->created_ms = batch->row[row].created_ms;
    to->tenant = (struct dv_store_bytes){ batch->tenant, strlen(batch->tenant) };
    to->schema = bytes_of(batch, row, DV_BLOB_SCHEMA_NAME);
    to->data_hash = bytes_of(batch, row, DV_BLOB_DATA_HASH);
    to->key_ref = bytes_of(batch, row, DV_BLOB_KEY_REF);
    to->subject_ref = bytes_of(batch, row, DV_BLOB_SUBJECT_REF);
    to->nonce = bytes_of(batch, row, DV_BLOB_NONCE);
    to->ciphertext = bytes_of(batch, row, DV_BLOB_CIPHERTEXT);
}

static void on_stored(struct dv_store_request *request)
{
    struct dv_store_slot *slot = request->data;
    struct dv_node *node = slot->sink->node;
    struct dv_batch *batch = slot->batch;
    slot->batch = NULL;
    dv_rc rc = request->rc;
    if (rc != DV_OK)
        rc = dv_fail(node, rc, "the store: %s", request->reason != NULL ? request->reason : dv_rc_text(rc));
    DV_CRASH_POINT("store.before-finish");
    dv_finish(node, batch, rc);
    DV_CRASH_POINT("store.finished");
}

static struct dv_store_slot *free_slot(struct dv_store_sink *sink)
{
    for (uint32_t i = 0; i < sink->held_max; i++)
        if (sink->slots[i].batch == NULL)
            return &sink->slots[i];
    DV_ASSERT(!"a free slot while the node is called");
    return NULL;
}

dv_rc dv_store_sink_process(struct dv_store_sink *sink, struct dv_batch *batch)
{
    struct dv_store_slot *slot = free_slot(sink);
    uint32_t count = 0;
    for (uint32_t row = 0; row < batch->rows; row++)
        if (!dv_batch_rejected(batch, row))
            fill_row(&slot->rows[count++], batch, row);
    if (count == 0)
        return DV_PASS;
    slot->batch = batch;
    DV_CRASH_POINT("store.before-put");
    slot->request = (struct dv_store_request){ .kind = DV_STORE_PUT, .rows = slot->rows, .count = count,
                                               .callback = on_stored, .data = slot };
    dv_store_request(sink->store, &slot->request);
    return DV_HOLD;
}

dv_rc dv_store_sink_open(struct dv_store_sink *sink, struct dv_node *node, struct dv_store *store, uint32_t held_max)
{
    DV_ASSERT(held_max <= DV_STORE_SINK_HELD_MAX);
    sink->node = node;
    sink->store = store;
    sink->held_max = held_max;
    for (uint32_t i = 0; i < held_max; i++) {
        sink->slots[i].sink = sink;
        sink->slots[i].rows = dv_arena_zeroed(dv_node_arena(node), DV_BATCH_ROWS, sizeof *sink->slots[i].rows);
        if (sink->slots[i].rows == NULL)
            return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    }
    return DV_OK;
}

bool dv_node_keeps_blobs(const struct dv_node *node)
{
    const char *name = dv_node_operator(node)->name;
    return strcmp(name, "sink-store") == 0 || strcmp(name, "sink-pg") == 0;
}

struct dv_store *dv_store_of_node(const struct dv_node *node)
{
    const struct dv_store_sink *sink = dv_state(node);
    return dv_node_keeps_blobs(node) ? sink->store : NULL;
}
