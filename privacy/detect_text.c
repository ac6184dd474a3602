/* SPDX-License-Identifier: Apache-2.0
 * detect_text.c - looks around a candidate: numbers in groups, separators, dates, words before. */
#include <string.h>

#include "privacy/detect_rows.h"

enum { GAP_CHARS_MAX = 3, CONTEXT_BYTES = 40 };

static uint8_t ascii_gap(unsigned char byte)
{
    static const uint8_t gaps[256] = {
        [' '] = DV_GAP_SPACE, ['\t'] = DV_GAP_SPACE, ['-'] = DV_GAP_DASH, ['.'] = DV_GAP_DOT,
        ['/'] = DV_GAP_SLASH, ['('] = DV_GAP_OPEN,   [')'] = DV_GAP_CLOSE
    };
    return gaps[byte];
}

/* U+2000-200A and U+202F are spaces, U+2010-2015 dashes, U+2212 the minus sign. */
static uint8_t general_punctuation_gap(unsigned char second, unsigned char third)
{
    if (second == 0x80 && ((third >= 0x80 && third <= 0x8A) || third == 0xAF))
        return DV_GAP_SPACE;
    if ((second == 0x80 && third >= 0x90 && third <= 0x95) || (second == 0x88 && third == 0x92))
        return DV_GAP_DASH;
    return 0;
}

uint32_t dv_gap_at(const struct dv_candidate *candidate, uint32_t at, uint8_t *ret_gap)
{
    unsigned char byte = dv_byte(candidate, at);
    *ret_gap = ascii_gap(byte);
    if (*ret_gap != 0)
        return 1;
    if (byte == 0xC2 && dv_byte(candidate, at + 1) == 0xA0) {
        *ret_gap = DV_GAP_SPACE;
        return 2;
    }
    if (byte == 0xE2)
        *ret_gap = general_punctuation_gap(dv_byte(candidate, at + 1), dv_byte(candidate, at + 2));
    return *ret_gap != 0 ? 3 : 0;
}

/* Skips a gap; the group behind it learns what it was. */
static uint32_t read_gap(const struct dv_candidate *candidate, uint32_t at, struct dv_group *group)
{
    group->gap = 0;
    for (group->gap_chars = 0; group->gap_chars < GAP_CHARS_MAX; group->gap_chars++) {
        uint8_t gap = 0;
        uint32_t bytes = dv_gap_at(candidate, at, &gap);
        if (bytes == 0)
            break;
        group->gap |= gap;
        at += bytes;
    }
    return at;
}

/* Reads a run of digits; false if it does not fit: a longer number is none of ours. */
static bool read_run(const struct dv_candidate *candidate, uint32_t at, struct dv_groups *groups,
                     struct dv_group *group)
{
    uint32_t total = groups->total;
    group->start = at;
    for (; dv_is_digit(dv_byte(candidate, at)); at++) {
        if (total == DV_GROUP_DIGITS_MAX)
            return false;
        groups->digits[total++] = candidate->text[at];
    }
    group->digits = (uint8_t)(total - groups->total);
    groups->total = total;
    return group->digits != 0;
}

void dv_groups_read(struct dv_candidate *candidate)
{
    struct dv_groups *groups = &candidate->groups;
    struct dv_group group = { 0 };
    uint32_t at = candidate->at;
    groups->count = 0;
    groups->total = 0;
    while (groups->count < DV_GROUPS_MAX && read_run(candidate, at, groups, &group)) {
        groups->group[groups->count++] = group;
        at = read_gap(candidate, group.start + group.digits, &group);
        if (group.gap == 0)
            break;
    }
}

static uint32_t group_value(const struct dv_groups *groups, uint32_t first_digit, uint32_t digits)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < digits; i++)
        value = value * 10 + (uint32_t)(groups->digits[first_digit + i] - '0');
    return value;
}

static bool is_day_and_month(uint32_t a, uint32_t b)
{
    return a >= 1 && b >= 1 && a <= 31 && b <= 31 && (a <= 12 || b <= 12);
}

bool dv_groups_are_date(const struct dv_groups *groups)
{
    const struct dv_group *group = groups->group;
    if (groups->count < 3 || group[0].digits > 4 || group[1].digits > 2 || group[2].digits > 4)
        return false;
    bool alike = group[1].gap == group[2].gap && group[1].gap_chars == 1 && group[2].gap_chars == 1;
    if (!alike || (group[1].gap & (DV_GAP_OPEN | DV_GAP_CLOSE)) != 0)
        return false;
    uint32_t a = group_value(groups, 0, group[0].digits);
    uint32_t b = group_value(groups, group[0].digits, group[1].digits);
    uint32_t c = group_value(groups, (uint32_t)group[0].digits + group[1].digits, group[2].digits);
    if (group[0].digits == 4)
        return a >= 1800 && a <= 2200 && group[2].digits <= 2 && is_day_and_month(b, c);
    bool is_year = group[2].digits == 2 || (group[2].digits == 4 && c >= 1800 && c <= 2200);
    return group[0].digits <= 2 && is_year && is_day_and_month(a, b);
}

static bool begins_with(const unsigned char *text, const unsigned char *end, const char *word)
{
    for (; *word != '\0'; word++, text++)
        if (text == end || dv_lower(*text) != (unsigned char)*word)
            return false;
    return true;
}

static bool begins_with_any(const unsigned char *text, const unsigned char *end, const char *const *words)
{
    for (; *words != NULL; words++)
        if (begins_with(text, end, *words))
            return true;
    return false;
}

bool dv_context_has(const struct dv_candidate *candidate, uint32_t at, const char *const *words)
{
    uint32_t start = at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0;
    const unsigned char *end = candidate->text + at;
    bool found = false;
    bool in_word = start != 0 && dv_is_letter(candidate->text[start - 1]);
    for (const unsigned char *next = candidate->text + start; next < end; next++) {
        if (*next == '\n' && (next == candidate->text + start || next[-1] != ':'))
            found = false;
        bool letter = dv_is_letter(*next);
        if (letter && !in_word && begins_with_any(next, end, words))
            found = true;
        in_word = letter;
    }
    return found;
}

/* Whether one of the words between bars begins at `text`; a word of two letters must end there, too. */
static bool begins_with_named(const unsigned char *text, const unsigned char *end, const char *words)
{
    while (*words != '\0') {
        const unsigned char *at = text;
        const char *word = words;
        for (; at < end && *words != '|' && *words != '\0' && dv_lower(*at) == (unsigned char)*words; words++)
            at++;
        bool ends = *words == '|' || *words == '\0';
        if (ends && words != word && (words - word > 3 || at == end || !dv_is_letter(*at)))
            return true;
        words += strcspn(words, "|");
        words += *words == '|';
    }
    return false;
}

/* A letter, or a byte of a letter of another script. */
static bool is_word_byte(unsigned char byte)
{
    return dv_is_letter(byte) || byte >= 0x80;
}

bool dv_context_names(const struct dv_candidate *candidate, uint32_t at, const char *words)
{
    uint32_t start = at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0;
    const unsigned char *end = candidate->text + at;
    bool found = false;
    bool in_word = start != 0 && is_word_byte(candidate->text[start - 1]);
    for (const unsigned char *next = candidate->text + start; next < end; next++) {
        if (*next == '\n' && (next == candidate->text + start || next[-1] != ':'))
            found = false;
        bool letter = is_word_byte(*next);
        if (letter && !in_word && begins_with_named(next, end, words))
            found = true;
        in_word = letter;
    }
    return found;
}
