/* SPDX-License-Identifier: Apache-2.0
 * detect_email.c - e-mail addresses around an '@': a local part, and a domain that ends in two letters or more.
 *
 * Bytes of other scripts count as letters (RFC 6531). Each byte is looked at once for the '@' before it and once for
 * the one behind it, so a text full of '@' costs no more than any other. */
#include "privacy/detect_rows.h"

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
    if (dv_byte(candidate, at) >= 0x80)
        while (dv_byte(candidate, at) >= 0x80)
            at++;
    else
        while (dv_is_letter(dv_byte(candidate, at)))
            at++;
    return at;
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

/* An apostrophe belongs to a name only inside of it: o'brien@, but not 'obrien@'. */
static uint32_t local_start(const struct dv_candidate *candidate)
{
    uint32_t start = candidate->at;
    while (start > 0 && is_local_byte(candidate->text[start - 1]))
        start--;
    while (start < candidate->at && candidate->text[start] == '\'')
        start++;
    return start;
}

bool dv_verify_email(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t limit = candidate->at + 1;
    while (is_domain_byte(dv_byte(candidate, limit)))
        limit++;
    uint32_t end = domain_end(candidate, candidate->at + 1, limit);
    if (end == 0)
        return false;
    uint32_t start = local_start(candidate);
    return start < candidate->at && dv_span_fill(span, start, end, 950, "local part, @ and domain");
}
