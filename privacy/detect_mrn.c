/* SPDX-License-Identifier: Apache-2.0
 * detect_mrn.c - medical record numbers: an id behind words that name one.
 *
 *   MRN 3561168 · MR# 12345 · Medical record number: A-4711 · chart no. 88123 · unit number 12-34-56 ·
 * patient_id=P00007
 *
 * The words are read backwards from the id: [kind] [number word or '#'] [separators] id. */
#include <string.h>

#include "privacy/detect_rows.h"

enum { ID_MAX = 32, SEPARATORS_MAX = 8, WORD_MAX = 12 };

/* Words that name a medical record by themselves. */
static const char *const strong_words[] = { "mrn", "mrns", "nhc", "medrec", "emrn", NULL };
/* Words that need a number word or '#' behind them, or "medical" before. */
static const char *const kind_words[] = { "record", "rec",  "mr",   "chart",    "unit", "patient",
                                          "pat",    "case", "file", "hospital", "med",  NULL };
static const char *const number_words[] = { "number", "no", "num", "nr", "nbr", "id", "identifier", NULL };
static const char *const medical_words[] = { "medical", "med", "health", "hospital", "patient", NULL };
static const char *const link_words[] = { "is", "was", NULL };

/* A place that moves backwards over the words before an id. */
struct back {
    const struct dv_candidate *candidate;
    uint32_t at;
    bool hash; /* a '#' or a number sign was passed */
    char word[WORD_MAX + 1];
};

static bool is_among(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (*word == **words && strcmp(word, *words) == 0)
            return true;
    return false;
}

static bool is_separator(unsigned char byte)
{
    static const bool separators[256] = {
        [' '] = true, ['\t'] = true, [':'] = true,  ['#'] = true, ['='] = true, ['.'] = true, ['_'] = true,
        ['-'] = true, ['"'] = true,  ['\''] = true, ['('] = true, ['['] = true, ['>'] = true
    };
    return separators[byte];
}

static void skip_separators(struct back *back)
{
    for (uint32_t i = 0; i < SEPARATORS_MAX; i++) {
        unsigned char byte = dv_byte_before(back->candidate, back->at, 1);
        if (!is_separator(byte))
            return;
        back->hash |= byte == '#';
        back->at--;
    }
}

/* Reads the word before; an empty one if there is none or it is too long to be one of ours. */
static const char *read_word(struct back *back)
{
    uint32_t length = 0;
    while (length <= WORD_MAX && dv_is_letter(dv_byte_before(back->candidate, back->at, length + 1)))
        length++;
    back->at -= length;
    if (length > WORD_MAX)
        length = 0;
    for (uint32_t i = 0; i < length; i++)
        back->word[i] = (char)dv_lower(back->candidate->text[back->at + i]);
    back->word[length] = '\0';
    return back->word;
}

static const char *word_before(struct back *back)
{
    skip_separators(back);
    return read_word(back);
}

/* How sure the words before the id make it one; 0 if they do not. */
static uint16_t words_score(struct back *back)
{
    const char *word = word_before(back);
    if (is_among(word, link_words))
        word = word_before(back);
    bool numbered = back->hash;
    if (is_among(word, strong_words))
        return 880;
    if (is_among(word, number_words)) {
        numbered = true;
        word = word_before(back);
        if (is_among(word, strong_words))
            return 880;
    }
    if (!is_among(word, kind_words))
        return 0;
    if (numbered)
        return 800;
    return is_among(word_before(back), medical_words) ? 820 : 0;
}

static bool is_keyword(const char *word)
{
    return is_among(word, strong_words) || is_among(word, kind_words) || is_among(word, number_words);
}

/* The start of the id: letters right before the first digit belong to it, with a dash between too ("A-4711"); "MRN" in
 * "MRN12345" and "MRN-12345" does not. */
uint32_t dv_reach_mrn(const struct dv_candidate *candidate)
{
    struct back back = { .candidate = candidate, .at = candidate->at };
    if (*read_word(&back) != '\0')
        return is_keyword(back.word) ? candidate->at : back.at;
    if (dv_byte_before(candidate, candidate->at, 1) != '-')
        return candidate->at;
    back.at = candidate->at - 1;
    return *read_word(&back) == '\0' || is_keyword(back.word) ? candidate->at : back.at;
}

/* The end of the id: letters, digits, and single '-' or '/' between them. */
static uint32_t id_end(const struct dv_candidate *candidate, uint32_t *digits)
{
    uint32_t end = candidate->at;
    while (end - candidate->at < ID_MAX) {
        unsigned char byte = dv_byte(candidate, end);
        bool joint = (byte == '-' || byte == '/') && dv_is_alnum(dv_byte(candidate, end + 1));
        if (!dv_is_alnum(byte) && !joint)
            break;
        *digits += dv_is_digit(byte);
        end++;
    }
    return end;
}

#define LETTER(letter) (1u << ((letter) - 'a'))

/* Whether any word above ends in these two letters: most words before a number in a note do not. */
static bool may_end_keyword(unsigned char last_but_one, unsigned char last)
{
    static const uint32_t pairs[26] = {
        ['c' - 'a'] = LETTER('h') | LETTER('e'),
        ['d' - 'a'] = LETTER('r') | LETTER('e') | LETTER('i'),
        ['e' - 'a'] = LETTER('s') | LETTER('l'),
        ['l' - 'a'] = LETTER('a'),
        ['m' - 'a'] = LETTER('u'),
        ['n' - 'a'] = LETTER('r'),
        ['o' - 'a'] = LETTER('n'),
        ['r' - 'a'] = LETTER('m') | LETTER('e') | LETTER('n') | LETTER('b'),
        ['s' - 'a'] = LETTER('n') | LETTER('i') | LETTER('a'),
        ['t' - 'a'] = LETTER('r') | LETTER('i') | LETTER('n') | LETTER('a'),
    };
    if (!dv_is_letter(last) || !dv_is_letter(last_but_one))
        return false;
    return (pairs[(last | 0x20) - 'a'] & LETTER(last_but_one | 0x20)) != 0;
}

bool dv_verify_mrn(const struct dv_candidate *candidate, struct dv_span *span)
{
    unsigned char joint = dv_byte_before(candidate, candidate->at, 1);
    if ((joint == '-' || joint == '/' || joint == '.') && dv_is_digit(dv_byte_before(candidate, candidate->at, 2)))
        return false; /* the middle of a number: its first run was asked about */
    struct back back = { .candidate = candidate, .at = dv_reach_mrn(candidate) };
    uint32_t start = back.at;
    skip_separators(&back);
    if (!may_end_keyword(dv_byte_before(candidate, back.at, 2), dv_byte_before(candidate, back.at, 1)))
        return false;
    uint16_t score = words_score(&back);
    uint32_t digits = 0;
    uint32_t end = score != 0 ? id_end(candidate, &digits) : start;
    return digits >= (score >= 880 ? 3u : 4u) && dv_span_fill(span, start, end, score, "id behind a record word");
}
