/* SPDX-License-Identifier: Apache-2.0
 * recognizer.h - the thorough mode: what a model that labels pieces of words sees where the finders saw nothing.
 *
 * The model is asked only about parts with words the finders wonder about, and only for people and places: numbers and
 * addresses of the net have patterns and checksums, which are better at them. A label counts when the model is almost
 * sure that a word is something; then the whole word is covered. The model itself is the caller's: here are the two ends
 * of a question, its choice and its answer. */
#ifndef DV_PRIVACY_RECOGNIZER_H
#define DV_PRIVACY_RECOGNIZER_H

#include <stdbool.h>

#include "engine/error.h"
#include "privacy/detect.h"

struct dv_tagger;

enum { DV_RECOGNIZER_LABELS_MAX = 64, DV_RECOGNIZER_SURE = 900 /* in thousandths */ };

/* The labels of a model, in their order: the kind of each, DV_PII_OTHER for those that are left to the patterns. */
struct dv_recognizer {
    uint32_t count;
    uint8_t types[DV_RECOGNIZER_LABELS_MAX];
};

/* A piece of a word and the floats the model gave it, one for each label; label 0 is "nothing". */
struct dv_recognized {
    uint32_t start, end; /* bytes of the text */
    const float *logits;
};

/* Reads the labels, one a line ("O", "B-GIVEN_NAME", ...). DV_E_DATA if the first is not "O", or there are too many. */
DV_CHECKED dv_rc dv_recognizer_init(struct dv_recognizer *recognizer, const char *text, size_t length);

/* Whether text[from..to) has a word outside the spans that is not one of every day: worth a question. */
bool dv_recognizer_wonders(const struct dv_tagger *tagger, const char *text, uint32_t from, uint32_t to,
                           const struct dv_span *spans, size_t count);

/* Adds what the model is sure of to spans[0..count), which stay as they are: sorted and apart, at most `max` together.
 * Returns their number. */
size_t dv_recognizer_add(const struct dv_recognizer *recognizer, const char *text, size_t length,
                         const struct dv_recognized *pieces, size_t piece_count, struct dv_span *spans, size_t count,
                         size_t max);

#endif
