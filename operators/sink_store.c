/* SPDX-License-Identifier: Apache-2.0
 * sink_store.c - keeps sealed records in an embedded store, each once: a redelivery meets its own id. */
#include "connectors/sqlite.h"
#include "engine/operator.h"
#include "operators/blob_schema.h"
#include "vault/blob.h"

enum { HELD_MAX = 4 };

/* A batch that is being stored. */
struct slot {
    struct dv_store_request request;
    struct sink_store *sink;
    struct dv_batch *batch; /* NULL: free */
    struct dv_store_row *rows;
};

struct sink_store {
    const char *path;
    struct dv_node *node;
    struct dv_sqlite sqlite;
    struct slot slots[HELD_MAX];
};

static const struct dv_option options[] = {
    { "path", DV_STR, offsetof(struct sink_store, path), .flags = DV_REQUIRED,
      .help = "SQLite file of sealed records, made if it is missing." },
    { 0 },
};

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
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
    struct slot *slot = request->data;
    struct dv_node *node = slot->sink->node;
    struct dv_batch *batch = slot->batch;
    slot->batch = NULL;
    dv_rc rc = request->rc;
    if (rc != DV_OK)
        rc = dv_fail(node, rc, "the store: %s", request->reason != NULL ? request->reason : dv_rc_text(rc));
    dv_finish(node, batch, rc);
}

static struct slot *free_slot(struct sink_store *sink)
{
    for (uint32_t i = 0; i < HELD_MAX; i++)
        if (sink->slots[i].batch == NULL)
            return &sink->slots[i];
    DV_ASSERT(!"a free slot while the node is called");
    return NULL;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_store *sink = dv_state(node);
    struct slot *slot = free_slot(sink);
    uint32_t count = 0;
    for (uint32_t row = 0; row < batch->rows; row++)
        if (!dv_batch_rejected(batch, row))
            fill_row(&slot->rows[count++], batch, row);
    if (count == 0)
        return DV_PASS;
    slot->batch = batch;
    slot->request = (struct dv_store_request){
        .kind = DV_STORE_PUT, .rows = slot->rows, .count = count, .callback = on_stored, .data = slot
    };
    dv_store_request(&sink->sqlite.store, &slot->request);
    return DV_HOLD;
}

static const char *waits(struct dv_node *node)
{
    const struct sink_store *sink = dv_state(node);
    return dv_store_waits(&sink->sqlite.store);
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_store *sink = dv_state(node);
    struct dv_error error = { 0 };
    sink->node = node;
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        sink->slots[i].sink = sink;
        sink->slots[i].rows = dv_arena_zeroed(dv_node_arena(node), DV_BATCH_ROWS, sizeof *sink->slots[i].rows);
        if (sink->slots[i].rows == NULL)
            return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    }
    dv_rc rc = dv_sqlite_open(&sink->sqlite, dv_node_loop(node), sink->path, &error);
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

static void close_node(struct dv_node *node)
{
    struct sink_store *sink = dv_state(node);
    dv_store_close(&sink->sqlite.store);
}

const struct dv_operator dv_operator_sink_store = {
    .name = "sink-store",
    .summary = "Keeps sealed records in an embedded SQLite store, each once.",
    .options = options,
    .size = sizeof(struct sink_store),
    .sink = true,
    .held_max = HELD_MAX,
    .exit = DV_EXIT_STORE,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .close = close_node,
};
