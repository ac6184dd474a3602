/* SPDX-License-Identifier: Apache-2.0
 * limit_seal.c - HMAC-SHA-256 under a key hashed beforehand, and AES-256-GCM in one context for all records. */
#define OPENSSL_API_COMPAT 0x10101000L /* the low-level SHA-256 costs a third of the EVP one for one short block */
#include "limit.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <string.h>

enum { BLOCK = 64, NONCES = 340 };

/* The states after the inner and the outer key block. */
struct limit_hmac {
    SHA256_CTX inner, outer;
};

static void start(SHA256_CTX *state, const uint8_t key[BLOCK], uint8_t pad)
{
    uint8_t block[BLOCK];
    for (int i = 0; i < BLOCK; i++)
        block[i] = key[i] ^ pad;
    SHA256_Init(state);
    SHA256_Update(state, block, BLOCK);
    OPENSSL_cleanse(block, BLOCK);
}

struct limit_hmac *limit_hmac_new(const void *key, size_t n)
{
    uint8_t block[BLOCK] = { 0 };
    struct limit_hmac *hmac = n <= BLOCK ? OPENSSL_zalloc(sizeof *hmac) : NULL;
    if (hmac == NULL)
        return NULL;
    memcpy(block, key, n);
    start(&hmac->inner, block, 0x36);
    start(&hmac->outer, block, 0x5c);
    OPENSSL_cleanse(block, BLOCK);
    return hmac;
}

void limit_hmac_hash(const struct limit_hmac *hmac, const char *in, size_t n, uint8_t hash[LIMIT_HASH])
{
    SHA256_CTX state = hmac->inner;
    SHA256_Update(&state, in, n);
    SHA256_Final(hash, &state);
    state = hmac->outer;
    SHA256_Update(&state, hash, LIMIT_HASH);
    SHA256_Final(hash, &state);
}

void limit_hmac_free(struct limit_hmac *hmac)
{
    OPENSSL_clear_free(hmac, sizeof *hmac);
}

/* One call to the random generator costs twice as much as a seal: nonces are drawn by the page. */
struct limit_seal {
    EVP_CIPHER_CTX *context;
    OSSL_PARAM tag[2];
    size_t used;
    uint8_t nonces[NONCES][LIMIT_NONCE];
};

static bool open_context(struct limit_seal *seal, const uint8_t key[32])
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    seal->context = EVP_CIPHER_CTX_new();
    bool ready = cipher != NULL && seal->context != NULL && EVP_EncryptInit_ex2(seal->context, cipher, key, NULL, NULL) == 1;
    EVP_CIPHER_free(cipher);
    return ready;
}

struct limit_seal *limit_seal_new(const uint8_t key[32])
{
    struct limit_seal *seal = OPENSSL_zalloc(sizeof *seal);
    if (seal == NULL)
        return NULL;
    seal->used = NONCES;
    seal->tag[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, LIMIT_TAG);
    seal->tag[1] = OSSL_PARAM_construct_end();
    if (open_context(seal, key))
        return seal;
    limit_seal_free(seal);
    return NULL;
}

static bool take_nonce(struct limit_seal *seal, uint8_t nonce[LIMIT_NONCE])
{
    if (seal->used == NONCES) {
        if (RAND_bytes(seal->nonces[0], sizeof seal->nonces) != 1)
            return false;
        seal->used = 0;
    }
    uint8_t *next = seal->nonces[seal->used++];
    memcpy(nonce, next, LIMIT_NONCE);
    memset(next, 0, LIMIT_NONCE);
    return true;
}

size_t limit_seal_box(struct limit_seal *seal, uint8_t *box, size_t n)
{
    uint8_t *text = box + LIMIT_NONCE;
    int length = 0, rest = 0;
    if (!take_nonce(seal, box))
        return 0;
    seal->tag[0].data = text + n;
    if (EVP_EncryptInit_ex2(seal->context, NULL, NULL, box, NULL) != 1 ||
        EVP_EncryptUpdate(seal->context, text, &length, text, (int)n) != 1 ||
        EVP_EncryptFinal_ex(seal->context, text + n, &rest) != 1 ||
        EVP_CIPHER_CTX_get_params(seal->context, seal->tag) != 1)
        return 0;
    return LIMIT_NONCE + n + LIMIT_TAG;
}

void limit_seal_free(struct limit_seal *seal)
{
    if (seal == NULL)
        return;
    EVP_CIPHER_CTX_free(seal->context);
    OPENSSL_clear_free(seal, sizeof *seal);
}
