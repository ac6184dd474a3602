/* SPDX-License-Identifier: Apache-2.0
 * detect_iban.c - international bank account numbers: a country's length and the mod-97 check of ISO 13616.
 *
 * Lengths are those of the SWIFT IBAN registry. Compact or in groups; letters of either case. */
#include "privacy/detect_rows.h"

enum { IBAN_MAX = 34 };

static const struct {
    char country[3];
    uint8_t length;
} lengths[] = {
    { "AD", 24 }, { "AE", 23 }, { "AL", 28 }, { "AT", 20 }, { "AZ", 28 }, { "BA", 20 }, { "BE", 16 }, { "BG", 22 },
    { "BH", 22 }, { "BI", 27 }, { "BR", 29 }, { "BY", 28 }, { "CH", 21 }, { "CR", 22 }, { "CY", 28 }, { "CZ", 24 },
    { "DE", 22 }, { "DJ", 27 }, { "DK", 18 }, { "DO", 28 }, { "EE", 20 }, { "EG", 29 }, { "ES", 24 }, { "FI", 18 },
    { "FK", 18 }, { "FO", 18 }, { "FR", 27 }, { "GB", 22 }, { "GE", 22 }, { "GI", 23 }, { "GL", 18 }, { "GR", 27 },
    { "GT", 28 }, { "HR", 21 }, { "HU", 28 }, { "IE", 22 }, { "IL", 23 }, { "IQ", 23 }, { "IS", 26 }, { "IT", 27 },
    { "JO", 30 }, { "KW", 30 }, { "KZ", 20 }, { "LB", 28 }, { "LC", 32 }, { "LI", 21 }, { "LT", 20 }, { "LU", 20 },
    { "LV", 21 }, { "LY", 25 }, { "MC", 27 }, { "MD", 24 }, { "ME", 22 }, { "MK", 19 }, { "MN", 20 }, { "MR", 27 },
    { "MT", 31 }, { "MU", 30 }, { "NI", 28 }, { "NL", 18 }, { "NO", 15 }, { "OM", 23 }, { "PK", 24 }, { "PL", 28 },
    { "PS", 29 }, { "PT", 25 }, { "QA", 29 }, { "RO", 24 }, { "RS", 22 }, { "RU", 33 }, { "SA", 24 }, { "SC", 31 },
    { "SD", 18 }, { "SE", 24 }, { "SI", 19 }, { "SK", 24 }, { "SM", 27 }, { "SO", 23 }, { "ST", 25 }, { "SV", 28 },
    { "TL", 23 }, { "TN", 24 }, { "TR", 26 }, { "UA", 29 }, { "VA", 22 }, { "VG", 24 }, { "XK", 20 }, { "YE", 30 },
};

static uint32_t country_length(unsigned char first, unsigned char second)
{
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        if ((lengths[i].country[0] | 0x20) == first && (lengths[i].country[1] | 0x20) == second)
            return lengths[i].length;
    return 0;
}

/* Reads `count` letters and digits with at most one separator between two; gives the end, or 0. */
static uint32_t read_characters(const struct dv_candidate *candidate, uint32_t at, uint32_t count, unsigned char *out)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t gap = 0;
        uint32_t gap_bytes = i == 0 ? 0 : dv_gap_at(candidate, at, &gap);
        if ((gap & ~(DV_GAP_SPACE | DV_GAP_DASH | DV_GAP_DOT)) != 0)
            return 0;
        at += gap_bytes;
        out[i] = dv_lower(dv_byte(candidate, at));
        if (!dv_is_alnum(out[i]))
            return 0;
        at++;
    }
    return at;
}

static uint32_t mod97_add(uint32_t rest, unsigned char character)
{
    if (dv_is_digit(character))
        return (rest * 10 + (uint32_t)(character - '0')) % 97;
    return (rest * 100 + (uint32_t)(character - 'a') + 10) % 97;
}

/* The first four characters count last. */
static bool passes_mod97(const unsigned char *characters, uint32_t count)
{
    uint32_t rest = 0;
    for (uint32_t i = 0; i < count; i++)
        rest = mod97_add(rest, characters[(i + 4) % count]);
    return rest == 1;
}

/* The country's letters, or the first of them if the text ends there. */
uint32_t dv_reach_iban(const struct dv_candidate *candidate)
{
    uint32_t start = candidate->at;
    while (candidate->at - start < 2 && dv_is_letter(dv_byte_before(candidate, start, 1)))
        start--;
    return start;
}

bool dv_verify_iban(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t at = candidate->at;
    unsigned char second = dv_byte_before(candidate, at, 1);
    if (!dv_is_letter(second) || !dv_is_digit(dv_byte(candidate, at + 1)))
        return false;
    unsigned char first = dv_byte_before(candidate, at, 2);
    if (!dv_is_letter(first) || dv_is_alnum(dv_byte_before(candidate, at, 3)))
        return false;
    uint32_t length = country_length(dv_lower(first), dv_lower(second));
    unsigned char characters[IBAN_MAX];
    if (length == 0)
        return false;
    uint32_t end = read_characters(candidate, at - 2, length, characters);
    if (end == 0 || dv_is_alnum(dv_byte(candidate, end)) || !passes_mod97(characters, length))
        return false;
    return dv_span_fill(span, at - 2, end, 990, "bank account number with mod-97 check");
}
