/* SPDX-License-Identifier: Apache-2.0
 * pseudonym.c - HMAC-SHA-256 with the padded key hashed ahead.
 *
 * The low-level SHA256_* calls are deprecated in OpenSSL 3 but are the only ones whose keyed state is a plain struct
 * that can be copied: a token costs a tenth of a one-shot HMAC(). They take the same SHA-NI code. */
#define OPENSSL_API_COMPAT 0x10101000L

#include "privacy/pseudonym.h"
#include "privacy/transform.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)DV_PSEUDONYM_BYTES_MAX == SHA256_DIGEST_LENGTH, "all of the digest");
_Static_assert(sizeof(SHA256_CTX) <= DV_PSEUDONYM_STATE, "the state must fit");

/* Hashes the key, xored with `pad`, as the first block of a state. */
static void start_state(SHA256_CTX *state, const unsigned char key[SHA256_CBLOCK], unsigned char pad)
{
    unsigned char block[SHA256_CBLOCK];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = key[i] ^ pad;
    SHA256_Init(state);
    SHA256_Update(state, block, sizeof block);
    explicit_bzero(block, sizeof block);
}

static void absorb_key(struct dv_pseudonym *pseudonym, const unsigned char *key, size_t key_length, const char *domain)
{
    unsigned char block[SHA256_CBLOCK] = { 0 };
    SHA256_CTX inner;
    SHA256_CTX outer;
    if (key_length > sizeof block)
        SHA256(key, key_length, block);
    else
        memcpy(block, key, key_length);
    start_state(&inner, block, 0x36);
    start_state(&outer, block, 0x5C);
    if (domain != NULL)
        SHA256_Update(&inner, domain, strlen(domain) + 1);
    memcpy(pseudonym->inner, &inner, sizeof inner);
    memcpy(pseudonym->outer, &outer, sizeof outer);
    explicit_bzero(block, sizeof block);
    explicit_bzero(&inner, sizeof inner);
    explicit_bzero(&outer, sizeof outer);
}

static bool is_prefix(const char *prefix)
{
    return strlen(prefix) <= DV_PSEUDONYM_PREFIX_MAX &&
           prefix[strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

static dv_rc set_form(struct dv_pseudonym *pseudonym, const struct dv_pseudonym_options *options)
{
    const char *prefix = options->prefix != NULL ? options->prefix : "";
    pseudonym->encoding = options->bare ? DV_PSEUDONYM_HEX : options->encoding;
    pseudonym->bytes = options->bytes != 0 ? options->bytes : DV_PSEUDONYM_BYTES;
    if (options->bare) {
        pseudonym->bytes = SHA256_DIGEST_LENGTH;
        return DV_OK;
    }
    if (options->domain == NULL || *options->domain == '\0' || !is_prefix(prefix))
        return DV_E_CONFIG;
    if (pseudonym->bytes < DV_PSEUDONYM_BYTES_MIN || pseudonym->bytes > DV_PSEUDONYM_BYTES_MAX)
        return DV_E_CONFIG;
    int length = snprintf(pseudonym->head, sizeof pseudonym->head, "%sv%" PRIu32 "_", prefix, options->version);
    DV_ASSERT(length > 0 && (size_t)length < sizeof pseudonym->head);
    pseudonym->head_length = (uint32_t)length;
    return DV_OK;
}

dv_rc dv_pseudonym_init(struct dv_pseudonym *pseudonym, const unsigned char *key, size_t key_length,
                        const struct dv_pseudonym_options *options)
{
    dv_pseudonym_wipe(pseudonym);
    if (key_length < DV_PSEUDONYM_KEY_MIN)
        return DV_E_KEY;
    dv_rc rc = set_form(pseudonym, options);
    if (rc != DV_OK) {
        dv_pseudonym_wipe(pseudonym);
        return rc;
    }
    absorb_key(pseudonym, key, key_length, options->bare ? NULL : options->domain);
    return DV_OK;
}

typedef unsigned char block __attribute__((vector_size(16)));

static inline block hex_letters(block nibbles)
{
    return nibbles + '0' + ((block)(nibbles > 9) & ('a' - '0' - 10));
}

/* Sixteen bytes as 32 digits. */
static inline void put_hex_block(char *at, const unsigned char *bytes)
{
    block loaded;
    memcpy(&loaded, bytes, sizeof loaded);
    block high = hex_letters(loaded >> 4);
    block low = hex_letters(loaded & 15);
    block first = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    block second = __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    memcpy(at, &first, sizeof first);
    memcpy(at + sizeof first, &second, sizeof second);
}

static size_t put_hex(char *at, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 0;
    for (; count - i >= sizeof(block); i += sizeof(block), at += 2 * sizeof(block))
        put_hex_block(at, bytes + i);
    for (; i < count; i++) {
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    return count * 2;
}

static size_t put_base32(char *at, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    const char *start = at;
    uint32_t held = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 5; bits -= 5)
            *at++ = digits[held >> (bits - 5) & 31];
    }
    if (bits != 0)
        *at++ = digits[held << (5 - bits) & 31];
    return (size_t)(at - start);
}

void dv_pseudonym_digest(const struct dv_pseudonym *pseudonym, const char *value, size_t length,
                         unsigned char digest[DV_PSEUDONYM_BYTES_MAX])
{
    SHA256_CTX state;
    memcpy(&state, pseudonym->inner, sizeof state);
    SHA256_Update(&state, value, length);
    SHA256_Final(digest, &state);
    memcpy(&state, pseudonym->outer, sizeof state);
    SHA256_Update(&state, digest, SHA256_DIGEST_LENGTH);
    SHA256_Final(digest, &state);
}

dv_rc dv_pseudonym_token(const struct dv_pseudonym *pseudonym, const char *value, size_t length, struct dv_buffer *out)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    DV_ASSERT(pseudonym->bytes != 0);
    out->length = 0;
    if (out->size < DV_PSEUDONYM_TOKEN_MAX)
        return DV_E_LIMIT;
    dv_pseudonym_digest(pseudonym, value, length, digest);
    memcpy(out->text, pseudonym->head, pseudonym->head_length);
    char *at = out->text + pseudonym->head_length;
    size_t written = pseudonym->encoding == DV_PSEUDONYM_HEX ? put_hex(at, digest, pseudonym->bytes)
                                                             : put_base32(at, digest, pseudonym->bytes);
    out->length = pseudonym->head_length + written;
    return DV_OK;
}

void dv_pseudonym_wipe(struct dv_pseudonym *pseudonym)
{
    explicit_bzero(pseudonym, sizeof *pseudonym);
}
