/* SPDX-License-Identifier: Apache-2.0
 * detect_phone.c - telephone numbers: North American, international with + or 00, national with a leading 0, and any
 * grouping after a word such as "phone" or "call".
 *
 * Lengths of national numbers are those of the numbering plans published by the ITU (E.164 allows 15 digits in all). */
#include <string.h>

#include "privacy/detect_rows.h"

static const char *const phone_words[] = { "phone", "tel",     "call",  "cell",  "mobile", "mobil",    "fax",
                                           "dial",  "contact", "pager", "reach", "handy",  "whatsapp", NULL };

/* A country code and how many digits may follow it, without a trunk 0. */
struct country {
    char code[4];
    uint8_t min, max;
};

static const struct country countries[] = {
    { "1", 10, 10 },  { "7", 10, 10 },  { "20", 8, 10 },  { "27", 9, 9 },   { "30", 10, 10 }, { "31", 9, 9 },
    { "32", 8, 9 },   { "33", 9, 9 },   { "34", 9, 9 },   { "36", 8, 9 },   { "39", 6, 11 },  { "40", 9, 9 },
    { "41", 9, 9 },   { "43", 6, 12 },  { "44", 9, 10 },  { "45", 8, 8 },   { "46", 7, 9 },   { "47", 8, 8 },
    { "48", 9, 9 },   { "49", 6, 11 },  { "51", 8, 9 },   { "52", 10, 11 }, { "54", 10, 11 }, { "55", 10, 11 },
    { "56", 9, 9 },   { "57", 8, 10 },  { "60", 8, 10 },  { "61", 9, 9 },   { "62", 8, 12 },  { "63", 8, 10 },
    { "64", 8, 10 },  { "65", 8, 8 },   { "66", 8, 9 },   { "81", 9, 10 },  { "82", 8, 10 },  { "84", 9, 10 },
    { "86", 10, 11 }, { "90", 10, 10 }, { "91", 10, 10 }, { "92", 9, 10 },  { "234", 8, 10 }, { "254", 9, 9 },
    { "351", 9, 9 },  { "352", 6, 9 },  { "353", 7, 9 },  { "354", 7, 9 },  { "358", 6, 11 }, { "359", 8, 9 },
    { "370", 8, 8 },  { "371", 8, 8 },  { "372", 7, 8 },  { "380", 9, 9 },  { "385", 8, 9 },  { "386", 8, 8 },
    { "420", 9, 9 },  { "421", 9, 9 },  { "852", 8, 8 },  { "886", 8, 9 },  { "966", 8, 9 },  { "971", 8, 9 },
    { "972", 8, 9 },
};

static bool ends_word(const struct dv_candidate *candidate, uint32_t end)
{
    unsigned char after = dv_byte(candidate, end);
    return !dv_is_alnum(after) && after != '_';
}

static uint32_t skip_word(const struct dv_candidate *candidate, uint32_t at, const char *word)
{
    uint32_t end = at;
    for (; *word != '\0'; word++, end++)
        if (dv_lower(dv_byte(candidate, end)) != (unsigned char)*word)
            return at;
    return end;
}

/* " x123", " ext. 5": the end of the extension, or `end`. */
static uint32_t extension_end(const struct dv_candidate *candidate, uint32_t end)
{
    static const char *const words[] = { "extension", "ext", "x", NULL };
    uint32_t at = end;
    while (at - end < 2 && (dv_byte(candidate, at) == ' ' || dv_byte(candidate, at) == ','))
        at++;
    uint32_t number = at;
    for (const char *const *word = words; *word != NULL && number == at; word++)
        number = skip_word(candidate, at, *word);
    if (number == at)
        return end;
    for (uint32_t i = 0; i < 2 && strchr(" .:", dv_byte(candidate, number)) != NULL && number < candidate->length; i++)
        number++;
    uint32_t digits = 0;
    while (digits < 6 && dv_is_digit(dv_byte(candidate, number + digits)))
        digits++;
    return digits != 0 && ends_word(candidate, number + digits) ? number + digits : end;
}

uint32_t dv_reach_phone(const struct dv_candidate *candidate)
{
    uint32_t start = candidate->at;
    start -= dv_byte_before(candidate, start, 1) == '(';
    start -= dv_byte_before(candidate, start, 1) == '+';
    return start;
}

/* Fills the span from the first group, with a '+' or '(' before it and an extension behind. */
static bool fill(const struct dv_candidate *candidate, struct dv_span *span, uint32_t last_group, uint16_t score,
                 const char *why)
{
    uint32_t end = extension_end(candidate, dv_group_end(&candidate->groups, last_group));
    if (!ends_word(candidate, end))
        return false;
    return dv_span_fill(span, dv_reach_phone(candidate), end, score, why);
}

/* 3-3-4 digits from group `first` on; "(555) 1234567" too. Gives the last group, or 0. */
static uint32_t nanp_groups(const struct dv_groups *groups, uint32_t first)
{
    const struct dv_group *group = groups->group + first;
    if (groups->count < first + 2 || group[0].digits != 3)
        return 0;
    if (group[1].digits == 7 && (group[1].gap & DV_GAP_CLOSE) != 0)
        return first + 1;
    if (groups->count < first + 3 || group[1].digits != 3 || group[2].digits != 4)
        return 0;
    return first + 2;
}

