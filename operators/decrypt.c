/* SPDX-License-Identifier: Apache-2.0
 * decrypt.c - opens sealed records again: blobs by the keyring, bare messages by a raw key.
 *
 * The graph says what was sealed: a schema, and the policy it went through, if any. Their labels are those of what comes
 * out, so they must be those of what went in: the proof would else rest on a promise. A record that does not fit them is
 * rejected. The batch stays sealed until all its records are open, so that a rejected one reaches the dead letters as it
 * came. */
#include "operators/decrypt.h"

#include <string.h>

#include "engine/graph.h"
#include "engine/json.h"
#include "operators/anonymize_plan.h"
#include "operators/blob_row.h"
#include "operators/blob_schema.h"
#include "operators/keys.h"
#include "operators/schema_option.h"
#include "vault/seal.h"

struct decrypt {
    const char *schema;
    const char *policy;
    const char *raw_key;
    int64_t max_record;
    bool bare;
    bool references;
    const struct dv_schema *out;   /* of what was sealed */
    const struct dv_schema *given; /* the same with the references */
    struct dv_anonymize_plan plan;
    struct dv_opener *opener; /* of bare messages */
    struct dv_keyring *keyring;
    struct dv_json_reader *reader;
};

static const struct dv_option options[] = {
    { "schema", DV_NAME, offsetof(struct decrypt, schema), .flags = DV_REQUIRED,
      .help = "Schema of the records that were sealed: schemas/<name>.yaml beside the graph file." },
    { "policy", DV_NAME, offsetof(struct decrypt, policy),
      .help = "Policy they went through before; none: they were sealed as they came." },
    { "raw_key", DV_SECRET, offsetof(struct decrypt, raw_key), .help = "The 32 bytes that sealed bare messages." },
    { "max_record", DV_SIZE, offsetof(struct decrypt, max_record), .initial = "4MiB", .min = 64, .max = DV_SEAL_MAX,
      .help = "Longest record; a longer one is rejected." },
    { "references", DV_BOOL, offsetof(struct decrypt, references), .initial = "false",
      .help = "Keep two columns of the blob: data_hash, by which a citation proves itself, and subject_ref, the pseudonym of the person." },
    { 0 },
};

/* Whether what was sealed as `inside` may be opened as `out`. A record may have fewer columns than `out` names, but none
 * of another label; with fields that no schema names, only the very same schema will do. */
static bool covers(const struct dv_schema *out, const struct dv_schema *inside)
{
    if (inside->extra >= 0)
        return dv_schema_equal(out, inside);
    for (uint32_t i = 0; i < inside->column_count; i++) {
        const struct dv_column *column = &inside->columns[i];
        int at = dv_schema_find(out, column->name);
        if (at < 0 || out->columns[at].type != column->type || !dv_label_equal(out->columns[at].label, column->label))
            return false;
    }
    return true;
}

/* The columns of a blob that stay beside what is opened, with the labels they had. */
static const enum dv_blob_column kept[] = { DV_BLOB_DATA_HASH, DV_BLOB_SUBJECT_REF };
enum { KEPT = sizeof kept / sizeof kept[0] };

