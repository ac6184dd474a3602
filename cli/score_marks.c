/* SPDX-License-Identifier: Apache-2.0
 * score_marks.c - marks in the form in which they are compared. */
#include "cli/score_marks.h"

#include <stdlib.h>
#include <string.h>

enum { PERSON, LOCATION, DATE, EMAIL, PHONE, ID, MRN, CREDIT_CARD, ACCOUNT, IP, URL, USERNAME, GAP_MAX = 3 };

static const char *const type_names[DV_SCORE_TYPES] = {
    "PERSON", "LOCATION", "DATE", "EMAIL", "PHONE", "ID", "MRN", "CREDIT_CARD", "ACCOUNT", "IP", "URL", "USERNAME",
};

/* What others call them. */
static const struct {
    const char *name;
    int core;
} aliases[] = {
    { "NAME", PERSON },       { "PER", PERSON },      { "ADDRESS", LOCATION },  { "LOC", LOCATION },       { "GPE", LOCATION },
    { "ZIP", LOCATION },      { "DATE_TIME", DATE },  { "DOB", DATE },          { "SSN", ID },             { "US_SSN", ID },
    { "IBAN", ACCOUNT },      { "IBAN_CODE", ACCOUNT }, { "BANK_ACCOUNT", ACCOUNT }, { "IP_ADDRESS", IP }, { "MAC", IP },
    { "EMAIL_ADDRESS", EMAIL }, { "PHONE_NUMBER", PHONE }, { "DOMAIN_NAME", URL }, { "PASSPORT", ID },     { "NATIONAL_ID", ID },
    { "MEDICAL_RECORD", MRN },
};

const char *dv_score_type(int core)
{
    return type_names[core];
}

void dv_mark_name(struct dv_mark *mark, const char *type)
{
    mark->core = DV_SCORE_NONE;
    mark->type = type;
    for (int i = 0; i < DV_SCORE_TYPES; i++)
        if (strcmp(type, type_names[i]) == 0)
            mark->core = i;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(type, aliases[i].name) == 0)
            mark->core = aliases[i].core;
    if (mark->core != DV_SCORE_NONE)
        mark->type = type_names[mark->core];
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int dv_mark_compare(const void *a, const void *b)
{
    const struct dv_mark *left = a, *right = b;
    int by_start = compare_numbers(left->start, right->start);
    int by_end = compare_numbers(left->end, right->end);
    return by_start != 0 ? by_start : by_end != 0 ? by_end : strcmp(left->type, right->type);
}

/* By place, and at one place as they came. */
static int compare_place(const void *a, const void *b)
{
    const struct dv_mark *left = a, *right = b;
    int by_start = compare_numbers(left->start, right->start);
    int by_end = compare_numbers(left->end, right->end);
    return by_start != 0 ? by_start : by_end != 0 ? by_end : compare_numbers(left->order, right->order);
}

/* What holds others stands before them. */
static int compare_outer(const void *a, const void *b)
{
    const struct dv_mark *left = a, *right = b;
    int by_start = compare_numbers(left->start, right->start);
    int by_end = compare_numbers(right->end, left->end);
    return by_start != 0 ? by_start : by_end != 0 ? by_end : compare_numbers(left->order, right->order);
}

size_t dv_marks_scored(struct dv_mark *marks, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (marks[i].core != DV_SCORE_NONE)
            marks[kept++] = marks[i];
    return kept;
}

size_t dv_marks_best(struct dv_mark *marks, size_t count)
{
    size_t kept = 0;
    qsort(marks, count, sizeof *marks, compare_place);
    for (size_t i = 0; i < count; i++) {
        struct dv_mark *last = kept > 0 ? &marks[kept - 1] : NULL;
        bool same = last != NULL && last->start == marks[i].start && last->end == marks[i].end;
        if (!same)
            marks[kept++] = marks[i];
        else if (marks[i].score > last->score)
            *last = marks[i];
    }
    return kept;
}

