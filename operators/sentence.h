/* SPDX-License-Identifier: Apache-2.0
 * sentence.h - where a sentence of prose ends, while it is still coming.
 *
 * A sentence ends behind ". ", "! ", "? " and at the end of a line; not behind an abbreviation ("e.g. ", "Dr. "), an initial
 * ("J. Smith") or inside a number ("3.5"). Citations that follow, "[1] [2]", are a part of it. */
#ifndef DV_OPERATORS_SENTENCE_H
#define DV_OPERATORS_SENTENCE_H

#include <stdbool.h>
#include <stddef.h>

/* A longer sentence is cut here, or before the character that would be. */
enum { DV_SENTENCE_MAX = 2048 };

/* How many bytes the first sentence of the text has, with the blanks behind it. `over`: nothing will follow; else 0 as long as
 * what may follow could still belong to it. 0 for an empty text. */
size_t dv_sentence_next(const char *text, size_t length, bool over);

/* The same without the blanks around it: moves *text and *length. */
void dv_sentence_trim(const char **text, size_t *length);

#endif
