/* SPDX-License-Identifier: Apache-2.0
 * citation_glyph.h - one character as the citation check sees it. */
#ifndef DV_OPERATORS_CITATION_GLYPH_H
#define DV_OPERATORS_CITATION_GLYPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dv_glyph_kind {
    DV_GLYPH_END,
    DV_GLYPH_BLANK,
    DV_GLYPH_LETTER,
    DV_GLYPH_DIGIT,
    DV_GLYPH_SIGN,    /* a number that is no digit: a half, a circled or a raised one */
    DV_GLYPH_MARK,
    DV_GLYPH_STRANGE, /* not UTF-8, not seen, or nobody's */
};

/* A character. `code` is that of ASCII for digits of any script, dashes, quotes and full-width forms; '\n' for all line ends. */
struct dv_glyph {
    enum dv_glyph_kind kind;
    uint32_t code;
    uint32_t bytes;
    bool upper;
};

/* The character at `at`. */
struct dv_glyph dv_glyph_at(const char *text, size_t length, size_t at);

/* Whether it may be in a word or a number. */
static inline bool dv_glyph_in_word(const struct dv_glyph *glyph)
{
    return glyph->kind == DV_GLYPH_LETTER || glyph->kind == DV_GLYPH_DIGIT || glyph->kind == DV_GLYPH_SIGN;
}

/* The lower case of a letter's code point. */
uint32_t dv_glyph_lower(uint32_t code);

#endif
