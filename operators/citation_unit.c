/* SPDX-License-Identifier: Apache-2.0
 * citation_unit.c - tables of words. */
#include "operators/citation_unit.h"

#include <stddef.h>
#include <string.h>

struct pair {
    const char *word, *means;
};

/* Without a plural in -s, which is tried. */
static const struct pair units[] = {
    { "%", "%" },
    { "percent", "%" },
    { "pct", "%" },
    { "percentage", "pp" },
    { "mg", "mg" },
    { "milligram", "mg" },
    { "g", "g" },
    { "gram", "g" },
    { "kg", "kg" },
    { "kilogram", "kg" },
    { "mcg", "ug" },
    { "ug", "ug" },
    { "microgram", "ug" },
    { "ng", "ng" },
    { "lb", "lb" },
    { "oz", "oz" },
    { "ounce", "oz" },
    { "tonne", "tonne" },
    { "ton", "ton" },
    { "ml", "ml" },
    { "millilitre", "ml" },
    { "milliliter", "ml" },
    { "l", "l" },
    { "litre", "l" },
    { "liter", "l" },
    { "dl", "dl" },
    { "mm", "mm" },
    { "cm", "cm" },
    { "m", "m" },
    { "km", "km" },
    { "metre", "m" },
    { "meter", "m" },
    { "mile", "mile" },
    { "inch", "inch" },
    { "foot", "foot" },
    { "feet", "foot" },
    { "ms", "ms" },
    { "sec", "sec" },
    { "second", "sec" },
    { "minute", "minute" },
    { "min", "minute" },
    { "h", "hour" },
    { "hr", "hour" },
    { "hour", "hour" },
    { "day", "day" },
    { "week", "week" },
    { "month", "month" },
    { "year", "year" },
    { "yr", "year" },
    { "decade", "decade" },
    { "century", "century" },
    { "hundred", "hundred" },
    { "thousand", "thousand" },
    { "k", "thousand" },
    { "million", "million" },
    { "mn", "million" },
    { "billion", "billion" },
    { "bn", "billion" },
    { "trillion", "trillion" },
    { "dozen", "dozen" },
    { "mmhg", "mmhg" },
    { "bpm", "bpm" },
    { "mmol", "mmol" },
    { "mol", "mol" },
    { "iu", "iu" },
    { "kcal", "kcal" },
    { "kj", "kj" },
    { "kw", "kw" },
    { "kwh", "kwh" },
    { "hz", "hz" },
    { "celsius", "celsius" },
    { "fahrenheit", "fahrenheit" },
    { "eur", "eur" },
    { "euro", "eur" },
    { "usd", "usd" },
    { "dollar", "usd" },
    { "gbp", "gbp" },
    { "pound", "pound" },
    { "cent", "cent" },
    { "fold", "fold" },
    { "median", "median" },
    { "percentile", "percentile" },
    { "daily", "daily" },
    { "weekly", "weekly" },
    { "monthly", "monthly" },
    { "yearly", "yearly" },
    { "annual", "yearly" },
    { "annually", "yearly" },
    { "hourly", "hourly" },
};

static const struct pair shares[] = {
    { "half", "half" },        { "halves", "half" },      { "halved", "half" },        { "quarter", "quarter" },
    { "quarters", "quarter" }, { "twice", "double" },     { "double", "double" },      { "doubled", "double" },
    { "doubles", "double" },   { "doubling", "double" },  { "thrice", "triple" },      { "triple", "triple" },
    { "tripled", "triple" },   { "triples", "triple" },   { "quadruple", "fourfold" }, { "quadrupled", "fourfold" },
    { "twofold", "double" },   { "threefold", "triple" }, { "fourfold", "fourfold" },  { "fivefold", "fivefold" },
    { "tenfold", "tenfold" },  { "third", "third" },      { "thirds", "third" },       { "fourth", "fourth" },
    { "fifth", "fifth" },      { "fifths", "fifth" },     { "sixth", "sixth" },        { "seventh", "seventh" },
    { "eighth", "eighth" },    { "ninth", "ninth" },      { "tenth", "tenth" },        { "eleventh", "eleventh" },
    { "twelfth", "twelfth" },
};

