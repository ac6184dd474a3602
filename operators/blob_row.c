/* SPDX-License-Identifier: Apache-2.0
 * blob_row.c - between batches of sealed records and blobs on the wire. */
#include "operators/blob_row.h"

#include "connectors/store.h"
#include "operators/blob_schema.h"

static struct dv_bytes bytes_of(const struct dv_batch *batch, uint32_t row, enum dv_blob_column column)
{
    const struct dv_cell *cell = &dv_batch_cells(batch, (uint32_t)column)[row];
    if (!cell->present)
        return (struct dv_bytes){ 0 };
    return (struct dv_bytes){ (const uint8_t *)cell->text, cell->length };
}

dv_rc dv_blob_of_row(const struct dv_batch *batch, uint32_t row, struct dv_blob *ret)
{
    struct dv_bytes hash = bytes_of(batch, row, DV_BLOB_DATA_HASH);
    struct dv_bytes nonce = bytes_of(batch, row, DV_BLOB_NONCE);
    struct dv_bytes subject = bytes_of(batch, row, DV_BLOB_SUBJECT_REF);
    *ret = (struct dv_blob){ .tenant = dv_bytes_text(batch->tenant), .created_ms = batch->row[row].created_ms };
    ret->schema = bytes_of(batch, row, DV_BLOB_SCHEMA_NAME);
    ret->key_ref = bytes_of(batch, row, DV_BLOB_KEY_REF);
    ret->ciphertext = bytes_of(batch, row, DV_BLOB_CIPHERTEXT);
    if (hash.length != sizeof ret->data_hash || nonce.length != sizeof ret->nonce ||
        subject.length > sizeof ret->subject_ref || ret->schema.length == 0 || ret->key_ref.length == 0 ||
        ret->ciphertext.length < DV_TAG_BYTES)
        return DV_E_DATA;
    (void)dv_bytes_put(ret->id, batch->row[row].id, sizeof ret->id);
    (void)dv_bytes_put(ret->data_hash, hash.at, hash.length);
    (void)dv_bytes_put(ret->nonce, nonce.at, nonce.length);
    (void)dv_bytes_put(ret->subject_ref, subject.at, subject.length);
    ret->subject_ref_length = (uint8_t)subject.length;
    return DV_OK;
}

/* The length of one msgpack element that a blob may have: a small number, str, bin or uint 64. 0: too few bytes to
 * tell; SIZE_MAX: no such element. */
static size_t element_length(const uint8_t *at, size_t length)
{
    size_t count_bytes = 0;
    if (length == 0)
        return 0;
    switch (at[0]) {
    case 0xcf: return 9;
    case 0xd9:
    case 0xc4: count_bytes = 1; break;
    case 0xc5: count_bytes = 2; break;
    case 0xc6: count_bytes = 4; break;
    default:
        if (at[0] < 0x80)
            return 1;
        return (at[0] & 0xe0) == 0xa0 ? 1u + (at[0] & 0x1fu) : SIZE_MAX;
    }
    if (length < 1 + count_bytes)
        return 0;
    size_t count = 0;
    for (size_t i = 0; i < count_bytes; i++)
        count = count << 8 | at[1 + i];
    return 1 + count_bytes + count;
}

size_t dv_blob_record_length(const uint8_t *bytes, size_t length)
{
    enum { ARRAY_OF_TEN = 0x9a, ELEMENTS = 10 };
    size_t at = 1;
    if (length == 0)
        return 0;
    if (bytes[0] != ARRAY_OF_TEN)
        return SIZE_MAX;
    for (int i = 0; i < ELEMENTS; i++) {
        if (at > length)
            return 0;
        size_t element = element_length(bytes + at, length - at);
        if (element == 0 || element == SIZE_MAX)
            return element;
        at += element;
    }
    return at;
}

static struct dv_bytes store_bytes_of(struct dv_store_bytes from)
{
    return (struct dv_bytes){ .at = from.at, .length = from.length };
}

bool dv_blob_of_store(const struct dv_store_row *row, struct dv_blob *ret)
{
    bool fits = row->data_hash.length == sizeof ret->data_hash && row->nonce.length == sizeof ret->nonce &&
                row->subject_ref.length <= sizeof ret->subject_ref && row->ciphertext.length >= DV_TAG_BYTES;
    if (!fits)
        return false;
    *ret = (struct dv_blob){ .tenant = store_bytes_of(row->tenant), .schema = store_bytes_of(row->schema),
                             .created_ms = row->created_ms, .key_ref = store_bytes_of(row->key_ref),
                             .ciphertext = store_bytes_of(row->ciphertext) };
    memcpy(ret->id, row->id, sizeof ret->id);
    memcpy(ret->data_hash, row->data_hash.at, sizeof ret->data_hash);
    memcpy(ret->nonce, row->nonce.at, sizeof ret->nonce);
    ret->subject_ref_length = (uint8_t)row->subject_ref.length;
    if (row->subject_ref.length > 0)
        memcpy(ret->subject_ref, row->subject_ref.at, row->subject_ref.length);
    return true;
}
