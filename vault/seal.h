/* SPDX-License-Identifier: Apache-2.0
 * seal.h - sealing and unsealing messages under one key, with nonces that are looked after.
 *
 * AES-256-GCM. **Nonces** are 96 random bits (NIST SP 800-38D §8.2.2), taken from a buffer that is refilled once in 256
 * messages and wiped as it is used. A sealer refuses its 2^32nd message, so that the chance of a nonce ever repeating
 * under its key stays below 2^-33. That bound is about one key, and a program that starts again would count from zero:
 * therefore the keyring gives every sealer a key of its own, derived from the data key and a random salt that is part
 * of the key reference. Restarts, crashes and parallel workers need no common counter. When dv_sealer_left() gets low,
 * ask the keyring for a new sealer.
 *
 * A sealer lives in secret pages, which are zero in a forked child: there it answers DV_E_KEY and cannot repeat a
 * nonce.
 *
 * The *bare* form, nonce ‖ ciphertext ‖ tag without additional data, is for readers that know nothing of DataVault. */
#ifndef DV_VAULT_SEAL_H
#define DV_VAULT_SEAL_H

#include "vault/aead.h"
#include "vault/hmac.h"

enum { DV_KEY_REF_MAX = 176, DV_BARE_BYTES = DV_NONCE_BYTES + DV_TAG_BYTES };

/* What a sealer or opener is made from; copied, so the caller wipes his own. */
struct dv_seal_key {
    const uint8_t *key;      /* DV_KEY_BYTES for AES-256-GCM */
    const uint8_t *hash_key; /* DV_KEY_BYTES for the data hash, or NULL: then nobody may ask for hashes */
    struct dv_bytes key_ref; /* the name by which openers find the key; at most DV_KEY_REF_MAX, may be empty */
    uint64_t records_max;    /* a lower limit than 2^32 messages, or 0 */
};

struct dv_sealer;
struct dv_opener;

/* A new sealer, which the caller owns. DV_E_MEMORY if secret pages cannot be had, DV_E_FAILED if OpenSSL refuses. */
dv_rc dv_sealer_new(struct dv_sealer **ret, const struct dv_seal_key *key, struct dv_error *error);

/* Wipes and frees; accepts NULL. */
void dv_sealer_free(struct dv_sealer *sealer);

/* How many more messages it will seal; 0 in a forked child. */
uint64_t dv_sealer_left(const struct dv_sealer *sealer);

/* The key reference it was made with; lives as long as the sealer. */
struct dv_bytes dv_sealer_key_ref(const struct dv_sealer *sealer);

/* HMAC-SHA-256 of `plaintext` under the hash key, which must have been given. */
void dv_sealer_hash(const struct dv_sealer *sealer, struct dv_bytes plaintext, uint8_t ret[DV_HMAC_BYTES]);

/* Seals `plaintext`: writes a fresh nonce, and ciphertext ‖ tag of plaintext.length + DV_TAG_BYTES to `sealed`, which
 * does not overlap the input. `aad` is bound to it. No allocation, no system call but one in 256. DV_E_LIMIT: the key
 * is used up, or the text is over DV_SEAL_MAX; DV_E_KEY: forked; DV_E_FAILED: no randomness. `sealed` is then not
 * usable. */
dv_rc dv_seal(struct dv_sealer *sealer, struct dv_bytes aad, struct dv_bytes plaintext, uint8_t nonce[DV_NONCE_BYTES],
              uint8_t *sealed, struct dv_error *error);

/* The same in the bare form: writes plaintext.length + DV_BARE_BYTES to `message`. */
dv_rc dv_seal_bare(struct dv_sealer *sealer, struct dv_bytes plaintext, uint8_t *message, struct dv_error *error);

/* A new opener, which the caller owns; errors as for the sealer. `records_max` means nothing here. */
dv_rc dv_opener_new(struct dv_opener **ret, const struct dv_seal_key *key, struct dv_error *error);

/* Wipes and frees; accepts NULL. */
void dv_opener_free(struct dv_opener *opener);

/* The key reference it was made with; lives as long as the opener. */
struct dv_bytes dv_opener_key_ref(const struct dv_opener *opener);

/* As dv_sealer_hash(). */
void dv_opener_hash(const struct dv_opener *opener, struct dv_bytes plaintext, uint8_t ret[DV_HMAC_BYTES]);

/* Checks and decrypts `sealed` into `plaintext` of sealed.length - DV_TAG_BYTES, which does not overlap it. DV_E_TAMPER
 * if a bit of key, nonce, aad, ciphertext or tag differs: `plaintext` is wiped. DV_E_KEY: forked. */
dv_rc dv_unseal(struct dv_opener *opener, struct dv_bytes aad, const uint8_t nonce[DV_NONCE_BYTES],
                struct dv_bytes sealed, uint8_t *plaintext, struct dv_error *error);

/* The same for the bare form: `plaintext` has message.length - DV_BARE_BYTES. */
dv_rc dv_unseal_bare(struct dv_opener *opener, struct dv_bytes message, uint8_t *plaintext, struct dv_error *error);

#endif
