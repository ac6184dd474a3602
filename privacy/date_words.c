/* SPDX-License-Identifier: Apache-2.0
 * date_words.c - dates as people write them, moved by days and written the same way.
 *
 * A date is split into numbers, words and what stands between. Three of them are the day, the month and the year; a
 * weekday is followed; everything else must be known to tell nothing, or the text is no date. */
#include <string.h>

#include "engine/error.h"
#include "privacy/date.h"
#include "privacy/detect_rows.h"

enum { PARTS_MAX = 12, WORD_MAX = 12, TAIL_MAX = 24, SHORT_NAME = 3, PIVOT = 69 };

enum kind { NUMBER, MONTH, WEEKDAY, ORDINAL, FILLER };

struct part {
    const char *text;
    uint32_t length;
    enum kind kind;
    uint32_t value; /* NUMBER; of MONTH 1..12, of WEEKDAY 0..6 */
};

struct words {
    struct part part[PARTS_MAX];
    size_t count;
    struct part *day, *month, *year;
    bool padded; /* days and months have two digits */
    const char *tail; /* a time of day behind the date, as it came */
    size_t tail_length;
};

static const char *const months[] = { "january", "february", "march",     "april",   "may",      "june",
                                      "july",    "august",   "september", "october", "november", "december" };
static const char *const weekdays[] = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" };
static const char *const ordinals[] = { "st", "nd", "rd", "th" };
static const char *const fillers[] = { "of", "the", "on" };

/* The index of the name the word is, whole or (if `cut`) its first three letters; -1: none. */
static int find_word(const struct part *part, const char *const *names, int count, bool cut)
{
    for (int i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        bool fits = part->length == length || (cut && part->length == SHORT_NAME) || (cut && i == 8 && part->length == 4);
        size_t same = 0;
        while (fits && same < part->length && dv_lower((unsigned char)part->text[same]) == (unsigned char)names[i][same])
            same++;
        if (fits && same == part->length)
            return i;
    }
    return -1;
}

static bool read_word(struct part *part)
{
    int month = find_word(part, months, 12, true);
    int day = find_word(part, weekdays, 7, true);
    if (month >= 0) {
        part->kind = MONTH;
        part->value = (uint32_t)month + 1;
    } else if (day >= 0) {
        part->kind = WEEKDAY;
        part->value = (uint32_t)day;
    } else if (find_word(part, ordinals, 4, false) >= 0) {
        part->kind = ORDINAL;
    } else {
        part->kind = FILLER;
        return find_word(part, fillers, 3, false) >= 0;
    }
    return true;
}

static size_t run_length(const char *text, size_t length, bool digits)
{
    size_t run = 0;
    while (run < length && (digits ? dv_is_digit((unsigned char)text[run]) : dv_is_letter((unsigned char)text[run])))
        run++;
    return run;
}

static bool add_part(struct words *words, const char *text, size_t run)
{
    if (words->count == PARTS_MAX || run > WORD_MAX)
        return false;
    struct part *part = &words->part[words->count++];
    *part = (struct part){ .text = text, .length = (uint32_t)run };
    if (!dv_is_digit((unsigned char)*text))
        return read_word(part);
    part->kind = NUMBER;
    for (size_t i = 0; i < run; i++)
        part->value = part->value * 10 + (uint32_t)(text[i] - '0');
    return run == 1 || run == 2 || run == 4;
}

/* How many of the three fields are there. */
static size_t count_fields(const struct words *words)
{
    size_t count = 0;
    for (size_t i = 0; i < words->count; i++)
        count += words->part[i].kind == NUMBER || words->part[i].kind == MONTH;
    return count;
}

/* " 07:20", "T07:20:02Z", ", 3 pm": digits, colons and the letters of a time. */
static bool is_tail(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\0' || strchr("0123456789:.,+- TtZzAaPpMm", text[i]) == NULL)
            return false;
    return length <= TAIL_MAX;
}

static bool split(struct words *words, const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        bool digit = dv_is_digit((unsigned char)text[at]);
        size_t run = run_length(text + at, length - at, digit);
        bool time = run != 0 && count_fields(words) == 3 && (digit || (run == 1 && (text[at] | 0x20) == 't'));
        if (time) {
            words->tail = text + at;
            words->tail_length = length - at;
            return is_tail(text + at, length - at);
        }
        if (run == 0 && ((unsigned char)text[at] >= 0x80 || strchr(" ./-,", text[at]) == NULL || text[at] == '\0'))
            return false;
        if (run != 0 && !add_part(words, text + at, run))
            return false;
        at += run != 0 ? run : 1;
    }
    return count_fields(words) == 3;
}

/* The first byte between this part and the next. */
static char gap_after(const struct part *part)
{
    return part->text[part->length];
}

/* Three numbers: which is which by their length, the separator and what a month can be. */
static bool order_numbers(struct words *words, struct part *const fields[3])
{
    bool year_first = fields[0]->length == 4;
    bool dots = gap_after(fields[0]) == '.';
    bool day_first = !year_first && (dots || fields[0]->value > 12);
    words->year = year_first ? fields[0] : fields[2];
    words->month = year_first || day_first ? fields[1] : fields[0];
    words->day = year_first ? fields[2] : day_first ? fields[0] : fields[1];
    return fields[1]->length <= 2 && (year_first ? fields[2]->length <= 2 : fields[0]->length <= 2);
}

