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
struct dv_fold_begins;

/* Scratch for one thread; NULL when memory is short. */
struct dv_fold *dv_fold_new(void);

/* Wipes and frees; accepts NULL. */
void dv_fold_free(struct dv_fold *fold);

/* How words begin that say digits; it stays with the scratch. */
const struct dv_fold_begins *dv_fold_begins(const struct dv_fold *fold);

/* Whether the text, of which so much was seen at a glance (glance.h), may hold something disguised. */
bool dv_fold_wanted(const struct dv_fold *fold, const char *text, size_t length, uint32_t seen);

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

/* How such words begin: what each byte is of a word, 0 to 25 for letters; and by their first two the third ones, a bit each. */
enum { DV_FOLD_ACCENT = 26, DV_FOLD_OTHER, DV_FOLD_BLANK, DV_FOLD_LETTERS };
struct dv_fold_begins {
    uint8_t letters[256]; /* _ACCENT: 0xC3; _OTHER: of other characters; _BLANK: of no word */
    uint32_t thirds[DV_FOLD_LETTERS][DV_FOLD_LETTERS];
};
void dv_fold_begins_init(struct dv_fold_begins *begins);

/* Whether text[0] may begin such a word: most do not. */
static inline bool dv_fold_may_say(const struct dv_fold_begins *begins, const unsigned char *text, size_t length)
{
    const uint8_t *letters = begins->letters;
    uint8_t first = length > 0 ? letters[text[0]] : DV_FOLD_BLANK, second = length > 1 ? letters[text[1]] : DV_FOLD_BLANK;
    return (begins->thirds[first][second] >> (length > 2 ? letters[text[2]] : DV_FOLD_BLANK) & 1u) != 0;
}

/* Reads the letters at text[0] as such a word, whatever their case and accents. */
struct dv_said dv_fold_said(const struct dv_fold_begins *begins, const unsigned char *text, size_t length, uint32_t *ret_bytes);

/* fold_sign.c: whether the word around or right before text[at] says a digit, and the one behind it, too. It begins DV_FOLD_WORD
 * bytes before at most, or else DV_FOLD_GAP bytes behind. A number of seven such words is longer than DV_FOLD_STRIDE, so that
 * a look at every so many bytes is enough. */
enum { DV_FOLD_WORD = 9, DV_FOLD_GAP = 4, DV_FOLD_STRIDE = 16 };
bool dv_fold_says_digits(const struct dv_fold_begins *begins, const unsigned char *text, size_t length, size_t at);

/* fold_sign.c: dv_fold_wanted() */
bool dv_fold_has_signs(const struct dv_fold_begins *begins, const unsigned char *text, size_t length, uint32_t seen);

/* The characters of an address that is written out, "john (at) example dot com", from text[0] on: how many bytes it has, 0
 * if there is none. */
uint32_t dv_fold_address(const unsigned char *text, size_t length, enum dv_pii *ret_type);

#endif
