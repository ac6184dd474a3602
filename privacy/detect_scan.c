/* SPDX-License-Identifier: Apache-2.0
 * detect_scan.c - the prefilter: one bit a byte for digits, and one for '@', ':' and '.'.
 *
 * A ':' or '.' before a blank or the end, as in any sentence, is no mark; at the end of a block of 64 it stays one. */
#include <immintrin.h>
#include <string.h>

#include "privacy/detect_rows.h"

/* Whether byte `i` of a block of `bytes` is a mark. */
static bool is_mark(const unsigned char *block, size_t i, size_t bytes)
{
    if (block[i] != ':' && block[i] != '.')
        return block[i] == '@';
    return i == 63 || (i + 1 < bytes && block[i + 1] > ' ');
}

void dv_detect_scan_plain(const unsigned char *text, size_t length, uint64_t *digits, uint64_t *marks)
{
    for (size_t at = 0; at < length; at += 64) {
        size_t bytes = length - at < 64 ? length - at : 64;
        uint64_t digit = 0;
        uint64_t mark = 0;
        for (size_t i = 0; i < bytes; i++) {
            digit |= (uint64_t)dv_is_digit(text[at + i]) << i;
            mark |= (uint64_t)is_mark(text + at, i, bytes) << i;
        }
        *digits++ = digit;
        *marks++ = mark;
    }
}

bool dv_detect_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline uint32_t digit_bits(__m256i bytes)
{
    __m256i offset = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
    __m256i capped = _mm256_min_epu8(offset, _mm256_set1_epi8(9));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(offset, capped));
}

AVX2 static inline uint32_t equal_bits(__m256i bytes, char byte)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte)));
}

AVX2 static inline uint32_t joint_bits(__m256i bytes)
{
    __m256i colon = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(':'));
    __m256i dot = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('.'));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(colon, dot));
}

AVX2 static inline uint32_t blank_bits(__m256i bytes)
{
    __m256i capped = _mm256_min_epu8(bytes, _mm256_set1_epi8(' '));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, capped));
}

AVX2 static inline void scan_block(const unsigned char *text, uint64_t *digits, uint64_t *marks)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)text);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(text + 32));
    uint64_t joints = joint_bits(low) | (uint64_t)joint_bits(high) << 32;
    uint64_t blanks = blank_bits(low) | (uint64_t)blank_bits(high) << 32;
    uint64_t ats = equal_bits(low, '@') | (uint64_t)equal_bits(high, '@') << 32;
    *digits = digit_bits(low) | (uint64_t)digit_bits(high) << 32;
    *marks = ats | (joints & ~(blanks >> 1));
}

AVX2 void dv_detect_scan_avx2(const unsigned char *text, size_t length, uint64_t *digits, uint64_t *marks)
{
    size_t at = 0;
    for (; length - at >= 64; at += 64)
        scan_block(text + at, digits++, marks++);
    if (at == length)
        return;
    unsigned char tail[64] = { 0 };
    memcpy(tail, text + at, length - at);
    scan_block(tail, digits, marks);
}
