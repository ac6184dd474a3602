/* SPDX-License-Identifier: Apache-2.0
 * glance.c - classes of bytes by two looks into tables of sixteen, for 32 bytes at once; what stands where, by the bits of 64. */
#include "privacy/glance.h"

#include <immintrin.h>
#include <string.h>

#include "privacy/base64_run.h"
#include "privacy/detect_rows.h"
#include "privacy/fold.h"

enum { BLOCK = 64, HALF = 32, AHEAD = 2, PARTS = 8 };

const uint8_t dv_seen_of[256] = {
    ['%'] = DV_SEEN_ESCAPES, ['&'] = DV_SEEN_ESCAPES,  ['\\'] = DV_SEEN_ESCAPES, ['+'] = DV_SEEN_ESCAPES,
    ['{'] = DV_SEEN_OPENS,   ['['] = DV_SEEN_OPENS,    ['<'] = DV_SEEN_OPENS,    ['='] = DV_SEEN_OPENS | DV_SEEN_ESCAPES,
    [':'] = DV_SEEN_OPENS,   ['('] = DV_SEEN_OPENS,    [','] = DV_SEEN_MARKS,    [';'] = DV_SEEN_MARKS,
    ['\t'] = DV_SEEN_MARKS,  ['\n'] = DV_SEEN_LINES, ['\r'] = DV_SEEN_LINES, ['|'] = DV_SEEN_MARKS | DV_SEEN_SEGMENTS,
    ['^'] = DV_SEEN_SEGMENTS, ['*'] = DV_SEEN_SEGMENTS, ['~'] = DV_SEEN_SEGMENTS, ['\v'] = DV_SEEN_SEGMENTS,
};

uint32_t dv_glance_all(const struct dv_glance *glance, const unsigned char *text, size_t length, size_t start, size_t bytes,
                       uint64_t *digits, uint64_t *marks)
{
    (void)glance;
    (void)length;
    dv_detect_scan_plain(text + start, bytes, digits, marks);
    return DV_SEEN_ALL;
}

uint32_t dv_glance_plain(const struct dv_glance *glance, const unsigned char *text, size_t length, size_t start, size_t bytes,
                         uint64_t *digits, uint64_t *marks)
{
    uint32_t seen = DV_SEEN_SIGNS | DV_SEEN_WORDS | DV_SEEN_RUNS;
    unsigned char high = 0;
    (void)glance;
    (void)length;
    dv_detect_scan_plain(text + start, bytes, digits, marks);
    for (size_t at = start; at < start + bytes; at++) {
        seen |= dv_seen_of[text[at]];
        high |= text[at];
    }
    return seen | (high >= 0x80 ? DV_SEEN_HIGH : 0);
}

struct dv_glance dv_glance_here(const struct dv_fold_begins *begins)
{
    return (struct dv_glance){ .look = dv_detect_has_avx2() ? dv_glance_avx2 : dv_glance_plain, .begins = begins };
}

/* What each bit of the first two tables shows. */
static const uint8_t shown[2 * PARTS] = {
    DV_SEEN_ESCAPES, DV_SEEN_ESCAPES | DV_SEEN_OPENS,  DV_SEEN_ESCAPES, DV_SEEN_OPENS,    DV_SEEN_OPENS,    DV_SEEN_OPENS, DV_SEEN_MARKS, DV_SEEN_MARKS,
    DV_SEEN_MARKS,   DV_SEEN_MARKS | DV_SEEN_SEGMENTS, DV_SEEN_LINES,   DV_SEEN_SEGMENTS, DV_SEEN_SEGMENTS, DV_SEEN_SEGMENTS,
};

/* Eight sets of bytes, a bit each: a byte is in one if the rows of both its halves say so. Rows stand twice, once for each half of
 * a vector. */
struct sets {
    _Alignas(32) unsigned char high[32], low[32];
};

#define ROW(...) { __VA_ARGS__, __VA_ARGS__ }

/* Bits 0 to 7: "% & +", "=", "\\", "(", ": <", "[ {", tab, ",". */
static const struct sets first_sets = {
    .high = ROW(0x40, 0, 0x89, 0x12, 0, 0x24, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0),
    .low = ROW(0, 0, 0, 0, 0, 0x01, 0x01, 0, 0x08, 0x40, 0x10, 0x21, 0x94, 0x02, 0, 0),
};

/* ";", "|", line end, vertical tab, "*", "^ ~". */
static const struct sets second_sets = {
    .high = ROW(0x0C, 0, 0x10, 0x01, 0, 0x20, 0, 0x22, 0, 0, 0, 0, 0, 0, 0, 0),
    .low = ROW(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0x09, 0x02, 0x04, 0x20, 0),
};

/* The first three bytes of signs: "dot", "rro", "oba", "pun", "at)", "t )", "AT ", " . "; the brackets are any of these, and sets
 * of two halves hold some more bytes. */
