/* SPDX-License-Identifier: Apache-2.0
 * base64.c - three bytes to four characters and back. */
#include "engine/base64.h"

#include <stdint.h>

#include "engine/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_four(char *out, uint32_t bits)
{
    out[0] = alphabet[bits >> 18 & 63];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = alphabet[bits >> 6 & 63];
    out[3] = alphabet[bits & 63];
}

size_t dv_base64_encode(char *out, const void *bytes, size_t length)
{
    DV_ASSERT(out != NULL && (bytes != NULL || length == 0));
    const uint8_t *from = bytes;
    char *at = out;
    for (; length >= 3; from += 3, length -= 3, at += 4)
        put_four(at, (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2]);
    if (length > 0) {
        put_four(at, (uint32_t)from[0] << 16 | (length > 1 ? (uint32_t)from[1] << 8 : 0));
        at[3] = '=';
        if (length == 1)
            at[2] = '=';
        at += 4;
    }
    return (size_t)(at - out);
}

static int value_of(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

/* The bits of the first `count` of four characters; false if one is foreign. */
static bool read_four(const char *text, unsigned count, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        int value = i < count ? value_of(text[i]) : 0;
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
    }
    *ret_bits = bits;
    return true;
}

bool dv_base64_decode(void *out, size_t *ret_length, const char *text, size_t length)
{
    DV_ASSERT(ret_length != NULL);
    if (length % 4 != 0)
        return false;
    uint8_t *at = out;
    for (size_t i = 0; i < length; i += 4) {
        bool last = i + 4 == length;
        unsigned padding = !last || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
        uint32_t bits = 0;
        if (!read_four(text + i, 4 - padding, &bits) || (bits & ((1u << (8 * padding)) - 1)) != 0)
            return false;
        for (unsigned byte = 0; byte < 3 - padding; byte++)
            *at++ = (uint8_t)(bits >> (16 - 8 * byte));
    }
    *ret_length = (size_t)(at - (uint8_t *)out);
    return true;
}
