/* SPDX-License-Identifier: Apache-2.0
 * hmac.h - HMAC-SHA-256 (RFC 2104, FIPS 180-4) whose key is absorbed once and then used for millions of short inputs.
 *
 * A one-shot HMAC() spends ten times the hash itself on look-ups and on the key. Here dv_hmac_init() keeps the two
 * states of SHA-256 behind the inner and outer pad, and each use starts from copies of them: about 100 ns for 16 bytes.
 * The same file derives keys by HKDF, which is two such HMACs. */
#ifndef DV_VAULT_HMAC_H
#define DV_VAULT_HMAC_H

#include <stddef.h>
#include <stdint.h>

#include "vault/bytes.h"

enum { DV_HMAC_BYTES = 32, DV_HMAC_STATE_BYTES = 112, DV_HKDF_INFO_MAX = 255 };

/* A key, absorbed. It is as secret as the key: keep it in dv_memory_secret() pages. Plain memory, may be copied.
 * Members are private. */
struct dv_hmac {
    _Alignas(16) uint8_t inner[DV_HMAC_STATE_BYTES];
    uint8_t outer[DV_HMAC_STATE_BYTES];
};

/* Absorbs `key`, of any length; one longer than 64 bytes counts by its SHA-256. The caller may wipe `key` afterwards.
 */
void dv_hmac_init(struct dv_hmac *ret, struct dv_bytes key);

/* The HMAC of `length` bytes at `data` (NULL if 0). Changes nothing in `hmac`. Allocates nothing, cannot fail. */
void dv_hmac(const struct dv_hmac *hmac, const void *data, size_t length, uint8_t ret[DV_HMAC_BYTES]);

/* Forgets the key. */
void dv_hmac_wipe(struct dv_hmac *hmac);

/* HKDF-SHA-256 (RFC 5869), extract and expand, of 32 bytes: `key` is the input key material, `salt` may be empty,
 * `info` has at most DV_HKDF_INFO_MAX bytes and says what the derived key is for. */
void dv_hkdf(struct dv_bytes key, struct dv_bytes salt, struct dv_bytes info, uint8_t ret[DV_HMAC_BYTES]);

#endif
