/* SPDX-License-Identifier: Apache-2.0
 * pseudonym.h - keyed pseudonyms: HMAC-SHA-256 (FIPS 198-1) of a value under a tenant's key. Label form: pseudonym.
 *
 *   token = <prefix>v<version>_<20 bytes of the HMAC in base32>      patient_v3_k5jq...
 *
 * The HMAC's input is domain ‖ 0x00 ‖ value: one person gets one token within a domain, and tokens of different
 * domains cannot be linked. In bare mode the input is the value alone and the token 64 lower-case hex digits. Without
 * the key a token tells nothing but equality; with it, values can be guessed, so the key stays in the vault. */
#ifndef DV_PRIVACY_PSEUDONYM_H
#define DV_PRIVACY_PSEUDONYM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_buffer;

enum {
    DV_PSEUDONYM_KEY_MIN = 16, /* bytes */
    DV_PSEUDONYM_BYTES_MIN = 16,
    DV_PSEUDONYM_BYTES_MAX = 32,
    DV_PSEUDONYM_BYTES = 20, /* unless said otherwise: 160 bits, 32 characters of base32 */
    DV_PSEUDONYM_PREFIX_MAX = 24,
    DV_PSEUDONYM_TOKEN_MAX = 104, /* room for any token */
    DV_PSEUDONYM_STATE = 128,
};

enum dv_pseudonym_encoding {
    DV_PSEUDONYM_BASE32, /* RFC 4648, lower case, no padding */
    DV_PSEUDONYM_HEX,    /* lower case */
};

/* How tokens are made. Texts are NUL-terminated and copied. */
struct dv_pseudonym_options {
    const char *domain; /* what is named: "patient"; required unless bare, and without effect then */
    const char *prefix; /* [a-z0-9_-]*, at most DV_PSEUDONYM_PREFIX_MAX; NULL: none */
    uint32_t version;   /* of the key */
    enum dv_pseudonym_encoding encoding;
    uint32_t bytes; /* of the HMAC that are shown, DV_PSEUDONYM_BYTES_MIN..MAX; 0: DV_PSEUDONYM_BYTES */
    bool bare;
};

/* A keyed maker of tokens: the key has been hashed in once, so that a token costs two or three blocks of SHA-256.
 * Secret as the key itself; read-only once made. The caller owns it and wipes it. Members are private. */
struct dv_pseudonym {
    _Alignas(8) unsigned char inner[DV_PSEUDONYM_STATE];
    _Alignas(8) unsigned char outer[DV_PSEUDONYM_STATE];
    char head[DV_PSEUDONYM_PREFIX_MAX + 16]; /* "<prefix>v<version>_" */
    uint32_t head_length;
    uint32_t bytes;
    enum dv_pseudonym_encoding encoding;
};

/* Keys a maker. Errors: DV_E_KEY for a key under DV_PSEUDONYM_KEY_MIN bytes; DV_E_CONFIG for a missing domain, a
 * malformed prefix or a size out of range. *pseudonym is wiped then. */
DV_CHECKED dv_rc dv_pseudonym_init(struct dv_pseudonym *pseudonym, const unsigned char *key, size_t key_length,
                                   const struct dv_pseudonym_options *options);

/* Writes the token of a value. Errors: DV_E_LIMIT for a buffer under DV_PSEUDONYM_TOKEN_MAX bytes. */
DV_CHECKED dv_rc dv_pseudonym_token(const struct dv_pseudonym *pseudonym, const char *value, size_t length,
                                    struct dv_buffer *out);

/* The whole HMAC of a value, for what makes something else of it. */
void dv_pseudonym_digest(const struct dv_pseudonym *pseudonym, const char *value, size_t length,
                         unsigned char ret_digest[DV_PSEUDONYM_BYTES_MAX]);

/* Wipes the keyed state. */
void dv_pseudonym_wipe(struct dv_pseudonym *pseudonym);

#endif
