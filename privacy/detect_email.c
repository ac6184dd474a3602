/* SPDX-License-Identifier: Apache-2.0
 * detect_email.c - e-mail addresses around an '@': a local part, and a domain that ends in two letters or more.
 *
 * Bytes of other scripts count as letters (RFC 6531). RFC 5321 allows 64 bytes before the '@' and 255 behind it; four
 * times as many are taken before it. Each byte is looked at once for the '@' before it and once for the one behind it, so
 * a text full of '@' costs no more than any other. */
#include "privacy/detect_rows.h"

enum { LOCAL_MAX = 256, DOMAIN_MAX = 255, LABEL_MAX = 63 };

static bool is_domain_byte(unsigned char byte)
{
    return dv_is_alnum(byte) || byte == '-' || byte == '.' || byte >= 0x80;
}

static bool is_local_byte(unsigned char byte)
{
    return is_domain_byte(byte) || byte == '_' || byte == '%' || byte == '+' || byte == '\'';
}

/* A top-level label is ASCII or of another script throughout, so that it ends where the script changes. */
static uint32_t label_end(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t end = at;
    if (dv_byte(candidate, at) >= 0x80)
        while (end - at < DOMAIN_MAX && dv_byte(candidate, end) >= 0x80)
            end++;
    else
        while (end - at < LABEL_MAX && dv_is_letter(dv_byte(candidate, end)))
            end++;
    return end;
}

/* The end of the longest domain in start..limit, or 0: behind its last dot stand two letters or more. */
static uint32_t domain_end(const struct dv_candidate *candidate, uint32_t start, uint32_t limit)
{
    for (uint32_t dot = limit; dot-- > start + 1;) {
        if (candidate->text[dot] != '.')
            continue;
        uint32_t end = label_end(candidate, dot + 1);
        if (end - dot > 2)
            return end;
    }
    return 0;
}

/* Where a character begins that `at` may be inside of. */
static uint32_t whole_character(const struct dv_candidate *candidate, uint32_t at)
{
    for (uint32_t i = 0; i < 3 && at < candidate->at && (candidate->text[at] & 0xC0) == 0x80; i++)
        at++;
    return at;
}

/* An apostrophe belongs to a name only inside of it: o'brien@, but not 'obrien@'. */
uint32_t dv_reach_email(const struct dv_candidate *candidate)
{
    uint32_t start = candidate->at;
    while (candidate->at - start < LOCAL_MAX && is_local_byte(dv_byte_before(candidate, start, 1)))
        start--;
    if (candidate->at - start == LOCAL_MAX)
        start = whole_character(candidate, start);
    while (start < candidate->at && candidate->text[start] == '\'')
        start++;
    return start;
}

bool dv_verify_email(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t start = dv_reach_email(candidate);
    uint32_t limit = candidate->at + 1;
    if (start == candidate->at)
        return false;
    while (limit - candidate->at <= DOMAIN_MAX && is_domain_byte(dv_byte(candidate, limit)))
        limit++;
    uint32_t end = domain_end(candidate, candidate->at + 1, limit);
    return end != 0 && dv_span_fill(span, start, end, 950, "local part, @ and domain");
}
