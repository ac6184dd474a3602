/* SPDX-License-Identifier: Apache-2.0
 * base64.c - three bytes to four characters and back. */
#include "engine/base64.h"

#include <stdint.h>

#include "engine/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_four(char *out, uint32_t bits)
{
    out[0] = alphabet[bits >> 18 & 63];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = alphabet[bits >> 6 & 63];
    out[3] = alphabet[bits & 63];
}

#if defined(__x86_64__)
/* 24 bytes as 32 characters: bytes are spread over sextets by two multiplications, and to each sextet is added the
 * distance from its value to its letter (Muła and Lemire, "Faster Base64 Encoding and Decoding Using AVX2
 * Instructions", 2018). Each half is loaded for itself, so that no byte is read but the 24. */
__attribute__((target("avx2"))) static inline void put_block(char *out, const uint8_t *from)
{
    const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, 5, 4, 6, 5, 8, 7, 9, 8,
                                            11, 10, 12, 11, 14, 13, 15, 14);
    const __m256i distance = _mm256_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0, 65, 71,
                                              -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0);
    __m128i first = _mm_loadu_si128((const __m128i *)from);
    __m128i second = _mm_loadu_si128((const __m128i *)(from + 8));
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set_m128i(second, first), spread);
    __m256i high =
        _mm256_mulhi_epu16(_mm256_and_si256(bytes, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
    __m256i low =
        _mm256_mullo_epi16(_mm256_and_si256(bytes, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
    __m256i sextets = _mm256_or_si256(high, low);
    __m256i range = _mm256_subs_epu8(sextets, _mm256_set1_epi8(51));
    range = _mm256_sub_epi8(range, _mm256_cmpgt_epi8(sextets, _mm256_set1_epi8(25)));
    _mm256_storeu_si256((__m256i *)out, _mm256_add_epi8(sextets, _mm256_shuffle_epi8(distance, range)));
}

/* All whole triples of 24 bytes or more; returns how many bytes they are. The last block may repeat some of the one
 * before. */
__attribute__((target("avx2"))) static size_t put_blocks(char *out, const uint8_t *from, size_t length)
{
    size_t whole = length - length % 3;
    if (whole < 24)
        return 0;
    for (size_t done = 0; done < whole - 24; done += 24)
        put_block(out + done / 3 * 4, from + done);
    put_block(out + (whole - 24) / 3 * 4, from + whole - 24);
    return whole;
}
#endif

size_t dv_base64_encode(char *out, const void *bytes, size_t length)
{
    DV_ASSERT(out != NULL && (bytes != NULL || length == 0));
    const uint8_t *from = bytes;
    char *at = out;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        size_t done = put_blocks(at, from, length);
        from += done;
        length -= done;
        at += done / 3 * 4;
    }
#endif
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
