/* SPDX-License-Identifier: Apache-2.0
 * transform.c - generalizes ages, dates, ZIP codes and numbers; what is malformed is an error, never passed on. */
#include "privacy/transform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json_number.h"

enum { NUMBER_BYTES_MAX = 48 };

static const double number_max = 9007199254740992.0; /* 2^53: whole numbers are exact up to here */

/* A result while it is put together. Not by printf(): a format costs more than all else that is done to a number. */
struct draft {
    char text[DV_TRANSFORM_TEXT_MAX];
    size_t length;
};

static void add(struct draft *draft, char byte)
{
    DV_ASSERT(draft->length < sizeof draft->text);
    draft->text[draft->length++] = byte;
}

static void add_number(struct draft *draft, int64_t number)
{
    DV_ASSERT(draft->length + DV_JSON_INT_MAX <= sizeof draft->text);
    draft->length += dv_json_put_int(draft->text + draft->length, number);
}

/* The number in `count` digits, with zeros in front. */
static void add_digits(struct draft *draft, uint32_t number, uint32_t count)
{
    for (uint32_t i = count, unit = 1; i-- > 0; unit *= 10)
        draft->text[draft->length + i] = (char)('0' + number / unit % 10);
    draft->length += count;
}

static dv_rc give(const struct draft *draft, struct dv_buffer *out)
{
    out->length = 0;
    if (draft->length > out->size)
        return DV_E_LIMIT;
    memcpy(out->text, draft->text, draft->length);
    out->length = draft->length;
    return DV_OK;
}

dv_rc dv_age_band(const struct dv_band *band, int64_t age, struct dv_buffer *out)
{
    DV_ASSERT(band->width >= 2);
    DV_UNINITIALIZED struct draft draft;
    draft.length = 0;
    out->length = 0;
    if (age < 0 || age > DV_AGE_MAX)
        return DV_E_DATA;
    if (band->top != 0 && age >= band->top) {
        add_number(&draft, band->top);
        add(&draft, '+');
        return give(&draft, out);
    }
    int64_t low = age / band->width * band->width;
    int64_t high = low + band->width - 1;
    if (band->top != 0 && high >= band->top)
        high = (int64_t)band->top - 1;
    add_number(&draft, low);
    add(&draft, '-');
    add_number(&draft, high);
    return give(&draft, out);
}

/* Reads exactly `count` digits; false if one is missing. */
static bool read_digits(const char *text, size_t count, uint32_t *ret_value)
{
    *ret_value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *ret_value = *ret_value * 10 + (uint32_t)(text[i] - '0');
    }
    return count != 0;
}

dv_rc dv_age_band_text(const struct dv_band *band, const char *value, size_t length, struct dv_buffer *out)
{
    uint32_t age = 0;
    out->length = 0;
    if (length > 3 || !read_digits(value, length, &age))
        return DV_E_DATA;
    return dv_age_band(band, age, out);
}

static uint32_t days_in_month(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* ":mm" or "mm" with mm < 60 at the head of the text: the bytes it takes, or 0. */
static size_t sixty_bytes(const char *text, size_t length, bool colon)
{
    uint32_t value = 0;
    if (length < 2u + colon || (colon && text[0] != ':'))
        return 0;
    return read_digits(text + colon, 2, &value) && value < 60 ? 2u + colon : 0;
}

/* "", "Z", "+hh", "+hhmm", "+hh:mm" */
static bool is_offset(const char *text, size_t length)
{
    uint32_t hours = 0;
    if (length == 0 || (length == 1 && (text[0] == 'Z' || text[0] == 'z')))
        return true;
    if (length < 3 || (text[0] != '+' && text[0] != '-') || !read_digits(text + 1, 2, &hours) || hours > 23)
        return false;
    size_t minutes = length == 3 ? 0 : sixty_bytes(text + 3, length - 3, text[3] == ':');
    return length == 3 + minutes && (length == 3 || minutes != 0);
}

/* ".5": the bytes of a fraction of a second, 0 if there is none. */
static size_t fraction_bytes(const char *text, size_t length)
{
    if (length < 2 || (text[0] != '.' && text[0] != ','))
        return 0;
    size_t bytes = 1;
    while (bytes < length && text[bytes] >= '0' && text[bytes] <= '9')
        bytes++;
    return bytes > 1 ? bytes : 0;
}

/* "07:20", "07:20:02.5" and an offset. */
static bool is_time(const char *text, size_t length)
{
    uint32_t hour = 0;
    if (length < 5 || !read_digits(text, 2, &hour) || hour > 23 || sixty_bytes(text + 2, length - 2, true) == 0)
        return false;
    size_t at = 5;
    size_t seconds = sixty_bytes(text + at, length - at, true);
    at += seconds;
    if (seconds != 0)
        at += fraction_bytes(text + at, length - at);
    return is_offset(text + at, length - at);
}

struct date {
    uint32_t year, month, day;
};

static bool read_date(const char *text, size_t length, struct date *date)
{
    if (length < 10 || text[4] != '-' || text[7] != '-')
        return false;
    if (!read_digits(text, 4, &date->year) || !read_digits(text + 5, 2, &date->month))
        return false;
    if (!read_digits(text + 8, 2, &date->day) || date->year == 0 || date->month < 1 || date->month > 12)
        return false;
    if (date->day < 1 || date->day > days_in_month(date->year, date->month))
        return false;
    bool timed = length > 10 && (text[10] == 'T' || text[10] == 't' || text[10] == ' ');
    return length == 10 || (timed && is_time(text + 11, length - 11));
}

dv_rc dv_date_cut(enum dv_date_part part, const char *value, size_t length, struct dv_buffer *out)
{
    struct date date = { 0 };
    DV_UNINITIALIZED struct draft draft;
    draft.length = 0;
    out->length = 0;
    if (!read_date(value, length, &date))
        return DV_E_DATA;
    add_digits(&draft, date.year, 4);
    if (part == DV_DATE_QUARTER) {
        add(&draft, '-');
        add(&draft, 'Q');
        add_digits(&draft, (date.month + 2) / 3, 1);
    } else if (part == DV_DATE_MONTH) {
        add(&draft, '-');
        add_digits(&draft, date.month, 2);
    }
    return give(&draft, out);
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
    DV_UNINITIALIZED struct draft draft;
    draft.length = 0;
    out->length = 0;
    bool zip = (length == 5 || length == 9) && read_digits(value, length, &part);
    bool plus4 = length == 10 && value[5] == '-' && read_digits(value, 5, &part) && read_digits(value + 6, 4, &part);
    uint32_t zip3 = 0;
    if ((!zip && !plus4) || !read_digits(value, 3, &zip3))
        return DV_E_DATA;
    add_digits(&draft, is_restricted_zip3(zip3) ? 0 : zip3, 3);
    return give(&draft, out);
}

dv_rc dv_number_bucket(uint32_t width, double number, struct dv_buffer *out)
{
    DV_ASSERT(width >= 1);
    DV_UNINITIALIZED struct draft draft;
    draft.length = 0;
    out->length = 0;
    if (!isfinite(number) || fabs(number) > number_max)
        return DV_E_DATA;
    int64_t whole = (int64_t)floor(number);
    int64_t rest = whole % width;
    int64_t low = whole - (rest < 0 ? rest + width : rest);
    add(&draft, '[');
    add_number(&draft, low);
    add(&draft, ',');
    add_number(&draft, low + width);
    add(&draft, ')');
    return give(&draft, out);
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
