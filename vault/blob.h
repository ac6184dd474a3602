/* SPDX-License-Identifier: Apache-2.0
 * blob.h - one sealed record: what it says of itself in the clear, its ciphertext, and its form on the wire.
 *
 * On the wire a blob is a msgpack array of ten elements in one spelling only, so that equal blobs are equal bytes:
 *
 *     [ 1, id: bin 16, tenant: str, schema: str, created_ms: uint 64, data_hash: bin 32,
 *       key_ref: str, subject_ref: bin 0, 16 or 32, nonce: bin 12, ciphertext ‖ tag: bin ]
 *
 * Counts take the shortest form msgpack has; created_ms always takes nine bytes. Everything in the clear is bound to
 * the ciphertext as additional data, "DVB1" ‖ id ‖ created_ms (64 bits, big-endian) ‖ data_hash ‖ then tenant, schema,
 * key_ref and subject_ref, each behind one byte of length, so that no field can change, move to another blob or slide
 * into its neighbour. The data hash is an HMAC under a key that is derived from the data key: it shows that what was
 * opened is what was sealed, and nobody without the key can try out names against it. */
#ifndef DV_VAULT_BLOB_H
#define DV_VAULT_BLOB_H

#include "engine/error.h"
#include "vault/bytes.h"

struct dv_opener;
struct dv_sealer;

enum {
    DV_BLOB_ID_BYTES = 16,
    DV_BLOB_TENANT_MAX = 64,
    DV_BLOB_SCHEMA_MAX = 128,
    DV_BLOB_SUBJECT_MAX = 32,
    DV_BLOB_HASH_BYTES = 32,
    DV_BLOB_NONCE_BYTES = 12,
    DV_BLOB_OVERHEAD_MAX = 560, /* packed bytes beside the plaintext: buffers of plaintext + this are large enough */
};

/* The last millisecond of the year 9999: later dates do not fit the stores. */
#define DV_BLOB_CREATED_MAX_MS INT64_C(253402300799999)

/* A blob. `tenant`, `schema`, `key_ref` and `ciphertext` point into memory of somebody else: the caller's, the sealer's
 * or the bytes that were parsed. */
struct dv_blob {
    uint8_t id[DV_BLOB_ID_BYTES];
    struct dv_bytes tenant;  /* a name of at most DV_BLOB_TENANT_MAX */
    struct dv_bytes schema;  /* a name of at most DV_BLOB_SCHEMA_MAX */
    int64_t created_ms;      /* since 1970; 0 .. DV_BLOB_CREATED_MAX_MS */
    struct dv_bytes key_ref; /* letters, digits and "_.-/", at most DV_KEY_REF_MAX */
    uint8_t data_hash[DV_BLOB_HASH_BYTES];
    uint8_t subject_ref[DV_BLOB_SUBJECT_MAX];
    uint8_t subject_ref_length; /* 0 (no subject), 16 or 32 */
    uint8_t nonce[DV_BLOB_NONCE_BYTES];
    struct dv_bytes ciphertext; /* ciphertext ‖ tag */
};

/* Seals `plaintext` into `blob`, of which the caller has filled id, tenant, schema, created_ms and subject_ref. Fills
 * data_hash, key_ref, nonce and ciphertext; the last points to `sealed`, plaintext.length + DV_TAG_BYTES of the
 * caller's. Allocates nothing. Errors as dv_seal(), and DV_E_DATA if the caller's fields are out of range. */
dv_rc dv_blob_seal(struct dv_blob *blob, struct dv_sealer *sealer, struct dv_bytes plaintext, uint8_t *sealed,
                   struct dv_error *error);

/* Opens `blob` into `plaintext` of ciphertext.length - DV_TAG_BYTES and checks its data hash. DV_E_TAMPER if anything
 * in it differs from what was sealed, or it is not for this key: `plaintext` is wiped. */
dv_rc dv_blob_open(const struct dv_blob *blob, struct dv_opener *opener, uint8_t *plaintext, struct dv_error *error);

/* The exact size of a blob on the wire. */
size_t dv_blob_size(const struct dv_blob *blob);

/* Writes the blob to `buffer` of at least dv_blob_size() bytes; gives back the bytes written. The fields must be in
 * range, as after dv_blob_seal() or dv_blob_parse(). Allocates nothing. */
size_t dv_blob_pack(const struct dv_blob *blob, uint8_t *buffer);

/* Reads untrusted bytes, all of which must be one blob. Every count is checked before use, only the spelling above is
 * accepted, and nothing is allocated: the blob points into `bytes`. DV_E_SYNTAX says at which byte it stopped. What it
 * says is authentic only after dv_blob_open(). */
dv_rc dv_blob_parse(struct dv_blob *ret, struct dv_bytes bytes, struct dv_error *error);

#endif
