/* SPDX-License-Identifier: Apache-2.0
 * detect_ssn.c - United States social security numbers: 3-2-4 digits.
 *
 * With dashes any digits count: a number that was never issued is still somebody's entry in the field. With other
 * separators the ranges of the Social Security Administration must hold (area not 000, 666, 9xx; no part all zero).
 * Nine digits in one run need a word before them. */
#include "privacy/detect_rows.h"

static const char *const ssn_words[] = { "ssn", "social", "ss#", "ss ", "tin", "itin", NULL };

static bool was_issued(const unsigned char *digits)
{
    uint32_t area = (uint32_t)(digits[0] - '0') * 100 + (uint32_t)(digits[1] - '0') * 10 + (uint32_t)(digits[2] - '0');
    bool group = digits[3] != '0' || digits[4] != '0';
    bool serial = digits[5] != '0' || digits[6] != '0' || digits[7] != '0' || digits[8] != '0';
    return area != 0 && area != 666 && area < 900 && group && serial;
}

static bool ends_word(const struct dv_candidate *candidate, uint32_t end)
{
    unsigned char after = dv_byte(candidate, end);
    return !dv_is_alnum(after) && after != '_';
}

static bool verify_compact(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t end = dv_group_end(&candidate->groups, 0);
    if (!ends_word(candidate, end) || !dv_context_has(candidate, candidate->at, ssn_words))
        return false;
    return dv_span_fill(span, candidate->at, end, 850, "nine digits after a word for social security");
}

bool dv_verify_ssn(const struct dv_candidate *candidate, struct dv_span *span)
{
    const struct dv_groups *groups = &candidate->groups;
    const struct dv_group *group = groups->group;
    if (groups->count != 0 && group[0].digits == 9)
        return verify_compact(candidate, span);
    if (groups->count < 3 || group[0].digits != 3 || group[1].digits != 2 || group[2].digits != 4)
        return false;
    if (group[1].gap != group[2].gap || group[1].gap_chars != 1 || group[2].gap_chars != 1)
        return false;
    uint32_t end = dv_group_end(groups, 2);
    bool issued = was_issued(groups->digits);
    if (!ends_word(candidate, end) || (group[1].gap & (DV_GAP_OPEN | DV_GAP_CLOSE)) != 0)
        return false;
    if (group[1].gap == DV_GAP_DASH)
        return dv_span_fill(span, candidate->at, end, issued ? 900 : 700, "three, two and four digits with dashes");
    return issued && dv_span_fill(span, candidate->at, end, 700, "three, two and four digits in an issued range");
}
