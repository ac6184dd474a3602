/* SPDX-License-Identifier: Apache-2.0
 * unicode.h - code points out of bytes that may be anything, their class, and the form in which words are compared.
 *
 * Coarse on purpose: what a reader would call a letter, a digit or neither. Folding makes one of the ways to write a
 * word: lower case, without the accents of Latin letters, ASCII for full-width forms. No locale, no tables to load. */
#ifndef DV_PRIVACY_UNICODE_H
#define DV_PRIVACY_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* What a code point is. */
enum dv_char_class {
    DV_CHAR_SPACE,
    DV_CHAR_NEWLINE,
    DV_CHAR_DIGIT,
    DV_CHAR_UPPER,
    DV_CHAR_LOWER,
    DV_CHAR_LETTER, /* of a script without cases */
    DV_CHAR_PUNCT,
    DV_CHAR_IGNORED, /* zero-width characters, soft hyphens, combining marks: part of the word they stand in */
};

/* The code point at text[0], length ≥ 1; *ret_bytes ≥ 1. A byte that begins no valid UTF-8 is U+FFFD of one byte. */
uint32_t dv_char_decode(const unsigned char *text, size_t length, uint32_t *ret_bytes);

/* The class of a code point. */
enum dv_char_class dv_char_class(uint32_t code);

/* The code point in folded form. */
uint32_t dv_char_fold(uint32_t code);

#endif
