/* SPDX-License-Identifier: Apache-2.0
 * aead.c - AES-256-GCM by OpenSSL's EVP, without a fetch or an allocation per message. */
#include "vault/aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

static dv_rc failed(struct dv_error *error)
{
    return dv_error_set(error, DV_E_FAILED,
                        "OpenSSL cannot set up AES-256-GCM: its default provider is missing, or memory is");
}

dv_rc dv_aead_init(struct dv_aead *ret, const uint8_t key[DV_KEY_BYTES], enum dv_aead_direction direction,
                   struct dv_error *error)
{
    DV_ASSERT(ret != NULL && key != NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    int done = context != NULL && cipher != NULL &&
               EVP_CipherInit_ex2(context, cipher, key, NULL, direction == DV_AEAD_SEAL, NULL) == 1;
    EVP_CIPHER_free(cipher);
    if (!done) {
        EVP_CIPHER_CTX_free(context);
        return failed(error);
    }
    ret->context = context;
    ret->tag[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, DV_TAG_BYTES);
    ret->tag[1] = OSSL_PARAM_construct_end();
    return DV_OK;
}

/* Nonce, additional data and text, which both directions do alike. */
static int run(EVP_CIPHER_CTX *context, const uint8_t *nonce, struct dv_bytes aad, struct dv_bytes in, uint8_t *out)
{
    DV_ASSERT(in.at != NULL || in.length == 0);
    DV_ASSERT(aad.at != NULL || aad.length == 0);
    int written = 0;
    return EVP_CipherInit_ex2(context, NULL, NULL, nonce, -1, NULL) == 1 &&
           (aad.length == 0 || EVP_CipherUpdate(context, NULL, &written, aad.at, (int)aad.length) == 1) &&
           (in.length == 0 || EVP_CipherUpdate(context, out, &written, in.at, (int)in.length) == 1);
}

dv_rc dv_aead_seal(struct dv_aead *aead, const uint8_t nonce[DV_NONCE_BYTES], struct dv_bytes aad,
                   struct dv_bytes plaintext, uint8_t *sealed)
{
    DV_ASSERT(aead->context != NULL);
    DV_ASSERT(EVP_CIPHER_CTX_is_encrypting(aead->context));
    DV_ASSERT(plaintext.length <= DV_SEAL_MAX && aad.length <= DV_SEAL_MAX);
    int written = 0;
    uint8_t *tag = sealed + plaintext.length;
    aead->tag[0].data = tag;
    if (run(aead->context, nonce, aad, plaintext, sealed) && EVP_CipherFinal_ex(aead->context, tag, &written) == 1 &&
        EVP_CIPHER_CTX_get_params(aead->context, aead->tag) == 1)
        return DV_OK;
    OPENSSL_cleanse(sealed, plaintext.length + DV_TAG_BYTES);
    return DV_E_FAILED;
}

dv_rc dv_aead_open(struct dv_aead *aead, const uint8_t nonce[DV_NONCE_BYTES], struct dv_bytes aad,
                   struct dv_bytes sealed, uint8_t *plaintext)
{
    DV_ASSERT(aead->context != NULL && aad.length <= DV_SEAL_MAX);
    DV_ASSERT(!EVP_CIPHER_CTX_is_encrypting(aead->context));
    if (sealed.length < DV_TAG_BYTES || sealed.length > (size_t)DV_SEAL_MAX + DV_TAG_BYTES)
        return DV_E_TAMPER;
    struct dv_bytes text = { sealed.at, sealed.length - DV_TAG_BYTES };
    uint8_t tag[DV_TAG_BYTES];
    uint8_t none[DV_TAG_BYTES];
    int written = 0;
    memcpy(tag, sealed.at + text.length, sizeof tag);
    aead->tag[0].data = tag;
    if (run(aead->context, nonce, aad, text, plaintext) && EVP_CIPHER_CTX_set_params(aead->context, aead->tag) == 1 &&
        EVP_CipherFinal_ex(aead->context, none, &written) == 1)
        return DV_OK;
    if (text.length != 0)
        OPENSSL_cleanse(plaintext, text.length);
    return DV_E_TAMPER;
}

void dv_aead_wipe(struct dv_aead *aead)
{
    DV_ASSERT(aead != NULL);
    EVP_CIPHER_CTX_free(aead->context);
    *aead = (struct dv_aead){ 0 };
}
