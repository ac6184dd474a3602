/* SPDX-License-Identifier: Apache-2.0
 * limit_scan.c - finds SSNs, e-mail addresses and phone numbers in two stages: a bitmap of candidates, then proof. */
#include "limit.h"

#if defined(LIMIT_SIMD)
#include <immintrin.h>
#endif

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static bool is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static bool is_word(char c)
{
    return is_digit(c) || is_letter(c) || c == '_';
}

static bool is_separator(char c)
{
    return c == ' ' || c == '.' || c == '-';
}

static bool is_domain(char c)
{
    return is_digit(c) || is_letter(c) || c == '.' || c == '-';
}

static bool is_local(char c)
{
    return is_domain(c) || c == '_' || c == '%' || c == '+';
}

static bool are_digits(const char *in, int count)
{
    bool all = true;
    for (int i = 0; i < count; i++)
        all &= is_digit(in[i]);
    return all;
}

/* SSN and phone share an end: digit, separator, four digits, word boundary. The caller has seen the four digits. */
static bool ends_number(const char *in, size_t n, size_t end)
{
    return end >= 6 && is_separator(in[end - 5]) && is_digit(in[end - 6]) && (end == n || !is_word(in[end]));
}

size_t limit_collect_plain(struct limit_hit *hits, const char *in, size_t n)
{
    size_t count = 0;
    unsigned run = 0;
    for (size_t i = 0; i < n; i++) {
        run = is_digit(in[i]) ? run + 1 : 0;
        if (in[i] == '@')
            hits[count++] = (struct limit_hit){ .at = (uint32_t)i, .kind = LIMIT_AT };
        else if (run == 4 && ends_number(in, n, i + 1))
            hits[count++] = (struct limit_hit){ .at = (uint32_t)i + 1, .kind = LIMIT_DIGITS };
    }
    return count;
}

#if defined(LIMIT_SIMD)
struct bitmap {
    uint64_t digits, ats;
};

__attribute__((target("avx2"))) static inline struct bitmap bitmap_half(const char *in)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)in);
    __m256i from_zero = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
    __m256i digits = _mm256_cmpeq_epi8(_mm256_min_epu8(from_zero, _mm256_set1_epi8(9)), from_zero);
    __m256i ats = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('@'));
    return (struct bitmap){ (uint32_t)_mm256_movemask_epi8(digits), (uint32_t)_mm256_movemask_epi8(ats) };
}

__attribute__((target("avx2"))) static inline struct bitmap bitmap_of(const char *in, size_t n)
{
    struct bitmap low = bitmap_half(in), high = bitmap_half(in + 32);
    uint64_t inside = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
    return (struct bitmap){ (low.digits | high.digits << 32) & inside, (low.ats | high.ats << 32) & inside };
}

/* Bits where a run of at least four digits ends so far; `before` is the bitmap of the 64 bytes ahead of these. */
static inline uint64_t fourth_digits(uint64_t digits, uint64_t before)
{
    uint64_t two = digits & (digits << 1 | before >> 63);
    uint64_t two_before = before & before << 1;
    return two & (two << 2 | two_before >> 62);
}

static size_t collect_bits(struct limit_hit *hits, const char *in, size_t n, size_t base, struct bitmap bits)
{
    size_t count = 0;
    for (uint64_t any = bits.digits | bits.ats; any != 0; any &= any - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(any);
        uint32_t at = (uint32_t)(base + bit);
        if (bits.ats >> bit & 1)
            hits[count++] = (struct limit_hit){ .at = at, .kind = LIMIT_AT };
        else if (ends_number(in, n, at + 1))
            hits[count++] = (struct limit_hit){ .at = at + 1, .kind = LIMIT_DIGITS };
    }
    return count;
}

__attribute__((target("avx2"))) static size_t collect_avx2(struct limit_hit *hits, const char *in, size_t n)
{
    size_t count = 0;
    uint64_t before = 0;
    for (size_t base = 0; base < n; base += 64) {
        struct bitmap bits = bitmap_of(in + base, n - base);
        uint64_t digits = bits.digits;
        bits.digits = fourth_digits(digits, before);
        before = digits;
        if (__builtin_expect((bits.digits | bits.ats) != 0, 0))
            count += collect_bits(hits + count, in, n, base, bits);
    }
    return count;
}
#endif

limit_collect limit_collect_choose(void)
{
#if defined(LIMIT_SIMD)
    if (__builtin_cpu_supports("avx2"))
        return collect_avx2;
#endif
    return limit_collect_plain;
}

