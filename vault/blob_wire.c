/* SPDX-License-Identifier: Apache-2.0
 * blob_wire.c - blobs in msgpack, written and read by hand.
 *
 * msgpack-c's unpacker allocates from counts it has not checked: five hostile bytes make it reserve gigabytes. The form
 * is ten elements of known types, so that a strict reader is shorter than the checks before a general one. */
#include "vault/blob.h"
#include "vault/seal.h"

enum {
    ARRAY_OF_TEN = 0x9a,
    VERSION = 1,
    STR_SHORT = 0xa0,
    STR8 = 0xd9,
    BIN8 = 0xc4,
    BIN16 = 0xc5,
    BIN32 = 0xc6,
    UINT64 = 0xcf
};

static size_t text_size(size_t length)
{
    DV_ASSERT(length < 256);
    return length + (length < 32 ? 1 : 2);
}

static size_t bin_size(size_t length)
{
    DV_ASSERT(length <= UINT32_MAX);
    return length + (length < 256 ? 2 : length < 65536 ? 3 : 5);
}

size_t dv_blob_size(const struct dv_blob *blob)
{
    DV_ASSERT(blob != NULL);
    return 2 + bin_size(DV_BLOB_ID_BYTES) + text_size(blob->tenant.length) + text_size(blob->schema.length) + 9 +
           bin_size(DV_HMAC_BYTES) + text_size(blob->key_ref.length) + bin_size(blob->subject_ref_length) +
           bin_size(DV_NONCE_BYTES) + bin_size(blob->ciphertext.length);
}

static uint8_t *put_text(uint8_t *to, struct dv_bytes text)
{
    DV_ASSERT(text.length < 256);
    if (text.length < 32) {
        *to++ = (uint8_t)(STR_SHORT | text.length);
    } else {
        *to++ = STR8;
        *to++ = (uint8_t)text.length;
    }
    return dv_bytes_put(to, text.at, text.length);
}

static uint8_t *put_bin(uint8_t *to, const uint8_t *at, size_t length)
{
    DV_ASSERT(length <= DV_SEAL_MAX + DV_TAG_BYTES);
    if (length < 256) {
        *to++ = BIN8;
        *to++ = (uint8_t)length;
    } else if (length < 65536) {
        *to++ = BIN16;
        *to++ = (uint8_t)(length >> 8);
        *to++ = (uint8_t)length;
    } else {
        *to++ = BIN32;
        to = dv_bytes_put32(to, (uint32_t)length);
    }
    return dv_bytes_put(to, at, length);
}

size_t dv_blob_pack(const struct dv_blob *blob, uint8_t *buffer)
{
    DV_ASSERT(buffer != NULL);
    DV_ASSERT(blob->created_ms >= 0 && blob->created_ms <= DV_BLOB_CREATED_MAX_MS);
    DV_ASSERT(blob->subject_ref_length <= DV_BLOB_SUBJECT_MAX);
    uint8_t *to = buffer;
    *to++ = ARRAY_OF_TEN;
    *to++ = VERSION;
    to = put_bin(to, blob->id, sizeof blob->id);
    to = put_text(to, blob->tenant);
    to = put_text(to, blob->schema);
    *to++ = UINT64;
    to = dv_bytes_put64(to, (uint64_t)blob->created_ms);
    to = put_bin(to, blob->data_hash, sizeof blob->data_hash);
    to = put_text(to, blob->key_ref);
    to = put_bin(to, blob->subject_ref, blob->subject_ref_length);
    to = put_bin(to, blob->nonce, sizeof blob->nonce);
    to = put_bin(to, blob->ciphertext.at, blob->ciphertext.length);
    DV_ASSERT((size_t)(to - buffer) == dv_blob_size(blob));
    return (size_t)(to - buffer);
}

