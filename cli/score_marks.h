/* SPDX-License-Identifier: Apache-2.0
 * score_marks.h - what is marked as personal data in a text, in one form for people and programs, so that they can be
 * compared: without titles and marks around it, one mark for a name of several words, and none inside another. */
#ifndef DV_CLI_SCORE_MARKS_H
#define DV_CLI_SCORE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DV_SCORE_TYPES = 12, DV_SCORE_NONE = -1 };

/* A mark: the code points start..end (end excluded). */
struct dv_mark {
    int64_t start, end;
    const char *type; /* NUL-terminated */
    int core;         /* its number among the types that are scored, or DV_SCORE_NONE */
    double score;     /* 0 if none was given */
    uint32_t order;   /* the place it came at */
};

/* A text as code points. */
struct dv_letters {
    const uint32_t *codes;
    uint32_t count;
};

/* The name of a type that is scored, 0..DV_SCORE_TYPES-1. */
const char *dv_score_type(int core);

/* Gives a mark its type by name; other names of a type that is scored are known, too. The name must stay. */
void dv_mark_name(struct dv_mark *mark, const char *type);

/* Each of these works in place and returns how many marks are left. */
size_t dv_marks_scored(struct dv_mark *marks, size_t count); /* those of types that are scored */
size_t dv_marks_best(struct dv_mark *marks, size_t count);   /* of those at one place the one with the highest score */
size_t dv_marks_tidy(const struct dv_letters *text, struct dv_mark *marks, size_t count); /* trimmed, sorted, joined */
size_t dv_marks_outer(struct dv_mark *marks, size_t count); /* after tidying: none inside another */

/* Sorts by place, then by type: a total order of different marks. */
int dv_mark_compare(const void *a, const void *b);

/* Whether a code point is a letter or a digit, of any script. */
bool dv_is_letter_or_digit(uint32_t code);

#endif
