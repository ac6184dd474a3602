/* SPDX-License-Identifier: Apache-2.0
 * hmac.c - pre-keyed HMAC-SHA-256 and HKDF.
 *
 * This one file uses OpenSSL's low-level SHA-256, deprecated in 3.0 for its lack of provider choice: copying its state
 * costs 100 ns an HMAC where EVP_MD_CTX_copy_ex() costs 150 and EVP_MAC 220, and every record pays for two or three. */
#define OPENSSL_API_COMPAT 0x10101000L
#include "vault/hmac.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "engine/error.h"

enum { BLOCK_BYTES = 64 };

_Static_assert(sizeof(SHA256_CTX) == DV_HMAC_STATE_BYTES, "the public struct holds two states of SHA-256");

static void absorb_pad(uint8_t state[DV_HMAC_STATE_BYTES], const uint8_t key[BLOCK_BYTES], uint8_t pad)
{
    DV_ASSERT(pad == 0x36 || pad == 0x5c);
    uint8_t block[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        block[i] = key[i] ^ pad;
    SHA256_CTX context;
    DV_ASSERT(SHA256_Init(&context) == 1 && SHA256_Update(&context, block, sizeof block) == 1);
    memcpy(state, &context, sizeof context);
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(&context, sizeof context);
}

void dv_hmac_init(struct dv_hmac *ret, struct dv_bytes key)
{
    DV_ASSERT(key.at != NULL || key.length == 0);
    uint8_t block[BLOCK_BYTES] = { 0 };
    if (key.length > BLOCK_BYTES)
        DV_ASSERT(SHA256(key.at, key.length, block) != NULL);
    else
        (void)dv_bytes_put(block, key.at, key.length);
    absorb_pad(ret->inner, block, 0x36);
    absorb_pad(ret->outer, block, 0x5c);
    OPENSSL_cleanse(block, sizeof block);
}

/* The contexts need no wiping: after SHA256_Final() they hold digests and an emptied buffer, no longer the keyed state.
 */
void dv_hmac(const struct dv_hmac *hmac, const void *data, size_t length, uint8_t ret[DV_HMAC_BYTES])
{
    DV_ASSERT(ret != NULL);
    DV_ASSERT(data != NULL || length == 0);
    SHA256_CTX context;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    memcpy(&context, hmac->inner, sizeof context);
    if (length != 0)
        (void)SHA256_Update(&context, data, length);
    (void)SHA256_Final(digest, &context);
    memcpy(&context, hmac->outer, sizeof context);
    (void)SHA256_Update(&context, digest, sizeof digest);
    (void)SHA256_Final(ret, &context);
}

void dv_hmac_wipe(struct dv_hmac *hmac)
{
    DV_ASSERT(hmac != NULL);
    OPENSSL_cleanse(hmac, sizeof *hmac);
}

void dv_hkdf(struct dv_bytes key, struct dv_bytes salt, struct dv_bytes info, uint8_t ret[DV_HMAC_BYTES])
{
    DV_ASSERT(key.at != NULL && key.length != 0);
    DV_ASSERT(info.length <= DV_HKDF_INFO_MAX);
    struct dv_hmac hmac;
    uint8_t extracted[DV_HMAC_BYTES];
    dv_hmac_init(&hmac, salt);
    dv_hmac(&hmac, key.at, key.length, extracted);
    dv_hmac_init(&hmac, (struct dv_bytes){ extracted, sizeof extracted });
    uint8_t block[DV_HKDF_INFO_MAX + 1];
    uint8_t *end = dv_bytes_put(block, info.at, info.length);
    *end++ = 1; /* the number of the first and only block */
    dv_hmac(&hmac, block, (size_t)(end - block), ret);
    dv_hmac_wipe(&hmac);
    OPENSSL_cleanse(extracted, sizeof extracted);
}
