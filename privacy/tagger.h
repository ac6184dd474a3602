/* SPDX-License-Identifier: Apache-2.0
 * tagger.h - finds names, places, dates and whatever else has no pattern of its own, by its look and its company.
 *
 * A linear-chain conditional random field (Lafferty, McCallum, Pereira 2001) over the tokens of a text: each token has
 * some forty features (feature.c), each feature a row of 31 weights, one for each label; the best row of labels is found
 * by Viterbi's algorithm. Training is offline (tools/train_tagger.py) and leaves one table of bytes, checked when it is
 * opened; the features are made by the same C code there and here. Time is linear in the length. */
#ifndef DV_PRIVACY_TAGGER_H
#define DV_PRIVACY_TAGGER_H

#include "engine/error.h"
#include "privacy/detect.h"

enum {
    DV_LABELS = 31,       /* O, then B- and I- of 15 types */
    DV_LABEL_ROOM = 32,
    DV_SENTENCE_MAX = 1024, /* tokens that are tagged at a time */
};

/* The weights of a feature, one for each label: a cache line. */
struct dv_tagger_row {
    int16_t weights[DV_LABEL_ROOM];
};

/* The table, opened: a view of bytes that must stay. Read-only, may be shared. */
struct dv_tagger {
    const struct dv_tagger_row *rows;
    const struct dv_tagger_slot *slots;
    const uint32_t *list_words;
    const uint8_t *list_bits;
    uint32_t row_count, slot_mask, list_mask;
    int32_t transitions[DV_LABEL_ROOM][DV_LABEL_ROOM]; /* [from][to] */
    int32_t outside_bias; /* taken from O: what trades missed names for harmless words */
    uint32_t version;
};

/* Opens a table. DV_E_DATA if it is none, of another version, or not whole. */
DV_CHECKED dv_rc dv_tagger_open(struct dv_tagger *tagger, const void *table, size_t length);

/* The table that the program carries. */
const void *dv_tagger_table(size_t *ret_length);

/* Opens that table. It is read-only like the code around it and the unit tests open it with every check, so that only its
 * header is looked at here: a start costs no reading of megabytes, and pages that no text needs stay on the disk. */
void dv_tagger_open_own(struct dv_tagger *tagger);

struct dv_token;
struct dv_tagger_room;

/* The word lists a token is in: bits of feature.h. */
uint8_t dv_tagger_lists(const struct dv_tagger *tagger, const struct dv_token *token);

/* Scratch for one thread; NULL when memory is short. */
struct dv_tagger_room *dv_tagger_room_new(void);
void dv_tagger_room_free(struct dv_tagger_room *room);

/* What is known of a text before it is tagged; both sorted. */
struct dv_known {
    const struct dv_span *found; /* stays covered, whatever the tagger thinks */
    size_t found_count;
    const struct dv_span *plain; /* is nobody's: the tagger guesses nothing there */
    size_t plain_count;
};

/* Tags text[0..length), length ≤ UINT32_MAX. Writes at most `max` spans, sorted, apart from each other; past `max` the rest
 * of the text is covered, as by dv_detect(). Returns their number. */
size_t dv_tag(const struct dv_tagger *tagger, struct dv_tagger_room *room, const char *text, size_t length,
              const struct dv_known *known, struct dv_span *spans, size_t max);

#endif
