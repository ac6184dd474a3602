/* SPDX-License-Identifier: Apache-2.0
 * token.h - a text cut into words, numbers, marks and line ends, with what the tagger compares of each.
 *
 * Private to privacy/. A word is a run of letters with apostrophes; a number is anything with a digit in it, together with
 * the dashes, slashes, dots and colons that join its groups: "2024-03-18", "A-123-XYZ" and "10:42" are one token each. A
 * finding of the pattern layer is one token, too, whatever it holds. Blanks separate and are nowhere else seen. */
#ifndef DV_PRIVACY_TOKEN_H
#define DV_PRIVACY_TOKEN_H

#include "privacy/detect.h"

enum { DV_TOKEN_CHARS_MAX = 64 };

enum dv_token_kind { DV_TOKEN_WORD, DV_TOKEN_NUMBER, DV_TOKEN_MARK, DV_TOKEN_LINE, DV_TOKEN_FOUND };

/* Hashes are of folded characters (unicode.h), 0 where there is nothing. */
struct dv_token {
    uint32_t start, end; /* bytes of the text */
    uint32_t word;       /* hash of the whole */
    uint32_t head2, head3, tail2, tail3, tail4; /* of its first and last characters, if it has more than those */
    uint32_t shape;      /* hash of its pattern of cases and digits */
    uint16_t chars;
    uint8_t kind;        /* enum dv_token_kind */
    uint8_t found;       /* enum dv_pii, of a DV_TOKEN_FOUND */
    uint8_t lists;       /* which word lists have it, a bit each; filled by the tagger */
    bool capital;        /* begins with an upper-case letter */
    bool joined;         /* nothing stands between it and the token before */
};

/* Where cutting stands; zero-initialise all but the first four. */
struct dv_cutter {
    const unsigned char *text;
    size_t length;
    const struct dv_span *spans; /* of the pattern layer, sorted */
    size_t span_count;
    size_t at, span; /* what comes next */
};

/* The next token; false at the end. */
bool dv_token_next(struct dv_cutter *cutter, struct dv_token *token);

/* Mixes a value into a hash. Every number that the tagger compares comes from here, in training as in use. */
static inline uint32_t dv_mix(uint32_t hash, uint32_t value)
{
    uint64_t product = (uint64_t)(hash ^ value ^ 0x9E3779B9u) * 0x9FB21C651E98DF25u;
    return (uint32_t)(product >> 32) ^ (uint32_t)(product >> 11);
}

#endif
