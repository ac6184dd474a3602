/* SPDX-License-Identifier: Apache-2.0
 * encrypt.c - seals each record whole: its JSON under AES-256-GCM, bound to its id, tenant, schema and key.
 *
 * `blob` is what the stores hold and `decrypt` and `datavault retrieve` open; its keys come from the keyring. `bare` is
 * nonce ‖ ciphertext ‖ tag under a key that a reader outside has, too. The plaintext exists in the call's scratch only,
 * which the engine wipes after every call. */
#include "engine/crash.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "operators/blob_schema.h"
#include "operators/keys.h"
#include "operators/subject_ref.h"
#include "vault/blob.h"
#include "vault/seal.h"

enum format { FORMAT_BLOB, FORMAT_BARE };

struct encrypt {
    const char *key;
    const char *raw_key;
    int format;
    const struct dv_schema *in;
    const struct dv_schema *out;
    struct dv_sealer *sealer;
    const char *key_ref;     /* in the graph's arena: batches in flight outlive a sealer */
    struct dv_hmac *subject; /* names the persons of blobs; in secret pages, NULL if the schema has no subject */
};

static const struct dv_option options[] = {
    { "key", DV_NAME, offsetof(struct encrypt, key), .help = "Dataset in the keyring whose key seals blobs." },
    { "raw_key", DV_SECRET, offsetof(struct encrypt, raw_key), .help = "The 32 bytes that seal the bare format." },
    { "format", DV_ENUM, offsetof(struct encrypt, format), .initial = "blob", .values = "blob|bare",
      .help = "blob: for our stores, with everything needed to open it; bare: nonce, ciphertext and tag only." },
    { 0 },
};

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct encrypt *encrypt = dv_state(node);
    bool bare = encrypt->format == FORMAT_BARE;
    if (bare && encrypt->raw_key == NULL)
        return dv_refuse(node, "format", "C130", "name the key's file: raw_key: file:PATH",
                         "the bare format needs `raw_key`");
    if (!bare && encrypt->key == NULL)
        return dv_refuse(node, NULL, "C131", "name the dataset: key: healthcare", "blobs need `key`");
    encrypt->in = shape->in;
    encrypt->out = bare ? dv_bare_schema_new(dv_node_arena(node), shape->in)
                        : dv_blob_schema_new(dv_node_arena(node), shape->in);
    if (encrypt->out == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    shape->out[0] = encrypt->out;
    return DV_OK;
}

static dv_rc open_bare(struct dv_node *node)
{
    struct encrypt *encrypt = dv_state(node);
    struct dv_error error = { 0 };
    uint8_t key[DV_RAW_KEY_MAX] = { 0 };
    size_t length = 0;
    dv_rc rc = dv_node_raw_key(node, encrypt->raw_key, key, &length);
    if (!dv_is_error(rc) && length != DV_KEY_BYTES)
        rc = dv_fail(node, DV_E_KEY, "`raw_key` has %zu bytes and needs %d", length, DV_KEY_BYTES);
    if (!dv_is_error(rc)) {
        rc = dv_sealer_new(&encrypt->sealer, &(struct dv_seal_key){ .key = key }, &error);
        if (dv_is_error(rc))
            (void)dv_fail(node, rc, "%s", error.text);
    }
    explicit_bzero(key, sizeof key);
    return rc;
}

/* A sealer for the dataset's newest key, in the place of one that is used up. */
static dv_rc renew(struct dv_node *node)
{
    struct encrypt *encrypt = dv_state(node);
    struct dv_sealer *sealer = NULL;
    DV_TRY(dv_node_sealer(node, encrypt->key, &sealer));
    struct dv_bytes key_ref = dv_sealer_key_ref(sealer);
    dv_sealer_free(encrypt->sealer);
    encrypt->sealer = sealer;
    encrypt->key_ref = dv_arena_copy(dv_node_arena(node), (const char *)key_ref.at, key_ref.length);
    return encrypt->key_ref != NULL ? DV_OK : dv_fail(node, DV_E_KEY, "no memory for a key reference");
}

