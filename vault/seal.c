/* SPDX-License-Identifier: Apache-2.0
 * seal.c - sealers with their nonce buffer and limit, and openers. */
#include "vault/seal.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "engine/memory.h"

enum { NONCES = 256 };

static const uint64_t records_limit = (uint64_t)1 << 32;

/* What sealer and opener share. All in one secret page. */
struct keyed {
    struct dv_aead aead;
    struct dv_hmac hash;
    bool hashes;
    uint32_t key_ref_length;
    uint8_t key_ref[DV_KEY_REF_MAX];
};

struct dv_sealer {
    struct keyed keyed;
    uint64_t records_left;
    uint32_t nonces_left; /* nonces[0 .. nonces_left-1] are still unused; 0 after a fork */
    uint8_t nonces[NONCES][DV_NONCE_BYTES];
};

struct dv_opener {
    struct keyed keyed;
};

_Static_assert(sizeof(struct dv_sealer) <= 4096, "locked memory is scarce: a sealer is one page");

static dv_rc keyed_init(struct keyed *keyed, const struct dv_seal_key *key, enum dv_aead_direction direction,
                        struct dv_error *error)
{
    DV_ASSERT(keyed->aead.context == NULL);
    DV_ASSERT(key->key != NULL && key->key_ref.length <= DV_KEY_REF_MAX);
    DV_TRY(dv_aead_init(&keyed->aead, key->key, direction, error));
    keyed->hashes = key->hash_key != NULL;
    if (keyed->hashes)
        dv_hmac_init(&keyed->hash, (struct dv_bytes){ key->hash_key, DV_KEY_BYTES });
    (void)dv_bytes_put(keyed->key_ref, key->key_ref.at, key->key_ref.length);
    keyed->key_ref_length = (uint32_t)key->key_ref.length;
    return DV_OK;
}

static void keyed_hash(const struct keyed *keyed, struct dv_bytes plaintext, uint8_t ret[DV_HMAC_BYTES])
{
    DV_ASSERT(keyed->hashes ||
              keyed->aead.context == NULL); /* a forked child hashes under nothing, and seals nothing */
    dv_hmac(&keyed->hash, plaintext.at, plaintext.length, ret);
}

static dv_rc no_pages(struct dv_error *error)
{
    return dv_error_set(error, DV_E_MEMORY, "no locked memory for keys; raise the limit (ulimit -l, LimitMEMLOCK=)");
}

static dv_rc forked(struct dv_error *error)
{
    return dv_error_set(error, DV_E_KEY, "keys do not pass to a forked process; open the keyring after the fork");
}

dv_rc dv_sealer_new(struct dv_sealer **ret, const struct dv_seal_key *key, struct dv_error *error)
{
    DV_ASSERT(ret != NULL);
    DV_ASSERT(key->records_max <= records_limit);
    struct dv_sealer *sealer = dv_memory_secret(sizeof *sealer);
    if (sealer == NULL)
        return no_pages(error);
    dv_rc rc = keyed_init(&sealer->keyed, key, DV_AEAD_SEAL, error);
    if (dv_is_error(rc)) {
        dv_sealer_free(sealer);
        return rc;
    }
    sealer->records_left = key->records_max != 0 ? key->records_max : records_limit;
    *ret = sealer;
    return DV_OK;
}

void dv_sealer_free(struct dv_sealer *sealer)
{
    if (sealer == NULL)
        return;
    dv_aead_wipe(&sealer->keyed.aead);
    dv_memory_secret_free(sealer, sizeof *sealer);
}

uint64_t dv_sealer_left(const struct dv_sealer *sealer)
{
    DV_ASSERT(sealer->records_left <= records_limit);
    return sealer->records_left;
}

struct dv_bytes dv_sealer_key_ref(const struct dv_sealer *sealer)
{
    DV_ASSERT(sealer->keyed.key_ref_length <= DV_KEY_REF_MAX);
    return (struct dv_bytes){ sealer->keyed.key_ref, sealer->keyed.key_ref_length };
}

void dv_sealer_hash(const struct dv_sealer *sealer, struct dv_bytes plaintext, uint8_t ret[DV_HMAC_BYTES])
{
    keyed_hash(&sealer->keyed, plaintext, ret);
}

static dv_rc refill(struct dv_sealer *sealer, struct dv_error *error)
{
    DV_ASSERT(sealer->nonces_left == 0);
    if (RAND_bytes(sealer->nonces[0], (int)sizeof sealer->nonces) != 1)
        return dv_error_set(error, DV_E_FAILED, "the system gives no randomness");
    sealer->nonces_left = NONCES;
    return DV_OK;
}

