/* SPDX-License-Identifier: Apache-2.0
 * answer.h - an answer while it grows: text goes in as it comes, and only sentences come out that are complete, borne out by what
 * they cite, and hold nothing personal.
 *
 * Whoever writes it - the extractor, a model, a liar - is not trusted. What may leave is in `first` and on; nothing else is. */
#ifndef DV_OPERATORS_ANSWER_H
#define DV_OPERATORS_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "operators/citation.h"
#include "operators/sentence.h"

struct dv_evidence;
struct dv_guard;

#define DV_ANSWER_UNCOVERED "This is not covered by what you may see."
#define DV_ANSWER_NONE "No answer could be made."

enum dv_answer_status { DV_ANSWER_OPEN, DV_ANSWER_ANSWERED, DV_ANSWER_PARTIAL, DV_ANSWER_REFUSED, DV_ANSWER_FAILED };

/* How the writing ended. */
enum dv_answer_end {
    DV_ANSWER_COMPLETE,
    DV_ANSWER_CUT,      /* there would have been more: what is complete stands */
    DV_ANSWER_WITHDRAWN /* none of it is to be used */
};

/* A sentence that may leave. */
struct dv_answer_sentence {
    const char *text;
    size_t length;
    uint32_t cited;
    struct dv_answer_sentence *next;
};

struct dv_answer {
    struct dv_arena *arena;
    const struct dv_evidence *evidence;
    struct dv_citation_index *index;
    struct dv_guard *guard;
    struct dv_answer_sentence *first, *last;
    enum dv_answer_status status; /* OPEN until the end */
    const char *reason;           /* a literal, or NULL */
    uint32_t kept, dropped;
    uint32_t dropped_for[DV_CITATION_COUNT];
    uint32_t alarms; /* sentences with personal data; they are dropped, too */
    uint32_t cited;  /* by all that were kept */
    size_t pending_length;
    char pending[2 * DV_SENTENCE_MAX];
};

/* Begins an answer; all that is given must stay as long as it does. `guard` blocks, and may serve others between calls.
 * DV_E_MEMORY. */
DV_CHECKED dv_rc dv_answer_begin(struct dv_answer *answer, struct dv_arena *arena, const struct dv_evidence *evidence,
                                 struct dv_guard *guard);

/* More of its text. */
void dv_answer_text(struct dv_answer *answer, const char *bytes, size_t length);

/* One sentence as a whole. */
void dv_answer_sentence(struct dv_answer *answer, const char *text, size_t length);

/* It is over; why, if it is not complete: a literal. Once; the text that is no sentence yet counts only if it is complete. */
void dv_answer_over(struct dv_answer *answer, enum dv_answer_end end, const char *reason);

/* It is refused before anything was written. */
void dv_answer_refuse(struct dv_answer *answer, const char *reason);

/* "answered": a literal. */
const char *dv_answer_status_name(enum dv_answer_status status);

#endif
