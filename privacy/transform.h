/* SPDX-License-Identifier: Apache-2.0
 * transform.h - what a policy does to one value: mask, generalize. Bytes in, bytes out, into the caller's buffer.
 *
 * | transform   | 1980-05-17, 37, 123-45-6789 become             | form of the label |
 * |-------------|------------------------------------------------|-------------------|
 * | mask        | ***-**-6789, j***@example.com, ***-***-4567    | masked            |
 * | age band    | 30-39, 90+                                     | generalized       |
 * | date        | 1980, 1980-05, 1980-Q2                         | generalized       |
 * | ZIP3        | 123, or 000 where fewer than 20,000 people live | generalized      |
 * | number      | [30,40)                                        | generalized       |
 *
 * No transform ever gives its input back: on an error the result is empty, and the caller rejects the record. Masks
 * have no error for odd values: what is not shaped as the style expects is hidden whole. */
#ifndef DV_PRIVACY_TRANSFORM_H
#define DV_PRIVACY_TRANSFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { DV_TRANSFORM_TEXT_MAX = 64 }; /* room for any result but a mask's, which needs the length of its input + 16 */

/* Where a result goes: the caller's memory; not NUL-terminated. */
struct dv_buffer {
    char *text;
    size_t size;   /* bytes of room */
    size_t length; /* bytes of the result; 0 after an error */
};

enum dv_mask_style {
    DV_MASK_TEXT,  /* every character but the last `keep` becomes '*' */
    DV_MASK_ALNUM, /* the same for letters and digits; separators stay */
    DV_MASK_SSN,   /* ***-**-6789: the last `keep` ≤ 4 of nine digits */
    DV_MASK_PHONE, /* ***-***-4567: the last `keep` ≤ 4 of seven digits or more */
    DV_MASK_EMAIL, /* j***@example.com: the first `keep` characters (at most half, at least one) and the domain */
};

struct dv_mask {
    enum dv_mask_style style;
    uint32_t keep;
};

/* Masks a value. Characters are code points; a byte that is no UTF-8 counts as one. If `keep` would leave half of the
 * characters or more readable (styles text and alnum), nothing stays readable. Values that are not shaped as ssn,
 * phone or email give ***-**-****, ***-***-****, ***@***. Errors: DV_E_LIMIT if the buffer is too small. */
DV_CHECKED dv_rc dv_mask_value(const struct dv_mask *mask, const char *value, size_t length, struct dv_buffer *out);

/* Bands of a number: age 37 with width 10 gives "30-39"; from `top` on (0: none) "90+". */
struct dv_band {
    uint32_t width; /* ≥ 2 */
    uint32_t top;
};

enum { DV_AGE_MAX = 150 };

/* Errors: DV_E_DATA for an age outside 0..DV_AGE_MAX, DV_E_LIMIT for a small buffer. */
DV_CHECKED dv_rc dv_age_band(const struct dv_band *band, int64_t age, struct dv_buffer *out);

/* The same from decimal digits. DV_E_DATA for anything else, blanks and signs included. */
DV_CHECKED dv_rc dv_age_band_text(const struct dv_band *band, const char *value, size_t length, struct dv_buffer *out);

enum dv_date_part { DV_DATE_YEAR, DV_DATE_QUARTER, DV_DATE_MONTH, DV_DATE_DAY, DV_DATE_WEEK, DV_DATE_DECADE };

/* Cuts an ISO 8601 date ("2024-03-18") or date and time ("2024-03-18T07:20:02.5Z", offset or none, 'T' or a blank) to
 * "2024", "2024-Q1", "2024-03", "2024-03-18", "2024-W12" (ISO 8601) or "2020s". The day must exist in the Gregorian calendar. Errors: DV_E_DATA, DV_E_LIMIT. */
DV_CHECKED dv_rc dv_date_cut(enum dv_date_part part, const char *value, size_t length, struct dv_buffer *out);

/* The first three digits of a United States ZIP code (12345, 123456789, 12345-6789); "000" for the 17 prefixes with at
 * most 20,000 people in the 2000 census (45 CFR 164.514(b)(2)(i)(B), guidance of the HHS). Errors: DV_E_DATA,
 * DV_E_LIMIT. */
DV_CHECKED dv_rc dv_zip3(const char *value, size_t length, struct dv_buffer *out);

/* The half-open bucket of `width` ≥ 1 that holds the number: -3.5 by 10 is "[-10,0)". Errors: DV_E_DATA for NaN,
 * infinity and magnitudes over 2^53, DV_E_LIMIT for a small buffer. */
DV_CHECKED dv_rc dv_number_bucket(uint32_t width, double number, struct dv_buffer *out);

/* The same from a JSON number. DV_E_DATA for anything else. */
DV_CHECKED dv_rc dv_number_bucket_text(uint32_t width, const char *value, size_t length, struct dv_buffer *out);

#endif
