/* SPDX-License-Identifier: Apache-2.0
 * date.c - the calendar, and dates in ISO 8601: read, cut, moved. */
#include "privacy/date.h"

#include "privacy/draft.h"

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
    return dv_read_digits(text + colon, 2, &value) && value < 60 ? 2u + colon : 0;
}

/* "", "Z", "+hh", "+hhmm", "+hh:mm" */
static bool is_offset(const char *text, size_t length)
{
    uint32_t hours = 0;
    if (length == 0 || (length == 1 && (text[0] == 'Z' || text[0] == 'z')))
        return true;
    if (length < 3 || (text[0] != '+' && text[0] != '-') || !dv_read_digits(text + 1, 2, &hours) || hours > 23)
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
    if (length < 5 || !dv_read_digits(text, 2, &hour) || hour > 23 || sixty_bytes(text + 2, length - 2, true) == 0)
        return false;
    size_t at = 5;
    size_t seconds = sixty_bytes(text + at, length - at, true);
    at += seconds;
    if (seconds != 0)
        at += fraction_bytes(text + at, length - at);
    return is_offset(text + at, length - at);
}

bool dv_date_exists(const struct dv_date *date)
{
    return date->year >= 1 && date->year <= 9999 && date->month >= 1 && date->month <= 12 && date->day >= 1 &&
           date->day <= days_in_month(date->year, date->month);
}

bool dv_date_read(const char *text, size_t length, struct dv_date *date)
{
    if (length < 10 || text[4] != '-' || text[7] != '-')
        return false;
    if (!dv_read_digits(text, 4, &date->year) || !dv_read_digits(text + 5, 2, &date->month))
        return false;
    if (!dv_read_digits(text + 8, 2, &date->day) || !dv_date_exists(date))
        return false;
    bool timed = length > 10 && (text[10] == 'T' || text[10] == 't' || text[10] == ' ');
    return length == 10 || (timed && is_time(text + 11, length - 11));
}

/* Both ways by eras of 400 years that begin in March (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
int64_t dv_date_days(const struct dv_date *date)
{
    int64_t year = (int64_t)date->year - (date->month <= 2);
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * ((int64_t)date->month + (date->month > 2 ? -3 : 9)) + 2) / 5 + date->day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool dv_date_from_days(int64_t days, struct dv_date *date)
{
    if (days < -719162 || days > 2932896)
        return false;
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t day = shifted - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    date->day = (uint32_t)(of_year - (153 * month + 2) / 5 + 1);
    date->month = (uint32_t)(month < 10 ? month + 3 : month - 9);
    date->year = (uint32_t)(year + era * 400 + (date->month <= 2));
    return true;
}

/* 0: Monday. */
static int64_t weekday(int64_t days)
{
    int64_t rest = (days + 3) % 7;
    return rest < 0 ? rest + 7 : rest;
}

/* The week of ISO 8601 belongs to the year of its Thursday: "2024-W12". */
static void add_week(struct dv_draft *draft, const struct dv_date *date)
{
    struct dv_date thursday = *date;
    int64_t days = dv_date_days(date);
    (void)dv_date_from_days(days - weekday(days) + 3, &thursday);
    struct dv_date first = { .year = thursday.year, .month = 1, .day = 1 };
    dv_draft_digits(draft, thursday.year, 4);
    dv_draft_add(draft, '-');
    dv_draft_add(draft, 'W');
    dv_draft_digits(draft, (uint32_t)((dv_date_days(&thursday) - dv_date_days(&first)) / 7 + 1), 2);
}

static void add_part(struct dv_draft *draft, enum dv_date_part part, const struct dv_date *date)
{
    if (part == DV_DATE_WEEK) {
        add_week(draft, date);
        return;
    }
    dv_draft_digits(draft, part == DV_DATE_DECADE ? date->year / 10 * 10 : date->year, 4);
    if (part == DV_DATE_DECADE)
        dv_draft_add(draft, 's');
    if (part == DV_DATE_QUARTER || part == DV_DATE_MONTH || part == DV_DATE_DAY)
        dv_draft_add(draft, '-');
    if (part == DV_DATE_QUARTER) {
        dv_draft_add(draft, 'Q');
        dv_draft_digits(draft, (date->month + 2) / 3, 1);
    } else if (part == DV_DATE_MONTH || part == DV_DATE_DAY) {
        dv_draft_digits(draft, date->month, 2);
    }
    if (part == DV_DATE_DAY) {
        dv_draft_add(draft, '-');
        dv_draft_digits(draft, date->day, 2);
    }
}

dv_rc dv_date_cut(enum dv_date_part part, const char *value, size_t length, struct dv_buffer *out)
{
    struct dv_date date = { 0 };
    DV_UNINITIALIZED struct dv_draft draft;
    draft.length = 0;
    out->length = 0;
    if (!dv_date_read(value, length, &date))
        return DV_E_DATA;
    add_part(&draft, part, &date);
    return dv_draft_give(&draft, out);
}

dv_rc dv_date_relative_week(int64_t from_days, const char *value, size_t length, struct dv_buffer *out)
{
    struct dv_date date = { 0 };
    DV_UNINITIALIZED struct dv_draft draft;
    draft.length = 0;
    out->length = 0;
    if (!dv_date_read(value, length, &date))
        return DV_E_DATA;
    int64_t days = dv_date_days(&date) - from_days;
    int64_t weeks = days >= 0 ? days / 7 : -((6 - days) / 7);
    dv_draft_add(&draft, 'W');
    if (weeks >= 0)
        dv_draft_add(&draft, '+');
    dv_draft_number(&draft, weeks);
    return dv_draft_give(&draft, out);
}

dv_rc dv_date_move(int64_t days, const char *value, size_t length, struct dv_buffer *out)
{
    struct dv_date date = { 0 };
    DV_UNINITIALIZED struct dv_draft draft;
    draft.length = 0;
    out->length = 0;
    if (!dv_date_read(value, length, &date) || !dv_date_from_days(dv_date_days(&date) + days, &date))
        return DV_E_DATA;
    if (length > out->size)
        return DV_E_LIMIT;
    add_part(&draft, DV_DATE_DAY, &date);
    memcpy(out->text, draft.text, draft.length);
    memcpy(out->text + draft.length, value + draft.length, length - draft.length);
    out->length = length;
    return DV_OK;
}
