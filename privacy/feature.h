/* SPDX-License-Identifier: Apache-2.0
 * feature.h - what the tagger sees of a token: itself, its neighbours, its line, the lists it is in.
 *
 * Private to privacy/ and to the tool that trains the tagger. */
#ifndef DV_PRIVACY_FEATURE_H
#define DV_PRIVACY_FEATURE_H

#include "privacy/token.h"

enum { DV_FEATURES_MAX = 64 };

/* Word lists a token can be in, a bit each. */
enum dv_list {
    DV_LIST_FIRST_NAME = 1,
    DV_LIST_LAST_NAME = 2,
    DV_LIST_PLACE = 4,
    DV_LIST_COMMON = 8, /* a word of every day, or of medicine, that is no name */
    DV_LIST_TITLE = 16,
    DV_LIST_STREET = 32,
    DV_LIST_CALENDAR = 64,
    DV_LIST_ORGANISATION = 128,
};

/* What a token's line tells of it; filled by dv_lines_read(). */
struct dv_line_sight {
    uint32_t key1, key2; /* the last word, and the last two, before the last ':' or '=' of the line, or of a line that ends so */
    uint8_t since_key;   /* tokens since then, at most 15 */
    bool first, last;    /* in its line */
    bool loud;           /* the line's letters are all capitals */
};

/* Tokens in a row, with their lines. */
struct dv_sentence {
    const struct dv_token *tokens;
    const struct dv_line_sight *lines;
    uint32_t count;
};

/* Fills `lines` for the tokens. */
void dv_lines_read(const struct dv_token *tokens, uint32_t count, struct dv_line_sight *lines);

/* The features of token `at`; returns how many. */
uint32_t dv_features(const struct dv_sentence *sentence, uint32_t at, uint32_t features[DV_FEATURES_MAX]);

#endif
