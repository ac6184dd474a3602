/* SPDX-License-Identifier: Apache-2.0
 * blob.c - sealing and opening of blobs. */
#include "vault/blob.h"
#include "vault/seal.h"

#include <openssl/crypto.h>

_Static_assert((int)DV_BLOB_HASH_BYTES == (int)DV_HMAC_BYTES && (int)DV_BLOB_NONCE_BYTES == (int)DV_NONCE_BYTES,
               "a blob has room for both");

enum {
    AAD_MAX = 4 + DV_BLOB_ID_BYTES + 8 + DV_HMAC_BYTES + 4 + DV_BLOB_TENANT_MAX + DV_BLOB_SCHEMA_MAX + DV_KEY_REF_MAX +
              DV_BLOB_SUBJECT_MAX,
};

/* Whether the fields have the sizes that the additional data has room for. Rows of a store come here unparsed. */
static bool in_range(const struct dv_blob *blob)
{
    DV_ASSERT(blob != NULL);
    uint8_t subject = blob->subject_ref_length;
    return blob->tenant.length != 0 && blob->tenant.length <= DV_BLOB_TENANT_MAX && blob->schema.length != 0 &&
           blob->schema.length <= DV_BLOB_SCHEMA_MAX && blob->key_ref.length <= DV_KEY_REF_MAX &&
           (subject == 0 || subject == 16 || subject == 32) && blob->created_ms >= 0 &&
           blob->created_ms <= DV_BLOB_CREATED_MAX_MS;
}

static struct dv_bytes bound_fields(const struct dv_blob *blob, uint8_t aad[AAD_MAX])
{
    DV_ASSERT(blob->tenant.length <= UINT8_MAX && blob->schema.length <= UINT8_MAX);
    DV_ASSERT(blob->key_ref.length <= UINT8_MAX);
    uint8_t *end = dv_bytes_put(aad, "DVB1", 4);
    end = dv_bytes_put(end, blob->id, sizeof blob->id);
    end = dv_bytes_put64(end, (uint64_t)blob->created_ms);
    end = dv_bytes_put(end, blob->data_hash, sizeof blob->data_hash);
    end = dv_bytes_put_counted(end, blob->tenant);
    end = dv_bytes_put_counted(end, blob->schema);
    end = dv_bytes_put_counted(end, blob->key_ref);
    end = dv_bytes_put_counted(end, (struct dv_bytes){ blob->subject_ref, blob->subject_ref_length });
    DV_ASSERT(end <= aad + AAD_MAX);
    return (struct dv_bytes){ aad, (size_t)(end - aad) };
}

dv_rc dv_blob_seal(struct dv_blob *blob, struct dv_sealer *sealer, struct dv_bytes plaintext, uint8_t *sealed,
                   struct dv_error *error)
{
    DV_ASSERT(sealer != NULL);
    DV_ASSERT(plaintext.at != NULL || plaintext.length == 0);
    blob->key_ref = dv_sealer_key_ref(sealer);
    if (!in_range(blob))
        return dv_error_set(error, DV_E_DATA, "a record's tenant, schema, subject or date does not fit a blob");
    dv_sealer_hash(sealer, plaintext, blob->data_hash);
    DV_UNINITIALIZED uint8_t aad[AAD_MAX];
    DV_TRY(dv_seal(sealer, bound_fields(blob, aad), plaintext, blob->nonce, sealed, error));
    DV_ASSERT(blob->key_ref.length != 0); /* a sealer without a name cannot make blobs that anybody finds the key for */
    blob->ciphertext = (struct dv_bytes){ sealed, plaintext.length + DV_TAG_BYTES };
    return DV_OK;
}

static dv_rc altered(struct dv_error *error)
{
    return dv_error_set(error, DV_E_TAMPER, "a blob was altered, or is not for this key");
}

dv_rc dv_blob_open(const struct dv_blob *blob, struct dv_opener *opener, uint8_t *plaintext, struct dv_error *error)
{
    DV_ASSERT(blob->ciphertext.at != NULL || blob->ciphertext.length == 0);
    DV_ASSERT(opener != NULL);
    if (!in_range(blob))
        return altered(error);
    DV_UNINITIALIZED uint8_t aad[AAD_MAX];
    DV_TRY(dv_unseal(opener, bound_fields(blob, aad), blob->nonce, blob->ciphertext, plaintext, error));
    struct dv_bytes text = { plaintext, blob->ciphertext.length - DV_TAG_BYTES };
    uint8_t hash[DV_HMAC_BYTES];
    dv_opener_hash(opener, text, hash);
    if (CRYPTO_memcmp(hash, blob->data_hash, sizeof hash) == 0)
        return DV_OK;
    if (text.length != 0)
        OPENSSL_cleanse(plaintext, text.length);
    return altered(error);
}