/* Why a message is refused; DV_OK if it is not. */
static dv_rc may_seal(const struct dv_sealer *sealer, size_t length, struct dv_error *error)
{
    DV_ASSERT(sealer->nonces_left <= NONCES);
    if (sealer->keyed.aead.context == NULL)
        return forked(error);
    if (sealer->records_left == 0)
        return dv_error_set(error, DV_E_LIMIT,
                            "this key has sealed all the records it may; take a new sealer, or rotate the key");
    if (length > DV_SEAL_MAX)
        return dv_error_set(error, DV_E_LIMIT, "a record of %zu bytes is over the %d that are sealed at once", length,
                            DV_SEAL_MAX);
    return DV_OK;
}

dv_rc dv_seal(struct dv_sealer *sealer, struct dv_bytes aad, struct dv_bytes plaintext, uint8_t nonce[DV_NONCE_BYTES],
              uint8_t *sealed, struct dv_error *error)
{
    DV_ASSERT(nonce != NULL && sealed != NULL);
    DV_ASSERT(plaintext.at != NULL || plaintext.length == 0);
    DV_TRY(may_seal(sealer, plaintext.length, error));
    if (sealer->nonces_left == 0)
        DV_TRY(refill(sealer, error));
    uint8_t *unused = sealer->nonces[--sealer->nonces_left];
    memcpy(nonce, unused, DV_NONCE_BYTES);
    memset(unused, 0, DV_NONCE_BYTES);
    sealer->records_left--;
    dv_rc rc = dv_aead_seal(&sealer->keyed.aead, nonce, aad, plaintext, sealed);
    return dv_is_error(rc) ? dv_error_set(error, rc, "OpenSSL failed to encrypt") : DV_OK;
}

dv_rc dv_seal_bare(struct dv_sealer *sealer, struct dv_bytes plaintext, uint8_t *message, struct dv_error *error)
{
    DV_ASSERT(message != NULL);
    return dv_seal(sealer, (struct dv_bytes){ 0 }, plaintext, message, message + DV_NONCE_BYTES, error);
}

dv_rc dv_opener_new(struct dv_opener **ret, const struct dv_seal_key *key, struct dv_error *error)
{
    DV_ASSERT(ret != NULL);
    struct dv_opener *opener = dv_memory_secret(sizeof *opener);
    if (opener == NULL)
        return no_pages(error);
    dv_rc rc = keyed_init(&opener->keyed, key, DV_AEAD_OPEN, error);
    if (dv_is_error(rc)) {
        dv_opener_free(opener);
        return rc;
    }
    *ret = opener;
    return DV_OK;
}

void dv_opener_free(struct dv_opener *opener)
{
    if (opener == NULL)
        return;
    dv_aead_wipe(&opener->keyed.aead);
    dv_memory_secret_free(opener, sizeof *opener);
}

struct dv_bytes dv_opener_key_ref(const struct dv_opener *opener)
{
    DV_ASSERT(opener->keyed.key_ref_length <= DV_KEY_REF_MAX);
    return (struct dv_bytes){ opener->keyed.key_ref, opener->keyed.key_ref_length };
}

void dv_opener_hash(const struct dv_opener *opener, struct dv_bytes plaintext, uint8_t ret[DV_HMAC_BYTES])
{
    keyed_hash(&opener->keyed, plaintext, ret);
}

dv_rc dv_unseal(struct dv_opener *opener, struct dv_bytes aad, const uint8_t nonce[DV_NONCE_BYTES],
                struct dv_bytes sealed, uint8_t *plaintext, struct dv_error *error)
{
    DV_ASSERT(sealed.at != NULL || sealed.length == 0);
    DV_ASSERT(plaintext != NULL || sealed.length <= DV_TAG_BYTES);
    if (opener->keyed.aead.context == NULL)
        return forked(error);
    dv_rc rc = dv_aead_open(&opener->keyed.aead, nonce, aad, sealed, plaintext);
    return dv_is_error(rc) ? dv_error_set(error, rc, "sealed bytes were altered, or are not for this key") : DV_OK;
}

dv_rc dv_unseal_bare(struct dv_opener *opener, struct dv_bytes message, uint8_t *plaintext, struct dv_error *error)
{
    DV_ASSERT(message.at != NULL || message.length == 0);
    if (message.length < DV_BARE_BYTES)
        return dv_error_set(error, DV_E_TAMPER, "a sealed message of %zu bytes is cut short", message.length);
    struct dv_bytes sealed = { message.at + DV_NONCE_BYTES, message.length - DV_NONCE_BYTES };
    return dv_unseal(opener, (struct dv_bytes){ 0 }, message.at, sealed, plaintext, error);
}