static dv_rc give_references(struct dv_node *node, struct dv_shape *shape)
{
    struct decrypt *decrypt = dv_state(node);
    decrypt->given = shape->out[0] = decrypt->out;
    if (!decrypt->references)
        return DV_OK;
    if (decrypt->bare || decrypt->out->column_count + KEPT > DV_COLUMNS_MAX)
        return dv_refuse(node, "references", "C133", "leave it out", "bare messages have no references, and a schema no room for more columns");
    struct dv_schema *given = dv_schema_copy(dv_node_arena(node), decrypt->out);
    for (size_t i = 0; given != NULL && i < KEPT; i++) {
        const struct dv_column *column = &shape->in->columns[kept[i]];
        if (dv_schema_find(decrypt->out, column->name) >= 0)
            return dv_refuse(node, "references", "C133", "leave it out", "the records have a column '%s' of their own", column->name);
        (void)dv_schema_add(given, column->name, column->type, column->label);
    }
    if (given == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    decrypt->given = shape->out[0] = given;
    return DV_OK;
}

static dv_rc shape_out(struct dv_node *node, struct dv_shape *shape)
{
    struct decrypt *decrypt = dv_state(node);
    decrypt->out = dv_load_schema(node, "schema", decrypt->schema);
    if (decrypt->out == NULL)
        return DV_E_CONFIG;
    if (decrypt->policy != NULL) {
        DV_TRY(dv_anonymize_plan(node, "policy", decrypt->policy, decrypt->out, &decrypt->plan));
        decrypt->out = decrypt->plan.columns.schema;
    }
    if (shape->in->inside == NULL || !covers(decrypt->out, shape->in->inside))
        return dv_refuse(node, decrypt->policy != NULL ? "policy" : "schema", "P105",
                         "name the schema and the policy they had when they were sealed",
                         "the records that '%s' opens have other columns or labels", dv_node_name(node));
    return give_references(node, shape);
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct decrypt *decrypt = dv_state(node);
    decrypt->bare = dv_schema_is_bare(shape->in);
    if (!decrypt->bare && !dv_schema_is_blob(shape->in))
        return dv_refuse(node, NULL, "C132", "put it after `encrypt`, or after a source of blobs",
                         "what reaches '%s' is not sealed", dv_node_name(node));
    if (decrypt->bare && decrypt->raw_key == NULL)
        return dv_refuse(node, NULL, "C130", "name the key's file: raw_key: file:PATH",
                         "the bare format needs `raw_key`");
    return shape_out(node, shape);
}

static dv_rc open_bare(struct dv_node *node)
{
    struct decrypt *decrypt = dv_state(node);
    struct dv_error error = { 0 };
    uint8_t key[DV_RAW_KEY_MAX] = { 0 };
    size_t length = 0;
    dv_rc rc = dv_node_raw_key(node, decrypt->raw_key, key, &length);
    if (!dv_is_error(rc) && length != DV_KEY_BYTES)
        rc = dv_fail(node, DV_E_KEY, "`raw_key` has %zu bytes and needs %d", length, DV_KEY_BYTES);
    if (!dv_is_error(rc)) {
        rc = dv_opener_new(&decrypt->opener, &(struct dv_seal_key){ .key = key }, &error);
        if (dv_is_error(rc))
            (void)dv_fail(node, rc, "%s", error.text);
    }
    explicit_bzero(key, sizeof key);
    return rc;
}

static dv_rc open_node(struct dv_node *node)
{
    struct decrypt *decrypt = dv_state(node);
    decrypt->reader = dv_json_reader_new(decrypt->out, (size_t)decrypt->max_record);
    if (decrypt->reader == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for a JSON reader");
    if (decrypt->bare)
        return open_bare(node);
    decrypt->keyring = dv_node_keyring(node, "opening blobs needs their keys");
    return decrypt->keyring != NULL ? DV_OK : DV_E_KEY;
}

/* The batch being opened: a stand-in with the schema that comes out, over the same arena. */
struct run {
    struct dv_batch opened;
    struct dv_arena *scratch;
    struct dv_error error;
    const char *reason;
};

/* Room for a plaintext, with what the JSON reader wants behind it. */
static char *room(struct run *run, size_t length)
{
    char *plain = dv_arena_text(run->scratch, length + DV_JSON_PADDING);
    if (plain == NULL)
        run->reason = "the record is too large to be opened";
    return plain;
}

static dv_rc open_blob(const struct decrypt *decrypt, const struct dv_batch *batch, uint32_t row, struct run *run,
                       struct dv_bytes *ret)
{
    struct dv_blob blob;
    run->reason = "the blob was altered";
    if (dv_is_error(dv_blob_of_row(batch, row, &blob)))
        return DV_E_TAMPER;
    size_t length = blob.ciphertext.length - DV_TAG_BYTES;
    char *plain = room(run, length);
    if (plain == NULL)
        return DV_E_MEMORY;
    *ret = (struct dv_bytes){ (const uint8_t *)plain, length };
    dv_rc rc = dv_keyring_open_blob(decrypt->keyring, &blob, (uint8_t *)plain, &run->error);
    if (rc == DV_E_KEY)
        run->reason = "the keyring has no key for the blob";
    if (!dv_is_error(rc) && !dv_bytes_equal(blob.schema, dv_bytes_text(decrypt->out->name))) {
        run->reason = "the blob holds a record of another schema";
        rc = DV_E_DATA;
    }
    return rc;
}

static dv_rc open_message(const struct decrypt *decrypt, const struct dv_batch *batch, uint32_t row, struct run *run,
                          struct dv_bytes *ret)
{
    const struct dv_cell *cell = &dv_batch_cells(batch, DV_BARE_SEALED)[row];
    struct dv_bytes message = { (const uint8_t *)cell->text, cell->length };
    run->reason = "the message was altered, or is not for this key";
    if (!cell->present || message.length < DV_BARE_BYTES)
        return DV_E_TAMPER;
    size_t length = message.length - DV_BARE_BYTES;
    char *plain = room(run, length);
    if (plain == NULL)
        return DV_E_MEMORY;
    *ret = (struct dv_bytes){ (const uint8_t *)plain, length };
    return dv_unseal_bare(decrypt->opener, message, (uint8_t *)plain, &run->error);
}

static dv_rc open_row(const struct decrypt *decrypt, const struct dv_batch *batch, uint32_t row, struct run *run)
{
    struct dv_bytes plain = { 0 };
    dv_rc rc = decrypt->bare ? open_message(decrypt, batch, row, run, &plain)
                             : open_blob(decrypt, batch, row, run, &plain);
    if (!dv_is_error(rc))
        rc = dv_json_reader_record(decrypt->reader, (const char *)plain.at, plain.length, &run->opened, row,
                                   &run->reason);
    /* The reader has copied what it needs, so that every record can use the same room. */
    if (plain.at != NULL) {
        explicit_bzero((char *)(uintptr_t)plain.at, plain.length);
        dv_arena_trim(run->scratch, (const char *)plain.at, plain.length + DV_JSON_PADDING, 0);
    }
    return rc;
}

/* Cells for the columns that come out, in the scratch. */
static dv_rc start(struct dv_node *node, const struct dv_batch *batch, struct run *run)
{
    const struct decrypt *decrypt = dv_state(node);
    run->scratch = dv_node_scratch(node);
    run->opened = (struct dv_batch){ .schema = decrypt->out, .rows = batch->rows, .row = batch->row,
                                     .tenant = batch->tenant, .references = 1, .arena = batch->arena };
    for (uint32_t column = 0; column < decrypt->out->column_count; column++) {
        run->opened.cells[column] = dv_arena_zeroed(run->scratch, DV_BATCH_ROWS, sizeof(struct dv_cell));
        if (run->opened.cells[column] == NULL)
            return dv_fail(node, DV_E_MEMORY, "no memory to open a batch");
    }
    return DV_OK;
}

static dv_rc finish(const struct decrypt *decrypt, struct dv_batch *batch, const struct run *run)
{
    int fresh[DV_COLUMNS_MAX];
    memset(fresh, 0xff, sizeof fresh); /* all -1 */
    for (uint32_t i = decrypt->out->column_count; i < decrypt->given->column_count; i++)
        fresh[i] = (int)kept[i - decrypt->out->column_count];
    DV_TRY(dv_batch_reshape(batch, decrypt->given, fresh));
    for (uint32_t column = 0; column < decrypt->out->column_count; column++)
        memcpy(dv_batch_edit(batch, column), run->opened.cells[column], batch->rows * sizeof(struct dv_cell));
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct decrypt *decrypt = dv_state(node);
    struct run run = { 0 };
    DV_TRY(start(node, batch, &run));
    for (uint32_t row = 0; row < batch->rows; row++) {
        dv_rc rc = open_row(decrypt, batch, row, &run);
        if (dv_is_error(rc))
            dv_reject_row(node, batch, row, rc, run.reason);
    }
    /* The reader took memory of the stand-in's arena, which is the batch's. */
    batch->arena = run.opened.arena;
    return finish(decrypt, batch, &run);
}

static void close_node(struct dv_node *node)
{
    struct decrypt *decrypt = dv_state(node);
    dv_json_reader_free(decrypt->reader);
    dv_opener_free(decrypt->opener);
    decrypt->reader = NULL;
    decrypt->opener = NULL;
}

/* For the guards of exits: the detectors of the policy. */
static const void *sought(const struct dv_node *node)
{
    const struct decrypt *decrypt = dv_state(node);
    return decrypt->plan.custom;
}

bool dv_decrypt_opened(const struct dv_node *node, struct dv_opened *ret)
{
    if (strcmp(dv_node_operator(node)->name, "decrypt") != 0)
        return false;
    const struct decrypt *decrypt = dv_state(node);
    *ret = (struct dv_opened){ .schema = decrypt->schema, .policy = decrypt->policy, .sealed = decrypt->out,
                               .plan = decrypt->policy != NULL ? &decrypt->plan : NULL, .references = decrypt->references };
    return decrypt->out != NULL && !decrypt->bare;
}

const struct dv_operator dv_operator_decrypt = {
    .name = "decrypt",
    .summary = "Opens sealed records again; what was altered is rejected.",
    .options = options,
    .size = sizeof(struct decrypt),
    .edits = true,
    .sought = sought,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .close = close_node,
};
