/* SPDX-License-Identifier: Apache-2.0
 * wordpiece_char.h - what BERT's reference normalizer makes of one character.
 *
 * Private to connectors/. Characters come from libutf8proc's tables. */
#ifndef DV_CONNECTORS_WORDPIECE_CHAR_H
#define DV_CONNECTORS_WORDPIECE_CHAR_H

#include <stdint.h>

/* What stands for a character in a word. */
enum dv_piece_kind {
    DV_PIECE_NOTHING, /* control characters, accents alone */
    DV_PIECE_BLANK,   /* between words */
    DV_PIECE_LETTER,  /* part of a word */
    DV_PIECE_ALONE,   /* punctuation and ideographs: a word of its own */
};

enum { DV_PIECE_CODES_MAX = 4 };

/* A character as it was normalized: its kind and code points (none for NOTHING and BLANK). */
struct dv_piece_char {
    enum dv_piece_kind kind;
    uint32_t count;
    int32_t codes[DV_PIECE_CODES_MAX];
};

/* Normalizes the code point: NFD without its accents, lower case. */
struct dv_piece_char dv_piece_char(int32_t code);

#endif
