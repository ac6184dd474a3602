/* SPDX-License-Identifier: Apache-2.0
 * detect_age.c - ages over 89, which the Safe Harbor rule of HIPAA (45 CFR 164.514) does not let through.
 *
 *   94-year-old · aged 91 · 92 yo · 95 y/o · Age: 101 · 91 años · 93 Jahre alt */
#include <string.h>

#include "privacy/detect_rows.h"

enum { AGE_LEAST = 90, AGE_MOST = 130, WORD_MAX = 10 };

static const char *const behind_words[] = { "yo",       "y/o",       "y.o",    "yof",      "yom",       "yr old", "yrs old", "year old", "years old",
                                            "year-old", "years-old", "yr-old", "years of age", "years young", "anos", "a\xC3\xB1os", "ans", "anni",
                                            "jahre alt", "j\xC3\xA4hrig", "-j\xC3\xA4hrig", "yearold", "yrs. old", "y old", NULL };
static const char *const before_words[] = { "age", "aged", "edad", "alter", "\xC3\xA2ge", "idade", "et\xC3\xA0", "ages", NULL };

static bool begins(const struct dv_candidate *candidate, uint32_t at, const char *word)
{
    for (; *word != '\0'; word++, at++)
        if (dv_lower(dv_byte(candidate, at)) != (unsigned char)*word)
            return false;
    return !dv_is_letter(dv_byte(candidate, at)) || word[-1] == 'g';
}

static bool is_behind(const struct dv_candidate *candidate, uint32_t at)
{
    at += dv_byte(candidate, at) == ' ' || dv_byte(candidate, at) == '-';
    for (const char *const *word = behind_words; *word != NULL; word++)
        if (begins(candidate, at, *word))
            return true;
    return false;
}

static bool is_before(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t end = at;
    while (at - end < 3 && end > 0 && candidate->text[end - 1] != 0 && strchr(" :=", candidate->text[end - 1]) != NULL)
        end--;
    for (const char *const *word = before_words; end < at && *word != NULL; word++) {
        uint32_t length = (uint32_t)strlen(*word);
        if (length <= end && begins(candidate, end - length, *word) && !dv_is_letter(dv_byte_before(candidate, end, length + 1)))
            return true;
    }
    return false;
}

bool dv_verify_age(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t value = 0, end = candidate->at;
    while (end - candidate->at < 4 && dv_is_digit(dv_byte(candidate, end)))
        value = value * 10 + (uint32_t)(candidate->text[end++] - '0');
    if (value < AGE_LEAST || value > AGE_MOST)
        return false;
    unsigned char before = dv_byte_before(candidate, candidate->at, 1), after = dv_byte(candidate, end);
    bool inside = dv_is_letter(before) || ((before == '.' || before == ',' || before == '/' || before == '-') && dv_is_digit(dv_byte_before(candidate, candidate->at, 2)));
    bool goes_on = (after == '.' || after == ',' || after == '/' || after == '%') && (after == '%' || dv_is_digit(dv_byte(candidate, end + 1)));
    if (inside || goes_on || (!is_behind(candidate, end) && (dv_is_letter(after) || !is_before(candidate, candidate->at))))
        return false;
    return dv_span_fill(span, candidate->at, end, 860, "an age over 89");
}
