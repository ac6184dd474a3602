/* SPDX-License-Identifier: Apache-2.0
 * fetch_open.c - from a row of a store to the text of a record. */
#include "operators/fetch_open.h"

#include <string.h>

#include "connectors/store.h"
#include "engine/json.h"
#include "operators/blob_row.h"
#include "operators/embed_text.h"
#include "vault/keyring.h"

enum { COPIES = 4, ROOM = 64 * 1024 }; /* of a record: plain, as read, as text, and what alignment takes */

dv_rc dv_fetch_opener_open(struct dv_fetch_opener *opener, struct dv_arena *arena, struct dv_keyring *keyring, const struct dv_schema *schema,
                           const struct dv_text_form *form, size_t record_bytes)
{
    struct dv_cell *cells = dv_arena_zeroed(arena, schema->column_count, sizeof *cells);
    *opener = (struct dv_fetch_opener){ .keyring = keyring, .schema = schema, .form = form, .row = { .schema = schema, .rows = 1 } };
    if (cells == NULL)
        return DV_E_MEMORY;
    dv_arena_init(&opener->row.arena, COPIES * record_bytes + ROOM);
    for (uint32_t i = 0; i < schema->column_count; i++)
        opener->row.cells[i] = &cells[i];
    opener->json = dv_json_reader_new(schema, record_bytes);
    return opener->json != NULL ? DV_OK : DV_E_MEMORY;
}

void dv_fetch_opener_close(struct dv_fetch_opener *opener)
{
    if (opener->schema != NULL)
        dv_arena_free(&opener->row.arena);
    if (opener->json != NULL)
        dv_json_reader_free(opener->json);
    *opener = (struct dv_fetch_opener){ 0 };
}

void dv_fetch_opener_wipe(struct dv_fetch_opener *opener)
{
    dv_arena_reset(&opener->row.arena);
}

/* The record's cells, from its plaintext. */
static bool read_record(struct dv_fetch_opener *opener, const struct dv_blob *blob)
{
    struct dv_error error = { 0 };
    const char *reason = NULL;
    size_t length = blob->ciphertext.length - DV_TAG_BYTES;
    char *plain = dv_arena_text(&opener->row.arena, length + DV_JSON_PADDING);
    if (plain == NULL || dv_keyring_open_blob(opener->keyring, blob, (uint8_t *)plain, &error) != DV_OK)
        return false;
    memset(plain + length, 0, DV_JSON_PADDING);
    return dv_bytes_equal(blob->schema, dv_bytes_text(opener->schema->name)) &&
           dv_json_reader_in_place(opener->json, plain, length, &opener->row, 0, &reason) == DV_OK;
}

static bool make_text(struct dv_fetch_opener *opener, struct dv_fetch_opened *ret)
{
    size_t length = dv_text_write(opener->form, &opener->row, 0, NULL);
    char *text = dv_arena_text(&opener->row.arena, length + 1);
    if (text == NULL)
        return false;
    ret->text = text;
    ret->length = dv_text_write(opener->form, &opener->row, 0, text);
    return true;
}

bool dv_fetch_open(struct dv_fetch_opener *opener, const struct dv_store_row *row, struct dv_fetch_opened *ret)
{
    struct dv_blob blob;
    if (!dv_blob_of_store(row, &blob) || !read_record(opener, &blob) || !make_text(opener, ret)) {
        dv_fetch_opener_wipe(opener);
        return false;
    }
    memcpy(ret->hash, blob.data_hash, sizeof ret->hash);
    return true;
}
