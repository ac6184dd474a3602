/* SPDX-License-Identifier: Apache-2.0
 * wrap.c - wrapping and unwrapping of keys. */
#include "vault/wrap.h"

#include <openssl/rand.h>

#include "vault/aead.h"

enum { LABEL_MAX = 4 + DV_KEYRING_ID_BYTES + 8 + 3 * (1 + DV_KEY_NAME_MAX) };

static struct dv_bytes bound(const struct dv_wrap_label *label, uint8_t aad[LABEL_MAX])
{
    DV_ASSERT(label->keyring_id != NULL);
    DV_ASSERT((label->purpose == DV_WRAP_OUTSIDE) || label->context.length == 0);
    DV_ASSERT(label->purpose >= DV_WRAP_KEK && label->purpose <= DV_WRAP_OUTSIDE);
    DV_ASSERT(label->tenant.length <= DV_KEY_NAME_MAX && label->name.length <= DV_KEY_NAME_MAX);
    DV_ASSERT(label->context.length <= DV_KEY_NAME_MAX);
    uint8_t *end = dv_bytes_put(aad, "DVW1", 4);
    end = dv_bytes_put(end, label->keyring_id, DV_KEYRING_ID_BYTES);
    end = dv_bytes_put32(end, (uint32_t)label->purpose);
    end = dv_bytes_put32(end, label->version);
    end = dv_bytes_put_counted(end, label->tenant);
    end = dv_bytes_put_counted(end, label->name);
    end = dv_bytes_put_counted(end, label->context);
    return (struct dv_bytes){ aad, (size_t)(end - aad) };
}

dv_rc dv_wrap(const uint8_t under[DV_KEY_BYTES], const struct dv_wrap_label *label, const uint8_t key[DV_KEY_BYTES],
              uint8_t ret[DV_WRAPPED_BYTES], struct dv_error *error)
{
    DV_ASSERT(under != key);
    DV_ASSERT(label->version != 0);
    struct dv_aead aead;
    uint8_t aad[LABEL_MAX];
    if (RAND_bytes(ret, DV_NONCE_BYTES) != 1)
        return dv_error_set(error, DV_E_FAILED, "the system gives no randomness");
    DV_TRY(dv_aead_init(&aead, under, DV_AEAD_SEAL, error));
    dv_rc rc =
        dv_aead_seal(&aead, ret, bound(label, aad), (struct dv_bytes){ key, DV_KEY_BYTES }, ret + DV_NONCE_BYTES);
    dv_aead_wipe(&aead);
    return dv_is_error(rc) ? dv_error_set(error, rc, "OpenSSL failed to wrap a key") : DV_OK;
}

dv_rc dv_unwrap(const uint8_t under[DV_KEY_BYTES], const struct dv_wrap_label *label,
                const uint8_t wrapped[DV_WRAPPED_BYTES], uint8_t ret[DV_KEY_BYTES], struct dv_error *error)
{
    DV_ASSERT(under != ret);
    DV_ASSERT(label->version != 0);
    struct dv_aead aead;
    uint8_t aad[LABEL_MAX];
    struct dv_bytes sealed = { wrapped + DV_NONCE_BYTES, DV_WRAPPED_BYTES - DV_NONCE_BYTES };
    DV_TRY(dv_aead_init(&aead, under, DV_AEAD_OPEN, error));
    dv_rc rc = dv_aead_open(&aead, wrapped, bound(label, aad), sealed, ret);
    dv_aead_wipe(&aead);
    return dv_is_error(rc) ? dv_error_set(error, rc, "a wrapped key was altered, or is another key's") : DV_OK;
}