static const struct sets sign_sets[3] = {
    { .high = ROW(0, 0, 0x80, 0, 0x55, 0xAA, 0x15, 0x2A, 0, 0, 0, 0, 0, 0, 0, 0),
      .low = ROW(0x88, 0x50, 0x02, 0, 0x21, 0, 0, 0, 0x80, 0, 0, 0x80, 0, 0, 0, 0x04) },
    { .high = ROW(0, 0, 0xA0, 0, 0x85, 0x5A, 0x05, 0x1A, 0, 0, 0, 0, 0, 0, 0, 0),
      .low = ROW(0xA0, 0, 0x06, 0, 0x50, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x01) },
    { .high = ROW(0, 0, 0xF0, 0, 0x0E, 0xB1, 0x0E, 0x31, 0, 0, 0, 0, 0, 0, 0, 0),
      .low = ROW(0xC0, 0x04, 0, 0, 0x01, 0, 0, 0, 0, 0xB0, 0, 0, 0, 0xB0, 0x08, 0x02) },
};

#define AVX2 __attribute__((target("avx2")))

/* A bit for each of 64 bytes. */
struct bits {
    uint64_t digits, ats, joints, low, blanks, letters, high;
};

/* What was seen so far; and of the last block its words and blanks, and how long it has had none at its end. */
struct sight {
    __m256i first, second, signs;
    uint64_t high, words, blanks, spaced, runs;
    uint32_t run;
    bool said;
};

/* The text, and where in it the block is that is looked at. */
struct place {
    const struct dv_fold_begins *begins;
    const unsigned char *text;
    size_t length, at;
};

AVX2 static inline __m256i load(const unsigned char *bytes)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)bytes);
}

/* The sets that each byte is in. */
AVX2 static inline __m256i sets_of(const struct sets *sets, __m256i bytes)
{
    const __m256i half = _mm256_set1_epi8(15);
    __m256i low = _mm256_shuffle_epi8(load(sets->low), _mm256_and_si256(bytes, half));
    __m256i high = _mm256_shuffle_epi8(load(sets->high), _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
    return _mm256_and_si256(low, high);
}

AVX2 static inline uint64_t bits_of(__m256i bytes)
{
    return (uint32_t)_mm256_movemask_epi8(bytes);
}

AVX2 static inline __m256i equal(__m256i bytes, char byte)
{
    return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte));
}

/* Which bytes are at most so far above the first. */
AVX2 static inline __m256i within(__m256i bytes, char first, char above)
{
    __m256i offset = _mm256_sub_epi8(bytes, _mm256_set1_epi8(first));
    return _mm256_cmpeq_epi8(offset, _mm256_min_epu8(offset, _mm256_set1_epi8(above)));
}

/* Looks at 32 bytes, with two more behind; `shift`: where their bits go. */
AVX2 static inline void look(struct sight *sight, struct bits *bits, const unsigned char *text, uint32_t shift)
{
    __m256i bytes = load(text);
    __m256i signs = _mm256_and_si256(sets_of(&sign_sets[0], bytes), sets_of(&sign_sets[1], load(text + 1)));
    sight->signs = _mm256_or_si256(sight->signs, _mm256_and_si256(signs, sets_of(&sign_sets[2], load(text + 2))));
    sight->first = _mm256_or_si256(sight->first, sets_of(&first_sets, bytes));
    sight->second = _mm256_or_si256(sight->second, sets_of(&second_sets, bytes));
    bits->digits |= bits_of(within(bytes, '0', 9)) << shift;
    bits->ats |= bits_of(equal(bytes, '@')) << shift;
    bits->joints |= bits_of(_mm256_or_si256(equal(bytes, ':'), equal(bytes, '.'))) << shift;
    bits->low |= bits_of(within(bytes, 0, ' ')) << shift;
    bits->blanks |= bits_of(equal(bytes, ' ')) << shift;
    bits->letters |= bits_of(within(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), 'a', 25)) << shift;
    bits->high |= bits_of(bytes) << shift;
}

/* The bits `back` bytes before each byte. */
static inline uint64_t before(uint64_t bits, uint64_t last, uint32_t back)
{
    return bits << back | last >> (BLOCK - back);
}

/* Single characters with blanks around them, and bytes without any. */
static inline void take_blanks(struct sight *sight, uint64_t blanks)
{
    uint64_t last = sight->blanks, run = ~blanks;
    sight->spaced |= blanks & before(blanks, last, 2) & before(blanks, last, 4) & before(blanks, last, 6) &
                     ~(before(blanks, last, 3) | before(blanks, last, 5));
    run &= run >> 1;
    run &= run >> 2;
    run &= run >> 4;
    sight->runs |= run & run >> 8 & run >> 16;
    uint32_t leading = blanks != 0 ? (uint32_t)__builtin_ctzll(blanks) : BLOCK;
    sight->runs |= sight->run + leading >= DV_BASE64_RUN_MIN;
    sight->run = blanks != 0 ? (uint32_t)__builtin_clzll(blanks) : sight->run + BLOCK;
    sight->blanks = blanks;
}