/* White space of any script. */
static bool is_space(uint32_t code)
{
    return (code >= 9 && code <= 13) || (code >= 28 && code <= 32) || code == 0x85 || code == 0xA0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

static uint32_t small(uint32_t code)
{
    if ((code >= 'A' && code <= 'Z') || code == 0xD1)
        return code + 32;
    return code == 0x17F ? 's' : code == 0x130 || code == 0x131 ? 'i' : code;
}

/* How long the title at `at` is, with the blanks behind it; 0: none. */
static int64_t title_length(const struct dv_letters *text, int64_t at, int64_t end)
{
    static const uint32_t titles[][5] = {
        { 'd', 'r' },           { 'm', 'r' },      { 'm', 'r', 's' },      { 'm', 's' },           { 'm', 'i', 's', 's' }, { 'p', 'r', 'o', 'f' },
        { 's', 'i', 'r' },      { 'm', 'm', 'e' }, { 's', 'r' },           { 's', 'r', 'a' },      { 's', 'i', 'g' },      { 'h', 'e', 'r', 'r' },
        { 'f', 'r', 'a', 'u' }, { 'd', 'o', 'n' }, { 'd', 'o', 0xF1, 'a' }, { 'd', 'r', 'a' },     { 'd' },                { 'd', 0xF1, 'a' },
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        int64_t to = at, blanks = 0;
        for (const uint32_t *letter = titles[i]; *letter != 0 && to >= 0; letter++)
            to = to < end && small(text->codes[to]) == *letter ? to + 1 : -1;
        if (to < 0)
            continue;
        to += to < end && text->codes[to] == '.';
        for (; to < end && is_space(text->codes[to]); to++)
            blanks++;
        if (blanks > 0)
            return to - at;
    }
    return 0;
}

/* Takes marks and titles off a mark's ends; false if nothing is left. */
static bool trim(const struct dv_letters *text, struct dv_mark *mark)
{
    int64_t start = mark->start > 0 ? mark->start : 0, end = mark->end < text->count ? mark->end : text->count;
    const uint32_t *codes = text->codes;
    while (start < end && !dv_is_letter_or_digit(codes[start]) && codes[start] != '+' && codes[start] != '@' && codes[start] != '(' &&
           codes[start] != '#')
        start++;
    while (start < end && !dv_is_letter_or_digit(codes[end - 1]))
        end--;
    if (mark->core == PERSON)
        for (int64_t title; (title = title_length(text, start, end)) > 0;)
            start += title;
    while (mark->core == PHONE && start < end && !dv_is_letter_or_digit(codes[start]))
        start++;
    mark->start = start;
    mark->end = end;
    return start < end;
}

/* Whether all of from..to is what may stand between the words of one name or address. */
static bool are_links(const struct dv_letters *text, int core, int64_t from, int64_t to)
{
    if (to - from > GAP_MAX)
        return false;
    for (int64_t at = from; at < to; at++) {
        uint32_t code = text->codes[at];
        bool both = code == ' ' || code == 0xA0 || code == ',' || code == '.' || code == '\'' || code == '-';
        bool own = core == PERSON ? code == '^' : code == '\n' || code == '\r';
        if (!both && !own)
            return false;
    }
    return true;
}

/* Whether a mark that begins at `start` goes on with one of its type that ended at `end`. A line end may stand last. */
static bool goes_on(const struct dv_letters *text, int core, int64_t end, int64_t start)
{
    if (start <= end)
        return true;
    uint32_t first = text->codes[end];
    if (start == end + 1 && (first == '-' || first == '.'))
        return true;
    if (core != PERSON && core != LOCATION)
        return false;
    return are_links(text, core, end, start) || (text->codes[start - 1] == '\n' && are_links(text, core, end, start - 1));
}

size_t dv_marks_tidy(const struct dv_letters *text, struct dv_mark *marks, size_t count)
{
    size_t left = 0, kept = 0;
    for (size_t i = 0; i < count; i++)
        if (trim(text, &marks[i]))
            marks[left++] = marks[i];
    qsort(marks, left, sizeof *marks, dv_mark_compare);
    for (size_t i = 0; i < left; i++) {
        struct dv_mark *last = kept > 0 ? &marks[kept - 1] : NULL;
        if (last == NULL || strcmp(last->type, marks[i].type) != 0 || !goes_on(text, last->core, last->end, marks[i].start))
            marks[kept++] = marks[i];
        else if (marks[i].end > last->end)
            last->end = marks[i].end;
    }
    return kept;
}

size_t dv_marks_outer(struct dv_mark *marks, size_t count)
{
    size_t kept = 0;
    int64_t reach = -1;
    for (size_t i = 0; i < count; i++)
        marks[i].order = (uint32_t)i;
    qsort(marks, count, sizeof *marks, compare_outer);
    for (size_t i = 0; i < count; i++) {
        bool inside = marks[i].end <= reach;
        reach = inside ? reach : marks[i].end;
        if (!inside)
            marks[kept++] = marks[i];
    }
    qsort(marks, kept, sizeof *marks, dv_mark_compare);
    return kept;
}
