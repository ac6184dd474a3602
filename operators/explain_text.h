/* SPDX-License-Identifier: Apache-2.0
 * explain_text.h - what a model is asked about findings, and what of its answer is kept. Pure: text in, text out.
 *
 * A finding is what is told of one thing: a sentence, what to do, its figures. The model writes a text for each, which is read sentence by
 * sentence. One is kept only if the citation check (citation.h) finds all of it in that finding's evidence and nothing that stands in
 * another's alone; if each of its words that carries meaning is there, or only compares ("more"); if its names have the evidence's
 * capitals; if it says something else than the finding's own words in their order, and if nothing personal is in it. */
#ifndef DV_OPERATORS_EXPLAIN_TEXT_H
#define DV_OPERATORS_EXPLAIN_TEXT_H

#include "operators/citation.h"

struct dv_doc;
struct dv_guard;

enum {
    DV_EXPLAIN_MAX = 32, /* findings of one prompt */
    DV_EXPLANATION_MAX = 512
};
_Static_assert((int)DV_EXPLAIN_MAX <= (int)DV_CITE_CITED_MAX, "each finding can be cited");

/* How the model is to write. */
enum dv_explain_format {
    DV_EXPLAIN_JSON, /* {"1":"…","2":"…"} */
    DV_EXPLAIN_LINES /* "1. …" */
};

/* One finding: both texts as dv_cite_clean() leaves them. */
struct dv_finding {
    struct dv_piece told;     /* what the model is given; one line */
    struct dv_piece evidence; /* what it may say */
};

/* What it is asked, whatever the findings are. */
extern const char dv_explain_instructions[];

/* The prompt: the findings, numbered, as data in a fence that `secret` makes unforeseeable. NULL: the arena is full. */
const char *dv_explain_prompt(struct dv_arena *arena, const struct dv_finding *findings, uint32_t count, enum dv_explain_format format,
                              uint64_t secret, size_t *ret_length);

/* The JSON schema of an answer for `count` findings. NULL: the arena is full. */
const char *dv_explain_schema(struct dv_arena *arena, uint32_t count);

/* The texts of an answer, by findings; one that there is none for is empty. Of an answer that is not `whole` only what is
 * complete counts: whole lines, and of JSON nothing. What is given lives as long as the answer and the document. */
void dv_explain_read(struct dv_doc *doc, const char *answer, size_t length, enum dv_explain_format format, bool whole,
                     struct dv_piece ret[], uint32_t count);

/* What was kept and what was not: sentences. */
struct dv_explain_counts {
    uint64_t kept, dropped, repeated, alarms;
};

/* The index of all findings' evidence, for the check. NULL: the arena is full. */
struct dv_citation_index *dv_explain_index(struct dv_arena *arena, const struct dv_finding *findings, uint32_t count);

/* Writes what is kept of the text for finding number `at`, and gives its length; 0: nothing. `guard` blocks. */
size_t dv_explain_check(const struct dv_citation_index *index, const struct dv_finding *finding, uint32_t at, struct dv_guard *guard,
                        const struct dv_piece *text, struct dv_explain_counts *counts, char out[DV_EXPLANATION_MAX]);

#endif