/* \b\d{3}-\d{2}-\d{4}\b, known to end at `hit->at`. */
static void prove_ssn(struct limit_hit *hit, const char *in)
{
    if (hit->at < 11)
        return;
    const char *ssn = in + hit->at - 11;
    if (!are_digits(ssn, 3) || ssn[3] != '-' || !are_digits(ssn + 4, 2) || ssn[6] != '-' || (ssn != in && is_word(ssn[-1])))
        return;
    hit->begin = hit->at - 11;
    hit->end = hit->at;
    hit->kind = LIMIT_SSN;
}

/* The greedy end of [A-Za-z0-9.-]+\.[A-Za-z]{2,} from `from`, or 0: the last dot of the run that two letters follow. */
static uint32_t domain_end(const char *in, uint32_t from, uint32_t ceiling)
{
    uint32_t run = from;
    while (run < ceiling && is_domain(in[run]))
        run++;
    for (uint32_t dot = run; dot-- > from + 1;) {
        if (in[dot] != '.' || dot + 2 >= run || !is_letter(in[dot + 1]) || !is_letter(in[dot + 2]))
            continue;
        uint32_t end = dot + 3;
        while (end < run && is_letter(in[end]))
            end++;
        return end;
    }
    return 0;
}

static void prove_email(struct limit_hit *hit, const char *in, uint32_t floor, uint32_t ceiling)
{
    uint32_t begin = hit->at;
    while (begin > floor && is_local(in[begin - 1]))
        begin--;
    uint32_t end = begin < hit->at ? domain_end(in, hit->at + 1, ceiling) : 0;
    if (end == 0)
        return;
    hit->begin = begin;
    hit->end = end;
    hit->kind = LIMIT_EMAIL;
}

/* (?:\+?1[ .-]?)? read from the right, ending at `begin`. */
static int64_t prefix_begin(const char *in, int64_t floor, int64_t begin)
{
    int64_t one = begin - 1;
    if (one > floor && is_separator(in[one]))
        one--;
    if (one < floor || in[one] != '1')
        return begin;
    return one > floor && in[one - 1] == '+' ? one - 1 : one;
}

/* (?:\+?1[ .-]?)?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b, known to end at `hit->at`: its leftmost begin is the match. */
static void prove_phone(struct limit_hit *hit, const char *in, int64_t floor)
{
    int64_t area_end = (int64_t)hit->at - 9;
    if (area_end - 3 < floor || !is_separator(in[area_end]) || !are_digits(in + area_end + 1, 3))
        return;
    if (in[area_end - 1] == ')')
        area_end--;
    if (area_end - 3 < floor || !are_digits(in + area_end - 3, 3))
        return;
    int64_t begin = area_end - 3;
    if (begin > floor && in[begin - 1] == '(')
        begin--;
    hit->begin = (uint32_t)prefix_begin(in, floor, begin);
    hit->end = hit->at;
    hit->kind = LIMIT_PHONE;
}

/* An e-mail address may begin after what was found before it, and must end before the next SSN. */
static void prove_emails(struct limit_hit *hits, size_t count, const char *in, uint32_t n)
{
    uint32_t floor = 0;
    for (size_t i = 0, next = 0; i < count; i++) {
        for (next = next < i ? i : next; next < count && hits[next].kind != LIMIT_SSN;)
            next++;
        if (hits[i].kind == LIMIT_AT && hits[i].at >= floor)
            prove_email(&hits[i], in, floor, next < count ? hits[next].begin : n);
        if (hits[i].kind == LIMIT_SSN || hits[i].kind == LIMIT_EMAIL)
            floor = hits[i].end;
    }
}

/* A phone number fills a gap between the SSNs and e-mail addresses. */
static void prove_phones(struct limit_hit *hits, size_t count, const char *in, uint32_t n)
{
    uint32_t floor = 0;
    for (size_t i = 0, next = 0; i < count; i++) {
        for (next = next < i ? i : next; next < count && hits[next].kind != LIMIT_SSN && hits[next].kind != LIMIT_EMAIL;)
            next++;
        uint32_t ceiling = next < count ? hits[next].begin : n;
        if (hits[i].kind == LIMIT_DIGITS && hits[i].at <= ceiling)
            prove_phone(&hits[i], in, floor);
        if (hits[i].kind >= LIMIT_SSN)
            floor = hits[i].end;
    }
}

void limit_scan_prove(struct limit_hit *hits, size_t count, const char *in, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (hits[i].kind == LIMIT_DIGITS)
            prove_ssn(&hits[i], in);
    prove_emails(hits, count, in, (uint32_t)n);
    prove_phones(hits, count, in, (uint32_t)n);
}