/* What is left to read. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

static bool take(struct reader *reader, size_t length, const uint8_t **ret)
{
    DV_ASSERT(reader->at <= reader->end);
    if (length > (size_t)(reader->end - reader->at))
        return false;
    *ret = reader->at;
    reader->at += length;
    return true;
}

static bool take_byte(struct reader *reader, uint8_t expected)
{
    DV_ASSERT(reader->at <= reader->end);
    if (reader->at == reader->end || *reader->at != expected)
        return false;
    reader->at++;
    return true;
}

static bool take_text(struct reader *reader, struct dv_bytes *ret)
{
    const uint8_t *head = NULL;
    const uint8_t *count = NULL;
    if (!take(reader, 1, &head))
        return false;
    size_t length = *head & 31u;
    if (*head == STR8) {
        if (!take(reader, 1, &count) || *count < 32)
            return false;
        length = *count;
    } else if ((*head & 0xe0u) != STR_SHORT) {
        return false;
    }
    ret->length = length;
    return take(reader, length, &ret->at);
}

/* The count of a bin, in its shortest form only. */
static bool take_count(struct reader *reader, size_t *ret)
{
    const uint8_t *head = NULL;
    const uint8_t *count = NULL;
    if (!take(reader, 1, &head) || *head < BIN8 || *head > BIN32)
        return false;
    size_t bytes = (size_t)1 << (*head - BIN8);
    if (!take(reader, bytes, &count))
        return false;
    size_t length = 0;
    for (size_t i = 0; i < bytes; i++)
        length = length << 8 | count[i];
    *ret = length;
    return bin_size(length) == length + 1 + bytes;
}

static bool take_bin(struct reader *reader, size_t min, size_t max, struct dv_bytes *ret)
{
    DV_ASSERT(min <= max);
    return take_count(reader, &ret->length) && ret->length >= min && ret->length <= max &&
           take(reader, ret->length, &ret->at);
}

/* A bin whose size is known: copied out. */
static bool take_fixed(struct reader *reader, uint8_t *ret, size_t length)
{
    DV_ASSERT(ret != NULL && length != 0);
    struct dv_bytes bin = { 0 };
    if (!take_bin(reader, length, length, &bin))
        return false;
    (void)dv_bytes_put(ret, bin.at, length);
    return true;
}

static bool take_created(struct reader *reader, int64_t *ret)
{
    const uint8_t *number = NULL;
    if (!take_byte(reader, UINT64) || !take(reader, 8, &number))
        return false;
    uint64_t created_ms = dv_bytes_get64(number);
    *ret = (int64_t)(created_ms & INT64_MAX);
    return created_ms <= (uint64_t)DV_BLOB_CREATED_MAX_MS;
}

static bool take_subject(struct reader *reader, struct dv_blob *blob)
{
    struct dv_bytes subject = { 0 };
    if (!take_bin(reader, 0, DV_BLOB_SUBJECT_MAX, &subject) || subject.length % 16 != 0)
        return false;
    (void)dv_bytes_put(blob->subject_ref, subject.at, subject.length);
    blob->subject_ref_length = (uint8_t)subject.length;
    return true;
}

static bool take_blob(struct reader *reader, struct dv_blob *blob)
{
    return take_byte(reader, ARRAY_OF_TEN) && take_byte(reader, VERSION) &&
           take_fixed(reader, blob->id, sizeof blob->id) && take_text(reader, &blob->tenant) &&
           dv_bytes_is_name(blob->tenant, DV_BLOB_TENANT_MAX) && take_text(reader, &blob->schema) &&
           dv_bytes_is_name(blob->schema, DV_BLOB_SCHEMA_MAX) && take_created(reader, &blob->created_ms) &&
           take_fixed(reader, blob->data_hash, sizeof blob->data_hash) && take_text(reader, &blob->key_ref) &&
           dv_bytes_is_path(blob->key_ref, DV_KEY_REF_MAX) && take_subject(reader, blob) &&
           take_fixed(reader, blob->nonce, sizeof blob->nonce) &&
           take_bin(reader, DV_TAG_BYTES, DV_SEAL_MAX + DV_TAG_BYTES, &blob->ciphertext) && reader->at == reader->end;
}

dv_rc dv_blob_parse(struct dv_blob *ret, struct dv_bytes bytes, struct dv_error *error)
{
    DV_ASSERT(ret != NULL);
    DV_ASSERT(bytes.at != NULL || bytes.length == 0);
    if (bytes.length == 0) /* NULL + 0 is not C */
        bytes.at = (const uint8_t *)"";
    struct reader reader = { bytes.at, bytes.at + bytes.length };
    struct dv_blob blob = { 0 };
    if (!take_blob(&reader, &blob))
        return dv_error_set(error, DV_E_SYNTAX,
                            "not a blob of format %d, or altered or cut: stopped at byte %zu of %zu", VERSION,
                            (size_t)(reader.at - bytes.at), bytes.length);
    *ret = blob;
    return DV_OK;
}