static dv_rc open_blob(struct dv_node *node)
{
    struct encrypt *encrypt = dv_state(node);
    uint8_t key[DV_KEY_BYTES];
    uint32_t version = 0;
    DV_TRY(renew(node));
    if (encrypt->in->subject < 0)
        return DV_OK;
    encrypt->subject = dv_memory_secret(sizeof *encrypt->subject);
    if (encrypt->subject == NULL)
        return dv_fail(node, DV_E_MEMORY, "no locked memory for keys; raise the limit (ulimit -l, LimitMEMLOCK=)");
    DV_TRY(dv_node_purpose_key(node, DV_PURPOSE_SUBJECT, &version, key));
    dv_hmac_init(encrypt->subject, (struct dv_bytes){ key, sizeof key });
    explicit_bzero(key, sizeof key);
    return DV_OK;
}

static dv_rc open_node(struct dv_node *node)
{
    const struct encrypt *encrypt = dv_state(node);
    return encrypt->format == FORMAT_BARE ? open_bare(node) : open_blob(node);
}

/* The batch being sealed: new cells by output column, and room for one plaintext. */
struct run {
    struct dv_cell *cells; /* DV_BATCH_ROWS for each column */
    char *plain;
    size_t plain_size;
    struct dv_error error; /* here, since to clear one for each row costs as much as a short record */
};

static struct dv_cell *cell_of(const struct run *run, uint32_t column, uint32_t row)
{
    return &run->cells[column * DV_BATCH_ROWS + row];
}

static void put_bytes(const struct run *run, uint32_t column, uint32_t row, const void *bytes, size_t length)
{
    *cell_of(run, column, row) = (struct dv_cell){ .text = bytes, .length = (uint32_t)length, .present = 1 };
}

/* The row as JSON in the scratch; empty if the scratch is too small. */
static struct dv_bytes plaintext(struct dv_node *node, const struct dv_batch *batch, uint32_t row, struct run *run)
{
    size_t bound = dv_json_record_bound(batch, row);
    if (bound > run->plain_size) {
        run->plain = dv_arena_text(dv_node_scratch(node), bound);
        run->plain_size = run->plain != NULL ? bound : 0;
    }
    if (run->plain == NULL)
        return (struct dv_bytes){ 0 };
    return (struct dv_bytes){ (const uint8_t *)run->plain, dv_json_record(batch, row, run->plain) };
}

static void name_subject(const struct encrypt *encrypt, const struct dv_batch *batch, uint32_t row,
                         struct dv_blob *blob)
{
    if (encrypt->subject == NULL)
        return;
    uint32_t column = (uint32_t)encrypt->in->subject;
    const struct dv_cell *cell = &dv_batch_cells(batch, column)[row];
    if (!cell->present)
        return;
    dv_subject_ref(encrypt->subject, encrypt->in->columns[column].type, cell, blob->subject_ref);
    blob->subject_ref_length = DV_SUBJECT_REF_BYTES;
}

static void put_blob(const struct encrypt *encrypt, const struct run *run, uint32_t row, const struct dv_blob *blob,
                     char *head)
{
    memcpy(head, blob->data_hash, DV_HMAC_BYTES);
    memcpy(head + DV_HMAC_BYTES, blob->nonce, DV_NONCE_BYTES);
    memcpy(head + DV_HMAC_BYTES + DV_NONCE_BYTES, blob->subject_ref, DV_SUBJECT_REF_BYTES);
    put_bytes(run, DV_BLOB_SCHEMA_NAME, row, encrypt->in->name, blob->schema.length);
    put_bytes(run, DV_BLOB_DATA_HASH, row, head, DV_HMAC_BYTES);
    put_bytes(run, DV_BLOB_KEY_REF, row, encrypt->key_ref, blob->key_ref.length);
    put_bytes(run, DV_BLOB_NONCE, row, head + DV_HMAC_BYTES, DV_NONCE_BYTES);
    if (blob->subject_ref_length != 0)
        put_bytes(run, DV_BLOB_SUBJECT_REF, row, head + DV_HMAC_BYTES + DV_NONCE_BYTES, DV_SUBJECT_REF_BYTES);
    put_bytes(run, DV_BLOB_CIPHERTEXT, row, blob->ciphertext.at, blob->ciphertext.length);
}

