/* SPDX-License-Identifier: Apache-2.0
 * detect_url.c - web addresses: scheme://..., www.... and bare names under common top-level domains. */
#include <string.h>

#include "privacy/detect_rows.h"

enum { SCHEME_MAX = 16, LABEL_MAX = 24, NAME_MAX_BYTES = 253, URL_MIN = 4 };

/* Only those that are no word at the start of a sentence whose space is missing. */
static const char *const top_domains[] = { "com", "org", "net", "edu", "gov",    "mil",      "info", "biz", "io",
                                           "dev", "app", "uk",  "de",  "fr",     "nl",       "ch",   "se",  "dk",
                                           "pl",  "cz",  "ru",  "cn",  "jp",     "eu",       "us",   "ca",  "au",
                                           "br",  "mx",  "nz",  "ie",  "health", "hospital", NULL };

static bool ends_url(unsigned char byte)
{
    return byte <= ' ' || byte == 0x7F || strchr("<>\"`{}|\\^", byte) != NULL;
}

/* Where the address ends that goes on at `at`: before blanks and quotes, and before closing punctuation. */
static uint32_t url_end(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t end = at;
    while (!dv_past_end(candidate, end) && !ends_url(candidate->text[end]))
        end++;
    while (end > at && strchr(".,;:!?')]*", candidate->text[end - 1]) != NULL)
        end--;
    return end;
}

static bool is_scheme_byte(unsigned char byte)
{
    return dv_is_alnum(byte) || byte == '+' || byte == '-' || byte == '.';
}

uint32_t dv_reach_url(const struct dv_candidate *candidate)
{
    uint32_t start = candidate->at;
    while (candidate->at - start < SCHEME_MAX && is_scheme_byte(dv_byte_before(candidate, start, 1)))
        start--;
    while (start < candidate->at && !dv_is_letter(candidate->text[start]))
        start++;
    return start;
}

bool dv_verify_url(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t at = candidate->at;
    if (dv_byte(candidate, at + 1) != '/' || dv_byte(candidate, at + 2) != '/')
        return false;
    uint32_t start = dv_reach_url(candidate);
    uint32_t end = url_end(candidate, at + 3);
    return start < at && end > at + 3 && dv_span_fill(span, start, end, 960, "scheme and //");
}

static bool is_www(const struct dv_candidate *candidate)
{
    uint32_t at = candidate->at;
    for (uint32_t back = 1; back <= 3; back++)
        if (dv_lower(dv_byte_before(candidate, at, back)) != 'w')
            return false;
    return !dv_is_alnum(dv_byte_before(candidate, at, 4));
}

static bool is_name_byte(unsigned char byte)
{
    return dv_is_alnum(byte) || byte == '-' || byte == '.';
}

/* The end of a lower-case top-level domain at `at`, or 0. */
static uint32_t top_domain_end(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t length = 0;
    while (length <= LABEL_MAX && (unsigned char)(dv_byte(candidate, at + length) - 'a') <= 25)
        length++;
    if (length < 2)
        return 0;
    for (const char *const *top = top_domains; *top != NULL; top++)
        if (**top == candidate->text[at] && strlen(*top) == length && memcmp(candidate->text + at, *top, length) == 0)
            return at + length;
    return 0;
}

uint32_t dv_reach_domain(const struct dv_candidate *candidate)
{
    uint32_t start = candidate->at;
    while (candidate->at - start < NAME_MAX_BYTES && is_name_byte(dv_byte_before(candidate, start, 1)))
        start--;
    return start;
}

static bool verify_bare(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t at = candidate->at;
    uint32_t top = top_domain_end(candidate, at + 1);
    unsigned char after = dv_byte(candidate, top);
    bool dotted_on = after == '.' && dv_is_alnum(dv_byte(candidate, top + 1));
    if (top == 0 || dotted_on || dv_is_alnum(after) || after == '-' || after == '_' || after == '@')
        return false;
    uint32_t start = dv_reach_domain(candidate);
    if (start == at)
        return false;
    uint32_t end = after == '/' || after == '?' || after == ':' ? url_end(candidate, top) : top;
    return dv_span_fill(span, start, end, 600, "name under a common top-level domain");
}

bool dv_verify_domain(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t at = candidate->at;
    if (!dv_is_alnum(dv_byte_before(candidate, at, 1)) || !dv_is_alnum(dv_byte(candidate, at + 1)))
        return false;
    if (!is_www(candidate))
        return verify_bare(candidate, span);
    uint32_t end = url_end(candidate, at + 1);
    return end > at + URL_MIN && dv_span_fill(span, at - 3, end, 900, "www");
}
