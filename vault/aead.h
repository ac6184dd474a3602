/* SPDX-License-Identifier: Apache-2.0
 * aead.h - AES-256-GCM (NIST SP 800-38D) with one key and one direction, ready for many messages.
 *
 * The cipher is fetched and the key scheduled once; a message then only sets its nonce. Choosing nonces is the caller's
 * duty: a nonce used twice under one key gives the key stream and the authentication key away. Who wants that done for
 * him uses seal.h. The key schedule lives in OpenSSL's heap until dv_aead_wipe(), which clears it. */
#ifndef DV_VAULT_AEAD_H
#define DV_VAULT_AEAD_H

#include <openssl/params.h>

#include "engine/error.h"
#include "vault/bytes.h"

enum dv_aead_direction { DV_AEAD_OPEN = 0, DV_AEAD_SEAL = 1 };

/* A keyed cipher. Members are private; zero means "none". */
struct dv_aead {
    struct evp_cipher_ctx_st *context;
    OSSL_PARAM tag[2]; /* prebuilt: a control call for the tag would cost another 20 ns a message */
};

/* Schedules `key`, which the caller may wipe afterwards. DV_E_FAILED if OpenSSL refuses or is out of memory. */
dv_rc dv_aead_init(struct dv_aead *ret, const uint8_t key[DV_KEY_BYTES], enum dv_aead_direction direction,
                   struct dv_error *error);

/* Encrypts `plaintext` (at most DV_SEAL_MAX bytes) and writes ciphertext ‖ tag, that is plaintext.length +
 * DV_TAG_BYTES, to `sealed`, which does not overlap the input. `aad` is authenticated and not encrypted. DV_E_FAILED:
 * `sealed` is wiped. */
dv_rc dv_aead_seal(struct dv_aead *aead, const uint8_t nonce[DV_NONCE_BYTES], struct dv_bytes aad,
                   struct dv_bytes plaintext, uint8_t *sealed);

/* Checks and decrypts `sealed` = ciphertext ‖ tag into `plaintext` of sealed.length - DV_TAG_BYTES, which does not
 * overlap the input. DV_E_TAMPER if anything differs: `plaintext` is wiped. */
dv_rc dv_aead_open(struct dv_aead *aead, const uint8_t nonce[DV_NONCE_BYTES], struct dv_bytes aad,
                   struct dv_bytes sealed, uint8_t *plaintext);

/* Clears the key schedule and frees it; accepts a zero object. */
void dv_aead_wipe(struct dv_aead *aead);

#endif
