/* SPDX-License-Identifier: Apache-2.0
 * vectors_words.c - cuts a question into words. */
#include "connectors/vectors_words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <utf8proc.h>

#include "engine/error.h"

/* What nearly every English text has. */
static const char *const empty_words[] = {
    "a",    "about", "after", "all",  "an",    "and",  "any",  "are",  "as",    "at",    "be",   "been", "but",   "by",   "can",   "could",
    "did",  "do",    "does",  "for",  "from",  "had",  "has",  "have", "how",   "i",     "if",   "in",   "into",  "is",   "it",    "its",
    "many", "me",    "more",  "most", "much",  "my",   "no",   "not",  "of",    "on",    "or",   "our",  "over",  "s",    "should", "so",
    "some", "such",  "t",     "than", "that",  "the",  "their", "them", "then", "there", "these", "they", "this", "those", "to",   "under",
    "was",  "we",    "were",  "what", "when",  "where", "which", "who", "why",  "will",  "with", "would", "you",  "your",
};

static bool says_nothing(const struct dv_word *word)
{
    for (size_t i = 0; i < sizeof empty_words / sizeof empty_words[0]; i++)
        if (strlen(empty_words[i]) == word->length && strncasecmp(empty_words[i], word->at, word->length) == 0)
            return true;
    return false;
}

static bool is_among(const struct dv_word *words, size_t count, const struct dv_word *word)
{
    for (size_t i = 0; i < count; i++)
        if (words[i].length == word->length && strncasecmp(words[i].at, word->at, word->length) == 0)
            return true;
    return false;
}

/* How many bytes the character at `text` has; *ret_is: whether it belongs to a word. */
static size_t character(const char *text, size_t length, bool *ret_is)
{
    utf8proc_int32_t code = -1;
    utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)(length < 4 ? length : 4), &code);
    *ret_is = false;
    if (bytes <= 0)
        return 1;
    utf8proc_category_t category = utf8proc_category(code);
    *ret_is = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
    return (size_t)bytes;
}

size_t dv_words_of(const char *text, size_t length, struct dv_word words[DV_WORDS_MAX])
{
    size_t count = 0, start = 0;
    bool inside = false;
    for (size_t at = 0; at <= length && count < DV_WORDS_MAX;) {
        bool is = false;
        size_t bytes = at < length ? character(text + at, length - at, &is) : 1;
        if (is && !inside)
            start = at;
        struct dv_word word = { text + start, at - start };
        if (inside && !is && word.length <= DV_WORD_BYTES_MAX && !says_nothing(&word) && !is_among(words, count, &word))
            words[count++] = word;
        inside = is;
        at += bytes;
    }
    return count;
}

size_t dv_words_join(const struct dv_word *words, size_t count, const char *before, const char *after, const char *between, char *out,
                     size_t size)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        int written = snprintf(out + length, size - length, "%s%s%.*s%s", i > 0 ? between : "", before, (int)words[i].length, words[i].at, after);
        DV_ASSERT(written > 0 && (size_t)written < size - length);
        length += (size_t)written;
    }
    return length;
}
