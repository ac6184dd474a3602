/* SPDX-License-Identifier: Apache-2.0
 * mask.c - hides all but a few characters of a value; total: every value has a mask. */
#include <endian.h>
#include <string.h>

#include "privacy/transform.h"

static dv_rc put(struct dv_buffer *out, const char *text, size_t length)
{
    if (length > out->size - out->length) {
        out->length = 0;
        return DV_E_LIMIT;
    }
    if (length != 0)
        memcpy(out->text + out->length, text, length);
    out->length += length;
    return DV_OK;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_ascii_alnum(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Bytes of the character at value[0]; 1 for bytes that are no UTF-8. */
static size_t character_bytes(const char *value, size_t length)
{
    unsigned char first = (unsigned char)value[0];
    size_t bytes = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
    if (bytes > length)
        return 1;
    for (size_t i = 1; i < bytes; i++)
        if (((unsigned char)value[i] & 0xC0) != 0x80)
            return 1;
    return bytes;
}

/* Bytes of other scripts are letters as far as hiding goes. */
static bool is_hidden(enum dv_mask_style style, char byte)
{
    return style == DV_MASK_TEXT || (unsigned char)byte >= 0x80 || is_ascii_alnum(byte);
}

static size_t count_hidden(enum dv_mask_style style, const char *value, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at < length; at += character_bytes(value + at, length - at))
        count += is_hidden(style, value[at]);
    return count;
}

static dv_rc mask_characters(const struct dv_mask *mask, const char *value, size_t length, struct dv_buffer *out)
{
    size_t count = count_hidden(mask->style, value, length);
    size_t keep = mask->keep < (count + 1) / 2 ? mask->keep : 0;
    /* An empty value, or one of separators only, would pass as it is. */
    if (count == 0)
        return put(out, "*", 1);
    for (size_t at = 0, seen = 0; at < length;) {
        size_t bytes = character_bytes(value + at, length - at);
        bool hide = is_hidden(mask->style, value[at]) && seen++ < count - keep;
        DV_TRY(hide ? put(out, "*", 1) : put(out, value + at, bytes));
        at += bytes;
    }
    return DV_OK;
}

/* The last four digits of a value with min..max of them, '*' where `keep` ends; "****" if it has another shape. */
static void last_four(const char *value, size_t length, size_t min, size_t max, uint32_t keep, char digits[4])
{
    const uint32_t stars = 0x2a2a2a2a;
    uint32_t last = stars;
    size_t count = 0;
    /* Without a branch that depends on the value: where its digits stand cannot be foretold. */
    for (size_t at = 0; at < length; at++) {
        uint32_t shifted = last << 8 | (unsigned char)value[at];
        last = is_digit(value[at]) ? shifted : last;
        count += is_digit(value[at]);
    }
    bool shaped = count >= min && count <= max;
    uint32_t shown = !shaped || keep == 0 ? 0 : keep < 4 ? (1u << (8 * keep)) - 1 : UINT32_MAX;
    uint32_t ordered = htobe32((last & shown) | (stars & ~shown));
    memcpy(digits, &ordered, 4);
}

static dv_rc mask_digits(const struct dv_mask *mask, const char *value, size_t length, struct dv_buffer *out)
{
    bool ssn = mask->style == DV_MASK_SSN;
    size_t head = ssn ? 7 : 8;
    if (out->size < head + 4)
        return DV_E_LIMIT;
    memcpy(out->text, ssn ? "***-**-" : "***-***", 7);
    out->text[7] = '-';
    last_four(value, length, ssn ? 9 : 7, ssn ? 9 : SIZE_MAX, mask->keep, out->text + head);
    out->length = head + 4;
    return DV_OK;
}

static bool is_domain(const char *text, const char *end)
{
    static const bool in_domains[256] = { ['-'] = true,          ['.'] = true,          ['0' ... '9'] = true,
                                          ['A' ... 'Z'] = true, ['a' ... 'z'] = true };
    bool all = text != end;
    for (; text < end; text++)
        all &= in_domains[(unsigned char)*text];
    return all;
}

/* The last '@', since a quoted local part may hold others. */
static const char *find_at(const char *value, size_t length)
{
    const char *at = length == 0 ? NULL : memrchr(value, '@', length);
    return at != NULL && at != value && is_domain(at + 1, value + length) ? at : NULL;
}

/* Bytes of the first `keep` characters of the local part; past the first one at most half of it. */
static size_t kept_bytes(const char *local, size_t length, uint32_t keep)
{
    size_t half = keep > 1 ? count_hidden(DV_MASK_TEXT, local, length) / 2 : 0;
    size_t most = half > 1 ? half : 1;
    size_t kept = 0;
    for (size_t i = 0; i < keep && i < most; i++)
        kept += character_bytes(local + kept, length - kept);
    return kept;
}

static dv_rc mask_email(const struct dv_mask *mask, const char *value, size_t length, struct dv_buffer *out)
{
    const char *at = find_at(value, length);
    if (at == NULL)
        return put(out, "***@***", 7);
    size_t local = (size_t)(at - value);
    DV_TRY(put(out, value, kept_bytes(value, local, mask->keep)));
    DV_TRY(put(out, "***", 3));
    return put(out, at, length - local);
}

dv_rc dv_mask_value(const struct dv_mask *mask, const char *value, size_t length, struct dv_buffer *out)
{
    out->length = 0;
    switch (mask->style) {
    case DV_MASK_SSN:
    case DV_MASK_PHONE:
        return mask_digits(mask, value, length, out);
    case DV_MASK_EMAIL:
        return mask_email(mask, value, length, out);
    default:
        return mask_characters(mask, value, length, out);
    }
}