/* Sorted as in numbers: 0 to 19, then the tens. */
static const char *const numbers[] = { "zero",     "one",     "two",     "three",     "four",     "five",    "six",
                                       "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
                                       "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen" };
static const char *const tens[] = { "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety" };

static const char *const empty[] = {
    "about",  "above",    "according", "after",   "again",    "also",     "although", "among",  "another", "because",
    "been",   "before",   "being",     "below",   "between",  "both",     "case",     "cases",  "could",   "data",
    "does",   "down",     "during",    "each",    "either",   "evidence", "from",     "given",  "group",   "groups",
    "have",   "having",   "here",      "however", "into",     "itself",   "just",     "less",   "like",    "made",
    "main",   "many",     "more",      "most",    "much",     "nearly",   "only",     "other",  "over",    "people",
    "record", "recorded", "records",   "same",    "seen",     "several",  "shall",    "should", "show",    "showed",
    "shown",  "shows",    "since",     "some",    "such",     "than",     "that",     "their",  "them",    "then",
    "there",  "these",    "they",      "this",    "those",    "through",  "under",    "until",  "upon",    "used",
    "very",   "well",     "were",      "what",    "when",     "where",    "which",    "while",  "whose",   "will",
    "with",   "within",   "would",     "patient", "patients",
};

static const char *const openers[] = {
    "a",       "according", "across",    "additionally", "after",     "all",     "although", "among",    "an",
    "and",     "another",   "answer",    "are",          "as",        "at",      "based",    "because",  "before",
    "behind",  "besides",   "between",   "both",         "but",       "by",      "cases",    "compared", "during",
    "each",    "either",    "every",     "evidence",     "finally",   "first",   "for",      "from",     "furthermore",
    "given",   "groups",    "he",        "hence",        "here",      "her",     "his",      "how",      "however",
    "if",      "in",        "indeed",    "into",         "is",        "it",      "its",      "last",     "lastly",
    "later",   "less",      "like",      "many",         "meanwhile", "more",    "moreover", "most",     "no",
    "none",    "not",       "now",       "of",           "on",        "only",    "or",       "other",    "others",
    "our",     "overall",   "over",      "patients",     "people",    "records", "recent",   "recently", "several",
    "she",     "similarly", "since",     "so",           "some",      "such",    "that",     "the",      "their",
    "then",    "there",     "therefore", "these",        "they",      "this",    "those",    "though",   "through",
    "thus",    "to",        "together",  "under",        "until",     "we",      "what",     "when",     "where",
    "whereas", "which",     "while",     "who",          "with",      "within",  "without",  "yes",      "yet",
};

static const char *find(const struct pair *pairs, size_t count, const char *word, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(pairs[i].word, word, length) == 0 && pairs[i].word[length] == '\0')
            return pairs[i].means;
    return NULL;
}

static bool is_one_of(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

const char *dv_unit_of(const char *word)
{
    const size_t count = sizeof units / sizeof *units;
    size_t length = strlen(word);
    const char *means = find(units, count, word, length);
    if (means == NULL && length > 3 && word[length - 1] == 's')
        means = find(units, count, word, length - 1);
    if (means == NULL && length > 4 && strcmp(word + length - 2, "es") == 0)
        means = find(units, count, word, length - 2);
    return means;
}

const char *dv_share_of(const char *word)
{
    return find(shares, sizeof shares / sizeof *shares, word, strlen(word));
}

bool dv_number_of(const char *word, uint32_t *ret_value)
{
    for (uint32_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        *ret_value = i;
        if (strcmp(numbers[i], word) == 0)
            return true;
    }
    for (uint32_t i = 0; i < sizeof tens / sizeof *tens; i++) {
        *ret_value = 10 * (i + 2);
        if (strcmp(tens[i], word) == 0)
            return true;
    }
    return false;
}

bool dv_word_is_empty(const char *word)
{
    return is_one_of(empty, sizeof empty / sizeof *empty, word);
}

bool dv_word_opens(const char *word)
{
    return is_one_of(openers, sizeof openers / sizeof *openers, word);
}