static bool verify_nanp(const struct dv_candidate *candidate, struct dv_span *span)
{
    const struct dv_groups *groups = &candidate->groups;
    uint32_t first = groups->group[0].digits == 1 && groups->digits[0] == '1';
    uint32_t last = nanp_groups(groups, first);
    if (last == 0)
        return false;
    const struct dv_group *area = &groups->group[first];
    if (first == 1 && area->gap_chars - ((area->gap & DV_GAP_OPEN) != 0) > 1)
        return false;
    return fill(candidate, span, last, 850, "North American number");
}

static bool starts_with(const unsigned char *digits, uint32_t count, const char *code)
{
    size_t length = strlen(code);
    return length <= count && memcmp(digits, code, length) == 0;
}

static const struct country *find_country(const unsigned char *digits, uint32_t count)
{
    for (size_t i = 0; i < sizeof countries / sizeof *countries; i++)
        if (starts_with(digits, count, countries[i].code))
            return &countries[i];
    return NULL;
}

/* The last group at whose end the digits so far number min..max; DV_GROUPS_MAX if there is none. */
static uint32_t last_group_within(const struct dv_groups *groups, uint32_t min, uint32_t max)
{
    uint32_t last = DV_GROUPS_MAX;
    uint32_t total = 0;
    for (uint32_t i = 0; i < groups->count && total < max; i++) {
        total += groups->group[i].digits;
        if (total >= min && total <= max)
            last = i;
    }
    return last;
}

static bool verify_international(const struct dv_candidate *candidate, struct dv_span *span)
{
    const struct dv_groups *groups = &candidate->groups;
    bool plus =
        dv_byte_before(candidate, candidate->at, 1) == '+' && !dv_is_digit(dv_byte_before(candidate, candidate->at, 2));
    uint32_t prefix = !plus && groups->total > 2 && groups->digits[0] == '0' && groups->digits[1] == '0' ? 2 : 0;
    if (!plus && prefix == 0)
        return false;
    const struct country *country = find_country(groups->digits + prefix, groups->total - prefix);
    uint32_t last = DV_GROUPS_MAX;
    if (country != NULL) {
        uint32_t code = prefix + (uint32_t)strlen(country->code);
        bool trunk = groups->digits[code] == '0';
        last = last_group_within(groups, code + country->min, code + country->max + trunk);
    }
    if (last == DV_GROUPS_MAX && plus)
        last = last_group_within(groups, 8, 15);
    return last != DV_GROUPS_MAX && fill(candidate, span, last, 870, "international number");
}

/* A decimal fraction or the middle of a longer token: no number begins here. */
static bool begins_inside(const struct dv_candidate *candidate)
{
    unsigned char before = dv_byte_before(candidate, candidate->at, 1);
    bool fraction = (before == '.' || before == ',') && dv_is_digit(dv_byte_before(candidate, candidate->at, 2));
    bool order = before == '-' && dv_is_letter(dv_byte_before(candidate, candidate->at, 2)); /* "PO-2258428" */
    return fraction || order || dv_is_alnum(before) || before == '_';
}

static bool verify_trunk_zero(const struct dv_candidate *candidate, struct dv_span *span)
{
    const struct dv_groups *groups = &candidate->groups;
    const struct dv_group *group = groups->group;
    if (groups->digits[0] != '0' || groups->digits[1] == '0' || groups->count < 2)
        return false;
    if (group[0].digits < 2 || group[0].digits > 5 || begins_inside(candidate))
        return false;
    uint32_t last = last_group_within(groups, 9, 11);
    if (last == DV_GROUPS_MAX)
        return false;
    for (uint32_t i = 1; i <= last; i++)
        if (group[i].digits < 2 || group[i].gap_chars > 2 || (group[i].gap & DV_GAP_DOT) != 0)
            return false;
    return fill(candidate, span, last, 500, "national number with trunk 0");
}

/* 5551234567: area and exchange begin with 2..9 and are no N11 service code. */
static bool is_nanp(const unsigned char *digits)
{
    bool area = digits[0] >= '2' && !(digits[1] == '1' && digits[2] == '1');
    return area && digits[3] >= '2' && !(digits[4] == '1' && digits[5] == '1');
}

static bool verify_compact(const struct dv_candidate *candidate, struct dv_span *span)
{
    const struct dv_groups *groups = &candidate->groups;
    uint32_t country = groups->group[0].digits == 11 && groups->digits[0] == '1';
    if (groups->group[0].digits != 10 + country || !is_nanp(groups->digits + country) || begins_inside(candidate))
        return false;
    if (groups->count > 1 && groups->group[1].gap == DV_GAP_DOT && groups->group[1].gap_chars == 1)
        return false;
    return fill(candidate, span, 0, 500, "ten digits of a North American number");
}

static bool verify_named(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t last = last_group_within(&candidate->groups, 7, 12);
    if (last == DV_GROUPS_MAX || begins_inside(candidate))
        return false;
    return dv_context_has(candidate, candidate->at, phone_words) &&
           fill(candidate, span, last, 450, "digits after a word for telephone");
}

bool dv_verify_phone(const struct dv_candidate *candidate, struct dv_span *span)
{
    if (candidate->groups.count == 0)
        return false;
    if (verify_nanp(candidate, span) || verify_international(candidate, span))
        return true;
    if (dv_groups_are_date(&candidate->groups))
        return false;
    return verify_trunk_zero(candidate, span) || verify_compact(candidate, span) || verify_named(candidate, span);
}
