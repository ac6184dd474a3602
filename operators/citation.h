/* SPDX-License-Identifier: Apache-2.0
 * citation.h - whether a sentence is borne out by the evidence that it cites. Pure: text in, a verdict out.
 *
 * A sentence is kept only if
 *   it cites: "[1]", "[1, 2]", and every number in the brackets is one of the pieces of evidence;
 *   each of its numbers, dates and percentages is in what it cites, with the same unit, sign and bound (citation_token.h);
 *   each name is: words with a capital letter, a digit or a letter beyond ASCII; names that stand together stand together there;
 *   what it has in quotes, and each address of the web, stands there word for word;
 *   it takes no word that carries meaning from a piece that it does not cite, and has half of its own from those it does.
 * What this cannot see is a sentence made of true words that says something else: a "not" that was left out, a cause that was
 * none. The evidence stands beside the answer for that.
 *
 * Sentences that stand in the cleaned evidence are always kept with its number behind them. */
#ifndef DV_OPERATORS_CITATION_H
#define DV_OPERATORS_CITATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "operators/citation_token.h"

struct dv_arena;

enum dv_citation {
    DV_CITATION_KEPT,
    DV_CITATION_EMPTY,    /* no word and no number: nothing was said */
    DV_CITATION_NONE,     /* cites nothing */
    DV_CITATION_INVENTED, /* cites what is not there */
    DV_CITATION_NUMBER,
    DV_CITATION_NAME,
    DV_CITATION_QUOTE,
    DV_CITATION_BORROWED, /* says what stands in a piece that it does not cite */
    DV_CITATION_UNLIKE,   /* says something else */
    DV_CITATION_STRANGE,  /* bytes that are no text, or characters that nobody sees */
    DV_CITATION_COUNT
};

/* A piece of evidence: text as dv_cite_clean() leaves it. */
struct dv_piece {
    const char *text;
    size_t length;
};

struct dv_citation_index;

/* Looks through `count` pieces, at most DV_CITE_CITED_MAX; the first is [1]. What is made lives in the arena. NULL: it is full. */
struct dv_citation_index *dv_citation_index(struct dv_arena *arena, const struct dv_piece *pieces, uint32_t count);

/* Judges one sentence; *ret_cited gets bit n-1 for each [n] that is there. */
enum dv_citation dv_citation_check(const struct dv_citation_index *index, const char *text, size_t length, uint32_t *ret_cited);

/* "number": a literal. */
const char *dv_citation_name(enum dv_citation verdict);

#endif
