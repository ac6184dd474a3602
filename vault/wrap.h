/* SPDX-License-Identifier: Apache-2.0
 * wrap.h - keys encrypted under other keys.
 *
 * AES-256-GCM with a random nonce: nonce ‖ ciphertext ‖ tag, 60 bytes. What a wrapped key is - of which keyring, for
 * what, which version, whose - is bound as additional data, so that none can be put in the place of another. A wrapping
 * key wraps some thousands of keys in its life, far from the 2^32 that random nonces allow. */
#ifndef DV_VAULT_WRAP_H
#define DV_VAULT_WRAP_H

#include "engine/error.h"
#include "vault/bytes.h"

enum {
    DV_WRAPPED_BYTES = DV_NONCE_BYTES + DV_KEY_BYTES + DV_TAG_BYTES,
    DV_KEYRING_ID_BYTES = 16,
    DV_KEY_NAME_MAX = 64
};

/* What a wrapped key is for; the numbers are in files. */
enum dv_wrap_purpose {
    DV_WRAP_KEK = 1,     /* a dataset's key-encrypting key, under the root */
    DV_WRAP_DEK = 2,     /* a dataset's data key, under its kek */
    DV_WRAP_DERIVE = 3,  /* a tenant's secret to derive from, under the root */
    DV_WRAP_OUTSIDE = 4, /* a key that is kept elsewhere, under a dataset's kek */
};

/* What is bound to a wrapped key. */
struct dv_wrap_label {
    const uint8_t *keyring_id; /* DV_KEYRING_ID_BYTES */
    enum dv_wrap_purpose purpose;
    uint32_t version;        /* of the key, from 1; for DV_WRAP_OUTSIDE: of the kek */
    struct dv_bytes tenant;  /* at most DV_KEY_NAME_MAX, as the next two */
    struct dv_bytes name;    /* the dataset, or what the derived keys are for */
    struct dv_bytes context; /* for DV_WRAP_OUTSIDE: which key it is; else empty */
};

/* Wraps `key` under `under`. DV_E_FAILED if OpenSSL or the system's randomness fails. */
dv_rc dv_wrap(const uint8_t under[DV_KEY_BYTES], const struct dv_wrap_label *label, const uint8_t key[DV_KEY_BYTES],
              uint8_t ret[DV_WRAPPED_BYTES], struct dv_error *error);

/* Unwraps into `ret`, which should be secret memory. DV_E_TAMPER if anything differs: `ret` is wiped. */
dv_rc dv_unwrap(const uint8_t under[DV_KEY_BYTES], const struct dv_wrap_label *label,
                const uint8_t wrapped[DV_WRAPPED_BYTES], uint8_t ret[DV_KEY_BYTES], struct dv_error *error);

#endif
