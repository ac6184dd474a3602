/* SPDX-License-Identifier: Apache-2.0
 * vectors_forms.c - takes a word's ending off, and says which there may be instead. */
#include "connectors/vectors_forms.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/error.h"

enum { STEM_MIN = 3 };

#define ENDINGS "(e|s|es|ed|is|ing|ings)?"
#define ENDINGS_OF_Y "(y|ies|ied|ying)"

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_vowel(char c)
{
    return c != '\0' && strchr("aeiouy", c) != NULL;
}

static bool ends_in(const char *text, size_t length, const char *ending)
{
    size_t part = strlen(ending);
    return length >= part && memcmp(text + length - part, ending, part) == 0;
}

/* Enough is left to be a word: three letters, and something to say them by. */
static bool is_stem(const char *text, size_t length)
{
    bool sounds = false;
    for (size_t i = 0; i < length; i++)
        sounds = sounds || is_vowel(text[i]) || !is_letter(text[i]);
    return length >= STEM_MIN && sounds;
}

/* The length without an ending of those that y changes into, y itself among them; 0: it has none. */
static size_t without_y(const char *text, size_t length)
{
    static const char *const endings[] = { "ying", "ies", "ied", "y" };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t left = ends_in(text, length, endings[i]) ? length - strlen(endings[i]) : 0;
        if (left >= STEM_MIN && is_letter(text[left - 1]) && !is_vowel(text[left - 1]))
            return left;
    }
    return 0;
}

/* Words whose last letters are no ending, though they look like one. */
static bool is_whole(const char *text, size_t length)
{
    return ends_in(text, length, "ss") || ends_in(text, length, "us") || ends_in(text, length, "eed");
}

static size_t without_ending(const char *text, size_t length)
{
    static const char *const endings[] = { "ings", "ing", "ed", "es", "is", "s", "e" };
    for (size_t i = 0; !is_whole(text, length) && i < sizeof endings / sizeof endings[0]; i++)
        if (ends_in(text, length, endings[i]) && is_stem(text, length - strlen(endings[i])))
            return length - strlen(endings[i]);
    return length;
}

/* "stopped" is of "stop": the letter that was doubled for the ending. */
static size_t undoubled(const char *text, size_t left, size_t length)
{
    bool doubled = left < length && left > STEM_MIN && text[left - 1] == text[left - 2] && !is_vowel(text[left - 1]);
    return doubled && strchr("lsz", text[left - 1]) == NULL ? left - 1 : left;
}

static void lower(const struct dv_word *word, char out[DV_WORD_BYTES_MAX + 1])
{
    for (size_t i = 0; i < word->length; i++)
        out[i] = word->at[i] >= 'A' && word->at[i] <= 'Z' ? (char)(word->at[i] - 'A' + 'a') : word->at[i];
    out[word->length] = '\0';
}

static bool has_digit(const char *text)
{
    return strpbrk(text, "0123456789") != NULL;
}

void dv_words_forms(const struct dv_word *word, struct dv_word_forms *ret)
{
    DV_ASSERT(word->length > 0 && word->length <= DV_WORD_BYTES_MAX);
    lower(word, ret->stem);
    (void)snprintf(ret->pattern, sizeof ret->pattern, "%s", ret->stem);
    if (word->length < STEM_MIN || has_digit(ret->stem))
        return;
    size_t left = without_y(ret->stem, word->length);
    const char *endings = left > 0 ? ENDINGS_OF_Y : ENDINGS;
    if (left == 0)
        left = undoubled(ret->stem, without_ending(ret->stem, word->length), word->length);
    const char last = ret->stem[left - 1];
    const bool may_double = endings[1] == 'e' && is_letter(last) && !is_vowel(last);
    const char doubled[] = { may_double ? last : '\0', '?', '\0' };
    ret->stem[left] = '\0';
    (void)snprintf(ret->pattern, sizeof ret->pattern, "%s%s%s", ret->stem, doubled, endings);
}
