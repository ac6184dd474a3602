/* SPDX-License-Identifier: Apache-2.0
 * score.h - how well personal data was found: what was found beside what is marked, counted over documents.
 *
 * Letters and digits count, nothing else. *Leak* is the share of personal ones that nothing covers, *over-redaction* the
 * share of the others that something covers. Marks of a type that is not scored (a company, an age) are neutral:
 * to cover them is neither right nor wrong. Strict: the same place and type; overlap: the same type, some of the place. */
#ifndef DV_CLI_SCORE_H
#define DV_CLI_SCORE_H

#include <stdint.h>

#include "cli/score_marks.h"
#include "engine/error.h"

enum { DV_SCORE_NAME_BYTES = 64 };

/* The counts of one type. */
struct dv_score_type {
    uint64_t marked, strict, overlap, covered;       /* marks of the gold, and those of them that were found */
    uint64_t found, found_strict, found_overlap, found_any; /* what was found, and how much of it is right */
    uint64_t chars, chars_covered, chars_typed, chars_over, chars_found;
};

/* The counts of some documents; zero-initialised. */
struct dv_score {
    uint64_t docs, docs_personal, docs_personal_clean;
    uint64_t chars, personal, covered, others, over; /* letters and digits */
    struct dv_score_type types[DV_SCORE_TYPES];
};

/* Marks of one document; the array is the caller's and is changed. */
struct dv_marks {
    struct dv_mark *items;
    size_t count;
};

/* Counts one document in both scores. DV_E_MEMORY: nothing was counted. */
DV_CHECKED dv_rc dv_score_add(struct dv_score *all, struct dv_score *source, const struct dv_letters *text, struct dv_marks gold,
                              struct dv_marks found);

/* Adds the counts of one type to another's. */
void dv_score_add_type(struct dv_score_type *all, const struct dv_score_type *more);

/* Documents of one source. */
struct dv_score_source {
    char name[DV_SCORE_NAME_BYTES]; /* NUL-terminated; a longer one is cut */
    struct dv_score score;
};

/* The table for people on standard output: a part for all, and a line for each source. */
void dv_score_print(const struct dv_score *score, const char *name, const struct dv_score_source *sources, size_t source_count);

/* The same figures as an object on standard output; `missing`: documents without an answer. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_score_print_json(const struct dv_score *score, uint64_t missing, const struct dv_score_source *sources,
                                     size_t source_count);

#endif
