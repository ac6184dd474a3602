/* SPDX-License-Identifier: Apache-2.0
 * limit_text.c - writes base64, hexadecimal digits and the inside of JSON strings. */
#include "limit.h"

#include <string.h>

#if defined(LIMIT_SIMD)
#include <immintrin.h>
#endif

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_digits[] = "0123456789abcdef";

static void base64_triple(char *out, const uint8_t *in)
{
    uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = alphabet[bits >> 6 & 63];
    out[3] = alphabet[bits & 63];
}

size_t limit_base64_plain(char *out, const uint8_t *in, size_t n)
{
    char *start = out;
    for (; n >= 3; n -= 3, in += 3, out += 4)
        base64_triple(out, in);
    if (n > 0) {
        base64_triple(out, (const uint8_t[3]){ in[0], n > 1 ? in[1] : 0, 0 });
        memset(out + n + 1, '=', 3 - n);
        out += 4;
    }
    return (size_t)(out - start);
}

#if defined(LIMIT_SIMD)
/* Spreads 24 bytes over 32 sextets, then adds to each the distance from its value to its letter (Mula and Lemire's way). */
__attribute__((target("avx2"))) static inline __m256i base64_block(const uint8_t *in)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6);
    const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,
                                            1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    const __m256i shift = _mm256_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0,
                                           65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0);
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)in), lanes);
    bytes = _mm256_shuffle_epi8(bytes, spread);
    __m256i high = _mm256_mulhi_epu16(_mm256_and_si256(bytes, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
    __m256i low = _mm256_mullo_epi16(_mm256_and_si256(bytes, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
    __m256i sextets = _mm256_or_si256(high, low);
    __m256i range = _mm256_subs_epu8(sextets, _mm256_set1_epi8(51));
    range = _mm256_sub_epi8(range, _mm256_cmpgt_epi8(sextets, _mm256_set1_epi8(25)));
    return _mm256_add_epi8(sextets, _mm256_shuffle_epi8(shift, range));
}

/* The rest goes through a zeroed block, so that nothing past the input is read. */
__attribute__((target("avx2"))) static size_t base64_avx2(char *out, const uint8_t *in, size_t n)
{
    char *start = out;
    for (; n >= 32; n -= 24, in += 24, out += 32)
        _mm256_storeu_si256((__m256i *)out, base64_block(in));
    uint8_t rest[64] = { 0 };
    memcpy(rest, in, n);
    _mm256_storeu_si256((__m256i *)out, base64_block(rest));
    if (n > 24)
        _mm256_storeu_si256((__m256i *)(out + 32), base64_block(rest + 24));
    out += (n + 2) / 3 * 4;
    memset(out - (3 - n % 3) % 3, '=', (3 - n % 3) % 3);
    return (size_t)(out - start);
}
#endif

limit_base64 limit_base64_choose(void)
{
#if defined(LIMIT_SIMD)
    if (__builtin_cpu_supports("avx2"))
        return base64_avx2;
#endif
    return limit_base64_plain;
}

static char *escape_byte(char *out, unsigned char c)
{
    static const char letters[] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";
    char letter = c < ' ' ? letters[c] : (char)c;
    *out++ = '\\';
    *out++ = letter;
    if (letter != 'u')
        return out;
    memcpy(out, "00", 2);
    out[2] = hex_digits[c >> 4];
    out[3] = hex_digits[c & 15];
    return out + 4;
}

static bool needs_escape(char c)
{
    return (unsigned char)c < ' ' || c == '"' || c == '\\';
}

#if defined(LIMIT_SIMD)
/* Copies 16 bytes; returns how many of them come before the first that needs an escape. */
static inline unsigned copy_clean(char *out, const char *in)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)in);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(31)), bytes);
    unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, slash)));
    _mm_storeu_si128((__m128i *)out, bytes);
    return (unsigned)__builtin_ctz(mask | 1u << 16);
}
#else
static inline unsigned copy_clean(char *out, const char *in)
{
    unsigned n = 0;
    for (; n < 16 && !needs_escape(in[n]); n++)
        out[n] = in[n];
    return n;
}
#endif

char *limit_escape(char *out, const char *in, size_t n)
{
    const char *end = in + n;
    while (in < end) {
        size_t left = (size_t)(end - in), clean = copy_clean(out, in);
        clean = clean < left ? clean : left;
        out += clean;
        in += clean;
        if (in < end && needs_escape(*in))
            out = escape_byte(out, (unsigned char)*in++);
    }
    return out;
}

#if defined(LIMIT_SIMD)
static inline __m128i hex_letters(__m128i nibbles)
{
    __m128i above = _mm_and_si128(_mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9)), _mm_set1_epi8('a' - '0' - 10));
    return _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')), above);
}

static inline void hex_half(char *out, const uint8_t *in)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)in);
    __m128i high = hex_letters(_mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15)));
    __m128i low = hex_letters(_mm_and_si128(bytes, _mm_set1_epi8(15)));
    _mm_storeu_si128((__m128i *)out, _mm_unpacklo_epi8(high, low));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_unpackhi_epi8(high, low));
}
#else
static inline void hex_half(char *out, const uint8_t *in)
{
    for (int i = 0; i < 16; i++) {
        out[2 * i] = hex_digits[in[i] >> 4];
        out[2 * i + 1] = hex_digits[in[i] & 15];
    }
}
#endif

char *limit_hex(char *out, const uint8_t hash[LIMIT_HASH])
{
    hex_half(out, hash);
    hex_half(out + 32, hash + 16);
    return out + 64;
}

char *limit_copy(char *out, const char *in, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        memcpy(out + i, in + i, 16);
    return out + n;
}
