/* SPDX-License-Identifier: Apache-2.0
 * fold.h - undoes what hides personal data from patterns: characters that only look like those of ASCII, digits spelled
 * out, "john at example dot com", "j o h n @ …".
 *
 * A text is looked at for signs of such a thing first, in one pass that costs clean text next to nothing. If there are any,
 * its folded form is written window by window beside a map of where each byte came from, patterns look at that, and what
 * they find is told in bytes of the text as it stands, whole characters each. Time is linear, memory is fixed. */
#ifndef DV_PRIVACY_FOLD_H
#define DV_PRIVACY_FOLD_H

#include "privacy/detect.h"

struct dv_fold;

/* Scratch for one thread; NULL when memory is short. */
struct dv_fold *dv_fold_new(void);

/* Wipes and frees; accepts NULL. */
void dv_fold_free(struct dv_fold *fold);

/* Whether the text may hold something disguised. */
bool dv_fold_wanted(const char *text, size_t length);

/* Finds what is personal in the folded form of text[0..length), length ≤ UINT32_MAX. Gives the spans, sorted, apart, in
 * bytes of the text; they stay until the next call. If there are too many, the last covers the rest. */
const struct dv_span *dv_fold_find(struct dv_fold *fold, const struct dv_detector *detector, const char *text, size_t length,
                                   size_t *ret_count);

/* fold_char.c: what a code point stands for: the ASCII characters to write, at most as many as its UTF-8 has bytes, and
 * their number; 0: it is not seen and goes; -1: it stands for itself. */
int dv_fold_char(uint32_t code, unsigned char ascii[4]);

/* A word that says digits, or how often the next one is said. */
enum dv_said_kind { DV_SAID_NONE, DV_SAID_DIGIT, DV_SAID_TEN, DV_SAID_TEENS, DV_SAID_REPEAT };
struct dv_said {
    enum dv_said_kind kind;
    uint8_t value; /* the digit; the tens; what follows the 1 of a teen; how often */
};

/* fold_word.c: reads the letters at text[0] as such a word, whatever their case and accents. */
struct dv_said dv_fold_said(const unsigned char *text, size_t length, uint32_t *ret_bytes);

/* The characters of an address that is written out, "john (at) example dot com", from text[0] on: how many bytes it has, 0
 * if there is none. */
uint32_t dv_fold_address(const unsigned char *text, size_t length, enum dv_pii *ret_type);

#endif
