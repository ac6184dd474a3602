/* SPDX-License-Identifier: Apache-2.0
 * vectors_forms.h - the forms of a word, as a pattern, where what searches knows no endings: migraine, migraines; allergy, allergies.
 *
 * Endings are English ones, taken off by a few rules and put back by the pattern; words of other languages keep theirs. A
 * pattern is a POSIX extended regular expression of which every other character is a letter, a digit or a mark. */
#ifndef DV_CONNECTORS_VECTORS_FORMS_H
#define DV_CONNECTORS_VECTORS_FORMS_H

#include "connectors/vectors_words.h"

enum { DV_WORD_PATTERN_MAX = DV_WORD_BYTES_MAX + 40 };

/* What all forms of a word begin with, and the whole of each. ASCII is in lower case, the rest as it was. */
struct dv_word_forms {
    char stem[DV_WORD_BYTES_MAX + 1];
    char pattern[DV_WORD_PATTERN_MAX + 1];
};

/* The forms of a word of dv_words_of(). */
void dv_words_forms(const struct dv_word *word, struct dv_word_forms *ret);

#endif
