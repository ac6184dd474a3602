/* SPDX-License-Identifier: Apache-2.0
 * wordpiece.h - cuts a text into the pieces that BERT's models know, as their reference tokenizer does.
 *
 * Lower case, accents stripped, words and punctuation apart, then the longest pieces of a vocabulary (Wu et al. 2016,
 * "Google's Neural Machine Translation System", section 4.1). A text is only text: "[SEP]" written in it is five
 * pieces, never the model's own mark. Bytes that are no UTF-8 are left out. Time is linear in the length. */
#ifndef DV_CONNECTORS_WORDPIECE_H
#define DV_CONNECTORS_WORDPIECE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_wordpiece;

/* A piece: its number in the vocabulary and the bytes start..end of the text it stands for. */
struct dv_piece {
    int32_t id;
    uint32_t start, end;
};

/* The numbers of the marks that a model wants around and behind a text. */
struct dv_wordpiece_marks {
    int32_t begin, end, pad, unknown; /* [CLS] [SEP] [PAD] [UNK] */
};

/* Reads a vocabulary (one piece a line, "##" before those that continue a word). DV_E_MISSING, DV_E_IO, DV_E_DATA for a
 * file that is none, DV_E_MEMORY. Close with dv_wordpiece_close(), which accepts NULL. */
DV_CHECKED dv_rc dv_wordpiece_open(const char *path, struct dv_wordpiece **ret_words, struct dv_error *error);
void dv_wordpiece_close(struct dv_wordpiece *words);

/* The same from memory; `text` is copied. */
DV_CHECKED dv_rc dv_wordpiece_parse(const char *text, size_t length, struct dv_wordpiece **ret_words,
                                    struct dv_error *error);

/* The marks of this vocabulary. */
struct dv_wordpiece_marks dv_wordpiece_marks(const struct dv_wordpiece *words);

/* Cuts text[0..length), length ≤ UINT32_MAX, into at most `max` pieces, sorted by place, no marks among them. Whole
 * words only: *ret_used (may be NULL) is how many bytes were cut, less than `length` if there was no room for more. A
 * word of more pieces than `max` is one unknown piece. Returns the number of pieces. */
size_t dv_wordpiece_cut(const struct dv_wordpiece *words, const char *text, size_t length, struct dv_piece *pieces,
                        size_t max, size_t *ret_used);

#endif
