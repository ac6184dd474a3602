/* SPDX-License-Identifier: Apache-2.0
 * detect_date.c - dates in figures, and dates with the name of a month.
 *
 *   2024-03-18 · 3/18/2024 · 18.03.24 · March 18th, 2024 · 18 Mar · 18 de marzo de 2024 · 18-MAR-2024 · March 2024
 *
 * Days and months must be possible. Two figures for the year are taken only where nothing else is written so. */
#include <string.h>

#include "privacy/detect_rows.h"

enum { WORD_MAX = 12, YEAR_MIN = 1850, YEAR_MAX = 2150, BLANKS_MAX = 2 };

static const char *const months[] = {
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "jan", "feb",
    "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio",
    "agosto", "septiembre", "octubre", "noviembre", "diciembre", "januar", "februar", "juni", "juli", "oktober", "dezember", "janvier",
    "mars", "avril", "mai", "juin", "juillet", "septembre", "octobre", "novembre", "decembre", NULL
};

/* Figures in a row. */
struct figures {
    uint32_t start, end, value;
};

static struct figures read_figures(const struct dv_candidate *candidate, uint32_t at)
{
    struct figures read = { .start = at, .end = at };
    for (; dv_is_digit(dv_byte(candidate, read.end)) && read.end - at < 5; read.end++)
        read.value = read.value * 10 + (uint32_t)(candidate->text[read.end] - '0');
    return read;
}

static uint32_t count(struct figures figures)
{
    return figures.end - figures.start;
}

static bool is_year(struct figures figures)
{
    return count(figures) == 4 && figures.value >= YEAR_MIN && figures.value <= YEAR_MAX;
}

static bool is_day(struct figures figures)
{
    return count(figures) >= 1 && count(figures) <= 2 && figures.value >= 1 && figures.value <= 31;
}

static bool are_day_and_month(struct figures a, struct figures b)
{
    return is_day(a) && is_day(b) && (a.value <= 12 || b.value <= 12);
}

/* Nothing before or behind makes it a part of something longer. */
static bool stands_alone(const struct dv_candidate *candidate, uint32_t start, uint32_t end)
{
    unsigned char before = dv_byte_before(candidate, start, 1), after = dv_byte(candidate, end);
    bool goes_on = (after == '.' || after == '-' || after == '/') && dv_is_digit(dv_byte(candidate, end + 1));
    bool time = (after == 'T' || after == 't') && dv_is_digit(dv_byte(candidate, end + 1));
    bool came = (before == '.' || before == '-' || before == '/') && dv_is_alnum(dv_byte_before(candidate, start, 2));
    return !dv_is_alnum(before) && before != '_' && !came && !goes_on && (time || (!dv_is_alnum(after) && after != '_'));
}

static uint16_t figures_score(struct figures a, struct figures b, struct figures c, unsigned char mark)
{
    if (is_year(a) && count(b) == 2 && count(c) == 2 && b.value >= 1 && b.value <= 12 && is_day(c))
        return 880;
    if (!are_day_and_month(a, b))
        return 0;
    if (is_year(c))
        return 870;
    if (count(c) != 2)
        return 0;
    return mark == '/' ? 800 : count(a) == 2 && count(b) == 2 ? 650 : 0;
}

