/* SPDX-License-Identifier: Apache-2.0
 * transform.c - generalizes ages, ZIP codes and numbers; what is malformed is an error, never passed on. */
#include "privacy/transform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "privacy/draft.h"

enum { NUMBER_BYTES_MAX = 48 };

static const double number_max = 9007199254740992.0; /* 2^53: whole numbers are exact up to here */

dv_rc dv_age_band(const struct dv_band *band, int64_t age, struct dv_buffer *out)
{
    DV_ASSERT(band->width >= 2);
    DV_UNINITIALIZED struct dv_draft draft;
    draft.length = 0;
    out->length = 0;
    if (age < 0 || age > DV_AGE_MAX)
        return DV_E_DATA;
    if (band->top != 0 && age >= band->top) {
        dv_draft_number(&draft, band->top);
        dv_draft_add(&draft, '+');
        return dv_draft_give(&draft, out);
    }
    int64_t low = age / band->width * band->width;
    int64_t high = low + band->width - 1;
    if (band->top != 0 && high >= band->top)
        high = (int64_t)band->top - 1;
    dv_draft_number(&draft, low);
    dv_draft_add(&draft, '-');
    dv_draft_number(&draft, high);
    return dv_draft_give(&draft, out);
}

dv_rc dv_age_band_text(const struct dv_band *band, const char *value, size_t length, struct dv_buffer *out)
{
    uint32_t age = 0;
    out->length = 0;
    if (length > 3 || !dv_read_digits(value, length, &age))
        return DV_E_DATA;
    return dv_age_band(band, age, out);
}

static bool is_restricted_zip3(uint32_t zip3)
{
    static const uint16_t restricted[] = { 36,  59,  63,  102, 203, 556, 692, 790, 821,
                                           823, 830, 831, 878, 879, 884, 890, 893 };
    for (size_t i = 0; i < sizeof restricted / sizeof *restricted; i++)
        if (restricted[i] == zip3)
            return true;
    return false;
}

dv_rc dv_zip3(const char *value, size_t length, struct dv_buffer *out)
{
    uint32_t part = 0;
    DV_UNINITIALIZED struct dv_draft draft;
    draft.length = 0;
    out->length = 0;
    bool zip = (length == 5 || length == 9) && dv_read_digits(value, length, &part);
    bool plus4 = length == 10 && value[5] == '-' && dv_read_digits(value, 5, &part) && dv_read_digits(value + 6, 4, &part);
    uint32_t zip3 = 0;
    if ((!zip && !plus4) || !dv_read_digits(value, 3, &zip3))
        return DV_E_DATA;
    dv_draft_digits(&draft, is_restricted_zip3(zip3) ? 0 : zip3, 3);
    return dv_draft_give(&draft, out);
}

dv_rc dv_number_bucket(uint32_t width, double number, struct dv_buffer *out)
{
    DV_ASSERT(width >= 1);
    DV_UNINITIALIZED struct dv_draft draft;
    draft.length = 0;
    out->length = 0;
    if (!isfinite(number) || fabs(number) > number_max)
        return DV_E_DATA;
    int64_t whole = (int64_t)floor(number);
    int64_t rest = whole % width;
    int64_t low = whole - (rest < 0 ? rest + width : rest);
    dv_draft_add(&draft, '[');
    dv_draft_number(&draft, low);
    dv_draft_add(&draft, ',');
    dv_draft_number(&draft, low + width);
    dv_draft_add(&draft, ')');
    return dv_draft_give(&draft, out);
}

static size_t skip_digits(const char *text, size_t at, size_t length)
{
    while (at < length && text[at] >= '0' && text[at] <= '9')
        at++;
    return at;
}

/* The grammar of RFC 8259: what strtod() takes beyond it (hex, "inf", blanks) is no number here. */
static bool is_json_number(const char *text, size_t length)
{
    size_t at = length != 0 && text[0] == '-';
    size_t whole = skip_digits(text, at, length);
    if (whole == at || (whole - at > 1 && text[at] == '0'))
        return false;
    at = whole;
    if (at < length && text[at] == '.') {
        at = skip_digits(text, at + 1, length);
        if (at == whole + 1)
            return false;
    }
    if (at == length || (text[at] | 0x20) != 'e')
        return at == length;
    size_t sign = at + 1 < length && (text[at + 1] == '+' || text[at + 1] == '-');
    return at + 1 + sign < length && skip_digits(text, at + 1 + sign, length) == length;
}

dv_rc dv_number_bucket_text(uint32_t width, const char *value, size_t length, struct dv_buffer *out)
{
    char number[NUMBER_BYTES_MAX + 1];
    out->length = 0;
    if (length > NUMBER_BYTES_MAX || !is_json_number(value, length))
        return DV_E_DATA;
    memcpy(number, value, length);
    number[length] = '\0';
    return dv_number_bucket(width, strtod(number, NULL), out);
}
