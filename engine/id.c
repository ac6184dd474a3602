/* SPDX-License-Identifier: Apache-2.0
 * id.c - record ids and the hash under them. */
#include "engine/id.h"

#include <endian.h>
#include <string.h>

#include "engine/error.h"

static const uint64_t secret[4] = { 0x2d358dccaa6c78a5u, 0x8bb84b93962eacc9u, 0x4b33a62ed433d4a3u,
                                    0x4d5a2da51de1aa47u };

/* Little-endian whatever the machine, so that ids made on one are met again on another. */
static uint64_t read_le(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static void multiply(uint64_t *a, uint64_t *b)
{
    unsigned __int128 product = (unsigned __int128)*a * *b;
    *a = (uint64_t)product;
    *b = (uint64_t)(product >> 64);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    multiply(&a, &b);
    return a ^ b;
}

/* The 16 bytes that stand for an input of at most 16, overlapping where it is shorter. */
static void read_short(const uint8_t *at, size_t length, uint64_t *ret_a, uint64_t *ret_b)
{
    *ret_a = 0;
    *ret_b = 0;
    if (length >= 4) {
        size_t step = (length >> 3) << 2;
        *ret_a = read_le(at, 4) << 32 | read_le(at + step, 4);
        *ret_b = read_le(at + length - 4, 4) << 32 | read_le(at + length - 4 - step, 4);
    } else if (length > 0) {
        *ret_a = (uint64_t)at[0] << 16 | (uint64_t)at[length >> 1] << 8 | at[length - 1];
    }
}

/* Folds 48 bytes at a time in three lanes, and moves *at and *left behind them. */
static uint64_t fold_long(const uint8_t **at, size_t *left, uint64_t seed)
{
    uint64_t second = seed;
    uint64_t third = seed;
    for (; *left >= 48; *at += 48, *left -= 48) {
        seed = mix(read_le(*at, 8) ^ secret[1], read_le(*at + 8, 8) ^ seed);
        second = mix(read_le(*at + 16, 8) ^ secret[2], read_le(*at + 24, 8) ^ second);
        third = mix(read_le(*at + 32, 8) ^ secret[3], read_le(*at + 40, 8) ^ third);
    }
    return seed ^ second ^ third;
}

uint64_t dv_hash64(const void *data, size_t length, uint64_t seed)
{
    DV_ASSERT(data != NULL || length == 0);
    const uint8_t *at = data;
    uint64_t a = 0;
    uint64_t b = 0;
    seed ^= mix(seed ^ secret[0], secret[1]);
    if (length <= 16) {
        read_short(at, length, &a, &b);
    } else {
        size_t left = length;
        if (left >= 48)
            seed = fold_long(&at, &left, seed);
        for (; left > 16; at += 16, left -= 16)
            seed = mix(read_le(at, 8) ^ secret[1], read_le(at + 8, 8) ^ seed);
        a = read_le(at + left - 16, 8);
        b = read_le(at + left - 8, 8);
    }
    a ^= secret[1];
    b ^= seed;
    multiply(&a, &b);
    return mix(a ^ secret[0] ^ length, b ^ secret[1]);
}

static void put_be(uint8_t *at, uint64_t value)
{
    uint64_t swapped = htobe64(value);
    memcpy(at, &swapped, sizeof swapped);
}

void dv_id_make(uint8_t id[DV_UUID_BYTES], uint64_t order, uint32_t minor, uint64_t source_hash)
{
    DV_ASSERT(id != NULL);
    uint64_t tail = mix(mix(order ^ secret[0], source_hash ^ secret[1]) ^ minor, secret[2] ^ source_hash);
    put_be(id, order << 16 | 0x8000u | (minor & 0x0fffu));
    put_be(id + 8, (tail & 0x3fffffffffffffffu) | 0x8000000000000000u);
}

static bool dash_at(size_t position)
{
    return position == 8 || position == 13 || position == 18 || position == 23;
}

const char *dv_id_text(char out[DV_UUID_TEXT], const uint8_t id[DV_UUID_BYTES])
{
    DV_ASSERT(out != NULL && id != NULL);
    char *at = out;
    for (size_t i = 0; i < DV_UUID_BYTES; i++) {
        if (dash_at((size_t)(at - out)))
            *at++ = '-';
        *at++ = "0123456789abcdef"[id[i] >> 4];
        *at++ = "0123456789abcdef"[id[i] & 15];
    }
    *at = '\0';
    return out;
}

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    int lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool dv_id_parse(const char *text, size_t length, uint8_t id[DV_UUID_BYTES])
{
    DV_ASSERT(id != NULL);
    if (length != DV_UUID_TEXT - 1)
        return false;
    uint8_t parsed[DV_UUID_BYTES] = { 0 };
    size_t digits = 0;
    for (size_t i = 0; i < length; i++) {
        if (dash_at(i)) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int digit = digit_of(text[i]);
        if (digit < 0)
            return false;
        parsed[digits / 2] = (uint8_t)(parsed[digits / 2] << 4 | digit);
        digits++;
    }
    memcpy(id, parsed, sizeof parsed);
    return true;
}