/* "version 12.10.31": the word before a dotted number says that it counts versions. */
static bool counts_versions(const struct dv_candidate *candidate, uint32_t start)
{
    static const char *const words[] = { "version", "release", "firmware", "build", "revision", "rev", "ver", "patch", "kernel" };
    char word[WORD_MAX + 1];
    uint32_t blanks = 0, length = 0;
    while (blanks < 2 && (dv_byte_before(candidate, start, blanks + 1) == ' ' || dv_byte_before(candidate, start, blanks + 1) == ':'))
        blanks++;
    while (length < WORD_MAX && dv_is_letter(dv_byte_before(candidate, start, blanks + length + 1)))
        length++;
    for (uint32_t i = 0; i < length; i++)
        word[length - 1 - i] = (char)dv_lower(dv_byte_before(candidate, start, blanks + i + 1));
    word[length] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static bool verify_figures(const struct dv_candidate *candidate, struct dv_span *span)
{
    struct figures a = read_figures(candidate, candidate->at);
    unsigned char mark = dv_byte(candidate, a.end);
    if (mark != '-' && mark != '/' && mark != '.')
        return false;
    struct figures b = read_figures(candidate, a.end + 1);
    if (count(b) == 0 || dv_byte(candidate, b.end) != mark)
        return false;
    struct figures c = read_figures(candidate, b.end + 1);
    uint16_t score = figures_score(a, b, c, mark);
    if (mark == '.' && count(c) == 2 && counts_versions(candidate, a.start))
        return false;
    return score != 0 && stands_alone(candidate, a.start, c.end) && dv_span_fill(span, a.start, c.end, score, "a date in figures");
}

static bool is_month(const struct dv_candidate *candidate, uint32_t start, uint32_t end)
{
    char word[WORD_MAX + 1];
    if (end - start < 3 || end - start > WORD_MAX)
        return false;
    for (uint32_t i = start; i < end; i++)
        word[i - start] = (char)dv_lower(candidate->text[i]);
    word[end - start] = '\0';
    for (const char *const *month = months; *month != NULL; month++)
        if (**month == *word && strcmp(*month, word) == 0)
            return true;
    return false;
}

static uint32_t skip(const struct dv_candidate *candidate, uint32_t at, const char *marks)
{
    for (uint32_t i = 0; i < BLANKS_MAX && dv_byte(candidate, at) != 0 && strchr(marks, dv_byte(candidate, at)) != NULL; i++)
        at++;
    return at;
}

static uint32_t word_end(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t end = at;
    while (end - at <= WORD_MAX && dv_is_letter(dv_byte(candidate, end)))
        end++;
    return end;
}

/* Behind the word at `at`, if it is this one; else `at`. Looks no farther than that takes. */
static uint32_t skip_word(const struct dv_candidate *candidate, uint32_t at, const char *word)
{
    uint32_t end = at;
    for (; *word != '\0'; word++, end++)
        if (dv_lower(dv_byte(candidate, end)) != (unsigned char)*word)
            return at;
    return dv_is_letter(dv_byte(candidate, end)) ? at : end;
}

/* Behind "18": "th", "st", …, and "of" or "de". */
static uint32_t skip_small_words(const struct dv_candidate *candidate, uint32_t at)
{
    static const char *const endings[] = { "st", "nd", "rd", "th", NULL };
    static const char *const links[] = { "of", "de", NULL };
    uint32_t next = at;
    for (const char *const *ending = endings; *ending != NULL && next == at; ending++)
        next = skip_word(candidate, at, *ending);
    next = skip(candidate, next, " -.");
    for (const char *const *link = links; *link != NULL; link++) {
        uint32_t end = skip_word(candidate, next, *link);
        if (end != next)
            return skip(candidate, end, " ");
    }
    return next;
}

/* The end of a year at `at`, behind "," or "de"; `end` if there is none. */
static uint32_t year_end(const struct dv_candidate *candidate, uint32_t end)
{
    uint32_t at = skip(candidate, end, ",. -");
    if (skip_word(candidate, at, "de") != at)
        at = skip(candidate, at + 2, " ");
    struct figures year = read_figures(candidate, at);
    bool ends = !dv_is_alnum(dv_byte(candidate, year.end));
    if (is_year(year) && ends)
        return year.end;
    bool joined = dv_byte(candidate, end) == '-' && count(year) == 2;
    return joined && ends ? year.end : end;
}

/* Whether the letters start..end begin the name of a month. */
static bool begins_month(const struct dv_candidate *candidate, uint32_t start, uint32_t end)
{
    for (const char *const *month = months; *month != NULL; month++) {
        uint32_t i = 0;
        while (start + i < end && (*month)[i] != '\0' && dv_lower(candidate->text[start + i]) == (unsigned char)(*month)[i])
            i++;
        if (start + i == end)
            return true;
    }
    return false;
}

/* Where the word at `at` ends, or can be no month's name any more, whatever follows. */
static uint32_t month_end(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t end = at;
    while (end - at <= WORD_MAX && begins_month(candidate, at, end) && dv_is_letter(dv_byte(candidate, end)))
        end++;
    return end;
}

/* "18 March 2024": the month comes behind the day. */
static bool verify_day_first(const struct dv_candidate *candidate, struct figures day, struct dv_span *span)
{
    if (!is_day(day))
        return false;
    uint32_t at = skip_small_words(candidate, day.end);
    uint32_t end = month_end(candidate, at);
    if (at == day.end || !is_month(candidate, at, end))
        return false;
    return dv_span_fill(span, day.start, year_end(candidate, end), 840, "a day and the name of a month");
}

/* The start of a month's name before `at`; `at` if there is none. */
static uint32_t month_before(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t end = at;
    for (uint32_t i = 0; i < BLANKS_MAX + 1 && end > 0 && strchr(" .-,", candidate->text[end - 1]) != NULL && candidate->text[end - 1] != 0; i++)
        end--;
    uint32_t start = end;
    while (start > 0 && end - start <= WORD_MAX && dv_is_letter(candidate->text[start - 1]))
        start--;
    return end < at && is_month(candidate, start, end) ? start : at;
}

/* At the end of a text that is not over, the name of a month may stand there or be begun. */
uint32_t dv_reach_date(const struct dv_candidate *candidate)
{
    uint32_t month = month_before(candidate, candidate->at);
    uint32_t start = candidate->at;
    if (month < candidate->at || candidate->at < candidate->length)
        return month;
    while (candidate->at - start <= WORD_MAX && dv_is_letter(dv_byte_before(candidate, start, 1)))
        start--;
    return begins_month(candidate, start, candidate->at) ? start : candidate->at;
}

/* "March 18th, 2024", "March 2024". */
static bool verify_month_first(const struct dv_candidate *candidate, struct figures number, struct dv_span *span)
{
    uint32_t start = month_before(candidate, number.start);
    if (start == number.start)
        return false;
    if (is_year(number) && !dv_is_alnum(dv_byte(candidate, number.end)))
        return dv_span_fill(span, start, number.end, 820, "the name of a month and a year");
    uint32_t end = word_end(candidate, number.end) - number.end == 2 ? number.end + 2 : number.end;
    if (!is_day(number) || dv_is_alnum(dv_byte(candidate, end)))
        return false;
    return dv_span_fill(span, start, year_end(candidate, end), 830, "the name of a month and a day");
}

bool dv_verify_date(const struct dv_candidate *candidate, struct dv_span *span)
{
    if (dv_is_alnum(dv_byte_before(candidate, candidate->at, 1)))
        return false;
    struct figures first = read_figures(candidate, candidate->at);
    return verify_figures(candidate, span) || verify_day_first(candidate, first, span) || verify_month_first(candidate, first, span);
}