/* One of the three is a month's name. */
static bool order_words(struct words *words, struct part *const fields[3], size_t month)
{
    struct part *first = fields[month == 0 ? 1 : 0];
    struct part *second = fields[month == 2 ? 1 : 2];
    DV_ASSERT(first != NULL && second != NULL);
    bool year_first = first->length == 4;
    words->month = fields[month];
    words->year = year_first ? first : second;
    words->day = year_first ? second : first;
    return words->day->length <= 2 && words->day->kind == NUMBER && words->year->kind == NUMBER;
}

static bool find_fields(struct words *words)
{
    struct part *fields[3] = { 0 };
    size_t count = 0;
    size_t month = 3;
    for (size_t i = 0; i < words->count && count < 3; i++) {
        struct part *part = &words->part[i];
        if (part->kind != NUMBER && part->kind != MONTH)
            continue;
        month = part->kind == MONTH ? count : month;
        fields[count++] = part;
    }
    DV_ASSERT(fields[0] != NULL && fields[1] != NULL && fields[2] != NULL); /* split() counted three */
    return month < 3 ? order_words(words, fields, month) : order_numbers(words, fields);
}

/* 03/18 and 10/18 are padded, 3/18 is not; beside a month's name only what begins with a zero is. */
static bool is_padded(const struct words *words)
{
    bool wide = words->day->length == 2 && words->month->kind == NUMBER && words->month->length == 2;
    return wide || words->day->text[0] == '0' || words->month->text[0] == '0';
}

static bool read_words(struct words *words, const char *text, size_t length, struct dv_date *date)
{
    if (!split(words, text, length) || !find_fields(words))
        return false;
    DV_ASSERT(words->year != NULL && words->month != NULL && words->day != NULL);
    words->padded = is_padded(words);
    uint32_t year = words->year->value;
    bool two = words->year->length == 2;
    *date = (struct dv_date){ .month = words->month->value, .day = words->day->value };
    date->year = two ? year + (year >= PIVOT ? 1900 : 2000) : year;
    return (two || words->year->length == 4) && dv_date_exists(date);
}

static void put(struct dv_buffer *out, const char *text, size_t length)
{
    DV_ASSERT(length <= out->size - out->length);
    memcpy(out->text + out->length, text, length);
    out->length += length;
}

/* A number of at least `width` digits. */
static void put_number(struct dv_buffer *out, uint32_t number, uint32_t width)
{
    char digits[10];
    uint32_t count = 0;
    for (uint32_t rest = number; rest != 0 || count < width; rest /= 10)
        digits[sizeof digits - ++count] = (char)('0' + rest % 10);
    put(out, digits + sizeof digits - count, count);
}

/* A name in the case and the length (whole, or three letters) of the old one. */
static void put_name(struct dv_buffer *out, const char *name, const struct part *old, bool whole)
{
    bool upper = old->length > 1 && old->text[1] <= 'Z';
    size_t length = whole ? strlen(name) : SHORT_NAME;
    for (size_t i = 0; i < length; i++) {
        bool capital = i == 0 ? old->text[0] <= 'Z' : upper;
        char byte = capital ? (char)(name[i] - 0x20) : name[i];
        put(out, &byte, 1);
    }
}

static const char *ordinal_of(uint32_t day)
{
    uint32_t last = day >= 11 && day <= 13 ? 0 : day % 10;
    return last >= 1 && last <= 3 ? ordinals[last - 1] : ordinals[3];
}

static void put_part(struct dv_buffer *out, const struct words *words, const struct part *part, const struct dv_date *date)
{
    int64_t weekday = (dv_date_days(date) + 719162) % 7;
    if (part == words->year)
        put_number(out, part->length == 2 ? date->year % 100 : date->year, part->length);
    else if (part == words->day)
        put_number(out, date->day, words->padded ? 2 : 1);
    else if (part->kind == MONTH)
        put_name(out, months[date->month - 1], part, part->length > SHORT_NAME || part->value == 5);
    else if (part == words->month)
        put_number(out, date->month, words->padded ? 2 : 1);
    else if (part->kind == WEEKDAY)
        put_name(out, weekdays[weekday], part, part->length > SHORT_NAME);
    else if (part->kind == ORDINAL)
        put(out, ordinal_of(date->day), 2);
    else
        put(out, part->text, part->length);
}

static void write_words(struct dv_buffer *out, const struct words *words, const char *value, size_t length,
                        const struct dv_date *date)
{
    const char *done = value;
    for (size_t i = 0; i < words->count; i++) {
        const struct part *part = &words->part[i];
        put(out, done, (size_t)(part->text - done));
        put_part(out, words, part, date);
        done = part->text + part->length;
    }
    put(out, done, (size_t)(value + length - done));
}

dv_rc dv_date_move_words(int64_t days, const char *value, size_t length, struct dv_buffer *out)
{
    struct words words = { 0 };
    struct dv_date date = { 0 };
    out->length = 0;
    if (out->size < DV_DATE_TEXT_MAX)
        return DV_E_LIMIT;
    if (length > DV_DATE_TEXT_MAX / 2 || !read_words(&words, value, length, &date))
        return DV_E_DATA;
    if (!dv_date_from_days(dv_date_days(&date) + days, &date))
        return DV_E_DATA;
    /* A century that two digits cannot tell would come out as another one. */
    if (words.year->length == 2 && (date.year < 1900 + PIVOT || date.year >= 2000 + PIVOT))
        return DV_E_DATA;
    write_words(out, &words, value, length, &date);
    return DV_OK;
}
