/* SPDX-License-Identifier: Apache-2.0
 * detect_card.c - payment cards: an issuer's range, a length that issuer uses, and the Luhn check of ISO/IEC 7812-1. */
#include "privacy/detect_rows.h"

/* Numbers whose first six digits lie in low..high. */
struct issuer {
    uint32_t low, high;
    uint8_t min, max;
};

static const struct issuer issuers[] = {
    { 400000, 499999, 13, 19 }, /* Visa */
    { 510000, 559999, 16, 16 }, /* Mastercard */
    { 222100, 272099, 16, 16 }, /* Mastercard, second range */
    { 340000, 349999, 15, 15 }, /* American Express */
    { 370000, 379999, 15, 15 }, /* American Express */
    { 300000, 305999, 14, 19 }, /* Diners Club */
    { 309500, 309599, 14, 19 }, /* Diners Club */
    { 360000, 369999, 14, 19 }, /* Diners Club */
    { 380000, 399999, 14, 19 }, /* Diners Club, Discover */
    { 180000, 180099, 15, 15 }, /* JCB, old */
    { 213100, 213199, 15, 15 }, /* JCB, old */
    { 352800, 358999, 16, 19 }, /* JCB */
    { 220000, 220499, 16, 19 }, /* Mir */
    { 500000, 509999, 12, 19 }, /* Maestro */
    { 560000, 699999, 12, 19 }, /* Maestro, Discover, UnionPay, RuPay */
    { 810000, 817199, 16, 19 }, /* UnionPay */
};

static const char *const card_words[] = { "card", "credit", "debit", "visa", "mastercard", "amex", "pan", "cc", NULL };

static bool passes_luhn(const unsigned char *digits, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t digit = (uint32_t)(digits[count - 1 - i] - '0');
        uint32_t doubled = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
        sum += (i & 1) != 0 ? doubled : digit;
    }
    return sum % 10 == 0;
}

static bool has_issuer(const unsigned char *digits, uint32_t count)
{
    uint32_t prefix = 0;
    for (uint32_t i = 0; i < 6; i++)
        prefix = prefix * 10 + (uint32_t)(digits[i] - '0');
    for (size_t i = 0; i < sizeof issuers / sizeof *issuers; i++)
        if (prefix >= issuers[i].low && prefix <= issuers[i].high)
            if (count >= issuers[i].min && count <= issuers[i].max)
                return true;
    return false;
}

/* Cards are printed in groups of three and more, or spelled digit by digit; "4 500 mg" is neither. */
static bool is_grouped_like_card(const struct dv_groups *groups, uint32_t last)
{
    uint32_t short_groups = 0;
    for (uint32_t i = 0; i <= last; i++) {
        if (i != 0 && groups->group[i].gap_chars != 1)
            return false;
        short_groups += i != last && groups->group[i].digits < 3;
    }
    return short_groups == 0 || last + 1 >= 12;
}

static uint16_t score_of(const struct dv_candidate *candidate, uint32_t last, uint32_t total)
{
    const struct dv_groups *groups = &candidate->groups;
    if (total < 12 || total > 19 || !is_grouped_like_card(groups, last))
        return 0;
    if (!passes_luhn(groups->digits, total))
        return 0;
    if (has_issuer(groups->digits, total))
        return 950;
    return dv_context_has(candidate, candidate->at, card_words) ? 800 : 0;
}

bool dv_verify_card(const struct dv_candidate *candidate, struct dv_span *span)
{
    const struct dv_groups *groups = &candidate->groups;
    bool found = false;
    uint32_t total = 0;
    for (uint32_t i = 0; i < groups->count && total < 19; i++) {
        total += groups->group[i].digits;
        uint16_t score = score_of(candidate, i, total);
        if (score != 0)
            found = dv_span_fill(span, candidate->at, dv_group_end(groups, i), score, "card number with Luhn check");
    }
    return found;
}