_Static_assert(DV_BASE64_RUN_MIN == 24 && BLOCK > 2 * DV_BASE64_RUN_MIN, "a run is three times eight bits of a block");

/* Where dv_fold_says_digits() looks for a word that stands around or right before byte `at` of the block: at most WORD bytes
 * before, else at the next letter. */
static inline int32_t word_at(const struct bits *bits, uint64_t words, uint64_t last, uint32_t at)
{
    uint64_t below = words << (BLOCK - at) | last >> at;
    int32_t back = __builtin_clzll(~below | UINT64_C(1) << (BLOCK - 1 - DV_FOLD_WORD));
    int32_t ahead = __builtin_ctzll(bits->letters >> at | 1u << DV_FOLD_GAP);
    return (int32_t)at + (back != 0 ? -back : ahead);
}

/* Whether words at some place of the block say digits. */
static inline bool says_digits(const struct place *place, const struct bits *bits, uint64_t words, uint64_t last)
{
    for (uint32_t at = DV_FOLD_STRIDE / 2; at < BLOCK && place->at + at < place->length; at += DV_FOLD_STRIDE) {
        size_t word = place->at + (size_t)word_at(bits, words, last, at);
        if (word < place->length && dv_fold_may_say(place->begins, place->text + word, place->length - word) &&
            dv_fold_says_digits(place->begins, place->text, place->length, place->at + at))
            return true;
    }
    return false;
}

/* Takes in what is known of a block. */
static inline void take(struct sight *sight, const struct place *place, const struct bits *bits, uint64_t *digits, uint64_t *marks)
{
    uint64_t words = bits->letters | bits->high;
    *digits = bits->digits;
    *marks = bits->ats | (bits->joints & ~(bits->low >> 1));
    take_blanks(sight, bits->blanks);
    sight->high |= bits->high;
    sight->said = sight->said || says_digits(place, bits, words, sight->words);
    sight->words = words;
}

AVX2 static inline uint8_t any_of(__m256i bytes)
{
    uint64_t words[4];
    _mm256_storeu_si256((__m256i *)(void *)words, bytes);
    uint64_t all = words[0] | words[1] | words[2] | words[3];
    all |= all >> 32;
    all |= all >> 16;
    return (uint8_t)(all | all >> 8);
}

AVX2 static inline uint32_t tell(const struct sight *sight)
{
    uint32_t seen = sight->high != 0 ? DV_SEEN_HIGH : 0;
    uint32_t sets = any_of(sight->first) | (uint32_t)any_of(sight->second) << PARTS;
    for (; sets != 0; sets &= sets - 1)
        seen |= shown[__builtin_ctz(sets)];
    bool signs = sight->spaced != 0 || !_mm256_testz_si256(sight->signs, sight->signs);
    return seen | (signs ? DV_SEEN_SIGNS : 0) | (sight->said ? DV_SEEN_WORDS : 0) | (sight->runs != 0 ? DV_SEEN_RUNS : 0);
}

/* Looks at the `left` < BLOCK + AHEAD bytes that are left of the window, in a copy that goes on. */
AVX2 static inline void look_at_tail(struct sight *sight, struct place *place, size_t left, uint64_t *digits, uint64_t *marks)
{
    unsigned char tail[2 * BLOCK + AHEAD] = { 0 };
    memcpy(tail, place->text + place->at, left);
    for (size_t at = 0; at < left; at += BLOCK, place->at += BLOCK) {
        struct bits bits = { .blanks = left - at < BLOCK ? ~UINT64_C(0) << (left - at) : 0 };
        look(sight, &bits, tail + at, 0);
        if (left - at > HALF)
            look(sight, &bits, tail + at + HALF, HALF);
        take(sight, place, &bits, digits++, marks++);
    }
}

AVX2 uint32_t dv_glance_avx2(const struct dv_glance *glance, const unsigned char *text, size_t length, size_t start, size_t bytes,
                             uint64_t *digits, uint64_t *marks)
{
    const __m256i none = _mm256_setzero_si256();
    struct sight sight = { .first = none, .second = none, .signs = none };
    struct place place = { .begins = glance->begins, .text = text, .length = length, .at = start };
    const size_t end = start + bytes;
    for (; end - place.at >= BLOCK + AHEAD; place.at += BLOCK) {
        struct bits bits = { 0 };
        look(&sight, &bits, text + place.at, 0);
        look(&sight, &bits, text + place.at + HALF, HALF);
        take(&sight, &place, &bits, digits++, marks++);
    }
    look_at_tail(&sight, &place, end - place.at, digits, marks);
    return tell(&sight);
}
