/* SPDX-License-Identifier: Apache-2.0
 * detect_walk.h - one walk over the marks of a text, for a text that is whole and for one that goes on.
 *
 * Private to privacy/. */
#ifndef DV_PRIVACY_DETECT_WALK_H
#define DV_PRIVACY_DETECT_WALK_H

#include "privacy/detect_rows.h"
#include "privacy/glance.h"

/* A window overlaps the next by one word, so that the digits after a mark are always known. */
enum { DV_WALK_WORDS = 64, DV_WALK_BYTES = DV_WALK_WORDS * 64, DV_WALK_STEP = DV_WALK_BYTES - 64 };

enum { DV_SURE_SCORE = 900 };

/* One call of dv_detect() or dv_detect_open(). */
struct dv_walk {
    const struct dv_detector *detector;
    const struct dv_glance *glance; /* NULL: nobody asks what is seen on the way */
    uint32_t seen;
    struct dv_span *spans;
    size_t count, max;
    uint32_t covered_end; /* marks before it lie in a finding */
    struct dv_candidate candidate;
    bool past_end; /* a verifier looked there */
    bool open;     /* the text goes on */
    bool stuck;    /* open: a mark was met that only what follows can decide */
    uint32_t next;  /* open: that mark; all before it are decided */
    uint32_t reach; /* open: where the earliest span can begin that is not decided */
    uint64_t digits[DV_WALK_WORDS + 1];
    uint64_t marks[DV_WALK_WORDS + 1];
};

/* Prepares all but `digits` and `marks`. */
void dv_walk_init(struct dv_walk *walk, const struct dv_detector *detector, const char *text, uint32_t length,
                  struct dv_span *spans, size_t max);

/* Asks about every mark from `from` on. */
void dv_walk_text(struct dv_walk *walk, uint32_t from);

/* Takes a finding in; the one before it may become a part of it. */
void dv_walk_accept(struct dv_walk *walk, struct dv_span *found);

/* Whether the surroundings of the candidate can satisfy the row. */
static inline bool dv_row_fits(const struct dv_detector_row *row, const struct dv_candidate *candidate, bool after_letter)
{
    if (candidate->digits_near < row->digits_min || candidate->marks_near < row->marks_min)
        return false;
    return after_letter || !row->after_letter;
}

/* Whether the row finds something of a type that is wanted. */
static inline bool dv_row_finds(const struct dv_walk *walk, const struct dv_detector_row *row, struct dv_span *found)
{
    return row->verify(&walk->candidate, found) && (walk->detector->types_off >> found->type & 1u) == 0;
}

/* detect_open.c: a mark of a text that goes on. */
void dv_walk_open_digit(struct dv_walk *walk);
void dv_walk_open_mark(struct dv_walk *walk, enum dv_trigger trigger);

#endif
