/* SPDX-License-Identifier: Apache-2.0
 * vectors_words.h - the words of a question, so that nothing else of it reaches a search engine's own syntax.
 *
 * A word is a run of letters, digits and marks (of any script); everything else, bytes that are no UTF-8 too, only parts
 * words. Words that say nothing ("the", "what") are left out, and so is what is longer than a word can be. Time is linear
 * in the length, and reading ends with the last word that is wanted. */
#ifndef DV_CONNECTORS_VECTORS_WORDS_H
#define DV_CONNECTORS_VECTORS_WORDS_H

#include <stddef.h>

enum { DV_WORDS_MAX = 32, DV_WORD_BYTES_MAX = 64 };

/* A word, as it stands in the text. */
struct dv_word {
    const char *at;
    size_t length;
};

/* The first different words of text[0..length); returns how many. */
size_t dv_words_of(const char *text, size_t length, struct dv_word words[DV_WORDS_MAX]);

/* Joins them: each between `before` and `after`, `between` in between. Returns the length; `out` has `size` bytes, which must do
 * for all words of the greatest length. NUL-terminated. */
size_t dv_words_join(const struct dv_word *words, size_t count, const char *before, const char *after, const char *between, char *out,
                     size_t size);

#endif
