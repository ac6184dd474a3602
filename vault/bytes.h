/* SPDX-License-Identifier: Apache-2.0
 * bytes.h - a run of bytes somebody else owns, numbers in big-endian order, and the names that keys may have. */
#ifndef DV_VAULT_BYTES_H
#define DV_VAULT_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The sizes of AES-256-GCM, and the most that is sealed at once. */
enum { DV_KEY_BYTES = 32, DV_NONCE_BYTES = 12, DV_TAG_BYTES = 16, DV_SEAL_MAX = 16 * 1024 * 1024 };

/* `length` bytes at `at`, which may be NULL if `length` is 0. Owns nothing; not NUL-terminated. */
struct dv_bytes {
    const uint8_t *at;
    size_t length;
};

/* The bytes of a NUL-terminated text, without the NUL. */
static inline struct dv_bytes dv_bytes_text(const char *text)
{
    return (struct dv_bytes){ (const uint8_t *)text, strlen(text) };
}

/* Whether two runs are the same. Not in constant time: for names and references, never for secrets. */
static inline bool dv_bytes_equal(struct dv_bytes a, struct dv_bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* Copies `length` bytes to `to` and gives back the place behind them. */
static inline uint8_t *dv_bytes_put(uint8_t *to, const void *from, size_t length)
{
    if (length != 0)
        memcpy(to, from, length);
    return to + length;
}

/* Writes a number in big-endian order and gives back the place behind it. */
static inline uint8_t *dv_bytes_put32(uint8_t *to, uint32_t value)
{
    uint32_t swapped = htobe32(value);
    return dv_bytes_put(to, &swapped, sizeof swapped);
}

/* The same with 8 bytes. */
static inline uint8_t *dv_bytes_put64(uint8_t *to, uint64_t value)
{
    uint64_t swapped = htobe64(value);
    return dv_bytes_put(to, &swapped, sizeof swapped);
}

/* Writes one length byte and then the bytes, of which there are at most 255, so that fields cannot slide into each
 * other. */
static inline uint8_t *dv_bytes_put_counted(uint8_t *to, struct dv_bytes bytes)
{
    *to = (uint8_t)bytes.length;
    return dv_bytes_put(to + 1, bytes.at, bytes.length);
}

/* Reads 4 or 8 bytes in big-endian order. */
static inline uint32_t dv_bytes_get32(const uint8_t *at)
{
    uint32_t value = 0;
    memcpy(&value, at, sizeof value);
    return be32toh(value);
}

/* The same with 8 bytes. */
static inline uint64_t dv_bytes_get64(const uint8_t *at)
{
    uint64_t value = 0;
    memcpy(&value, at, sizeof value);
    return be64toh(value);
}

/* Whether `bytes` is [A-Za-z0-9_.-]{1,max}: safe in paths, logs, metrics and SQL. */
bool dv_bytes_is_name(struct dv_bytes bytes, size_t max);

/* The same with '/' allowed too, as key references have it. */
bool dv_bytes_is_path(struct dv_bytes bytes, size_t max);

#endif
