/* SPDX-License-Identifier: Apache-2.0
 * date.h - dates of the Gregorian calendar: read, cut to a part, moved by days; in ISO 8601 and as people write them.
 *
 * Days are counted from 1970-01-01; the calendar reaches from year 1 to 9999. */
#ifndef DV_PRIVACY_DATE_H
#define DV_PRIVACY_DATE_H

#include "privacy/transform.h"

enum { DV_DATE_TEXT_MAX = 96 }; /* room for any date in words, moved */

struct dv_date {
    uint32_t year, month, day;
};

/* Reads "2024-03-18", or a date and time ("2024-03-18T07:20:02.5Z", offset or none, 'T' or a blank), to its end. The
 * day must exist. */
bool dv_date_read(const char *text, size_t length, struct dv_date *ret);

/* Whether there is such a day. */
bool dv_date_exists(const struct dv_date *date);

/* Days since 1970-01-01, and back; false outside of years 1 to 9999. */
int64_t dv_date_days(const struct dv_date *date);
bool dv_date_from_days(int64_t days, struct dv_date *ret);

/* The same date or date and time `days` later (or earlier), written the same way; the time of day and the offset stay.
 * Errors: DV_E_DATA for what dv_date_read() refuses or a result outside of the calendar, DV_E_LIMIT. */
DV_CHECKED dv_rc dv_date_move(int64_t days, const char *value, size_t length, struct dv_buffer *out);

/* The same for a date as people write it: 3/18/2024, 18.03.24, "Monday, March 18th, 2024", 18 Mar 2024. A weekday
 * becomes the right one. Three numbers between slashes or dashes are month, day, year, or day, month, year if the first
 * is no month; between dots they are day, month, year; two digits of a year are 1969 to 2068. DV_E_DATA for all else,
 * such as a date without its year. `out` has room for DV_DATE_TEXT_MAX bytes, else DV_E_LIMIT. */
DV_CHECKED dv_rc dv_date_move_words(int64_t days, const char *value, size_t length, struct dv_buffer *out);

/* The week of a date, counted from the day `from_days`: "W+0" for the seven days from it on, "W-1" for those before.
 * Errors as dv_date_cut(). */
DV_CHECKED dv_rc dv_date_relative_week(int64_t from_days, const char *value, size_t length, struct dv_buffer *out);

#endif