static dv_rc seal_blob(const struct encrypt *encrypt, struct dv_batch *batch, uint32_t row, struct dv_bytes plain,
                       struct run *run)
{
    enum { HEAD = DV_HMAC_BYTES + DV_NONCE_BYTES + DV_SUBJECT_REF_BYTES };
    struct dv_blob blob = { .tenant = dv_bytes_text(batch->tenant),
                            .schema = dv_bytes_text(encrypt->in->name),
                            .created_ms = batch->row[row].created_ms };
    char *head = dv_arena_text(&batch->arena, HEAD + plain.length + DV_TAG_BYTES);
    if (head == NULL)
        return DV_E_MEMORY;
    memcpy(blob.id, batch->row[row].id, sizeof blob.id);
    name_subject(encrypt, batch, row, &blob);
    DV_TRY(dv_blob_seal(&blob, encrypt->sealer, plain, (uint8_t *)head + HEAD, &run->error));
    put_blob(encrypt, run, row, &blob, head);
    return DV_OK;
}

static dv_rc seal_bare(const struct encrypt *encrypt, struct dv_batch *batch, uint32_t row, struct dv_bytes plain,
                       struct run *run)
{
    char *message = dv_arena_text(&batch->arena, plain.length + DV_BARE_BYTES);
    if (message == NULL)
        return DV_E_MEMORY;
    DV_TRY(dv_seal_bare(encrypt->sealer, plain, (uint8_t *)message, &run->error));
    put_bytes(run, DV_BARE_SEALED, row, message, plain.length + DV_BARE_BYTES);
    return DV_OK;
}

static dv_rc seal_row(struct dv_node *node, struct dv_batch *batch, uint32_t row, struct run *run)
{
    const struct encrypt *encrypt = dv_state(node);
    struct dv_bytes plain = plaintext(node, batch, row, run);
    dv_rc rc = DV_E_LIMIT;
    if (plain.at != NULL)
        rc = encrypt->format == FORMAT_BARE ? seal_bare(encrypt, batch, row, plain, run)
                                            : seal_blob(encrypt, batch, row, plain, run);
    if (!dv_is_error(rc))
        return DV_OK;
    if (dv_rc_policy(rc) != DV_POLICY_REJECT)
        return dv_fail(node, rc, "%s", run->error.text);
    /* The dead letter needs as much of the scratch again. */
    dv_arena_trim(dv_node_scratch(node), run->plain, run->plain_size, 0);
    run->plain = NULL;
    run->plain_size = 0;
    dv_reject(node, batch, row, rc, "the record is too large to be sealed");
    return DV_OK;
}

/* A key seals so many records and no more: then blobs get another, and a raw key has done its work. */
static dv_rc watch_key(struct dv_node *node, uint32_t rows)
{
    const struct encrypt *encrypt = dv_state(node);
    if (dv_sealer_left(encrypt->sealer) >= rows)
        return DV_OK;
    if (encrypt->format == FORMAT_BARE)
        return dv_fail(node, DV_E_KEY, "`raw_key` has sealed all the records that are safe: give it a new one");
    return renew(node);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct encrypt *encrypt = dv_state(node);
    uint32_t columns = encrypt->out->column_count;
    DV_CRASH_POINT("encrypt.before");
    DV_TRY(watch_key(node, batch->rows));
    struct run run = { .cells = dv_arena_zeroed(dv_node_scratch(node), columns * DV_BATCH_ROWS, sizeof *run.cells) };
    if (run.cells == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory to seal a batch");
    for (uint32_t row = 0; row < batch->rows; row++)
        DV_TRY(seal_row(node, batch, row, &run));
    DV_ASSERT(columns <= DV_BLOB_COLUMNS);
    int fresh[DV_BLOB_COLUMNS] = { -1, -1, -1, -1, -1, -1 };
    DV_TRY(dv_batch_reshape(batch, encrypt->out, fresh));
    for (uint32_t column = 0; column < columns; column++)
        memcpy(dv_batch_edit(batch, column), cell_of(&run, column, 0), batch->rows * sizeof *run.cells);
    DV_CRASH_POINT("encrypt.after");
    return DV_PASS;
}

static void close_node(struct dv_node *node)
{
    struct encrypt *encrypt = dv_state(node);
    dv_sealer_free(encrypt->sealer);
    dv_memory_secret_free(encrypt->subject, sizeof *encrypt->subject);
    encrypt->sealer = NULL;
    encrypt->subject = NULL;
}

const struct dv_operator dv_operator_encrypt = {
    .name = "encrypt",
    .summary = "Seals each record whole, as a blob for our stores or bare for readers outside.",
    .options = options,
    .size = sizeof(struct encrypt),
    .edits = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .close = close_node,
};
