/* SPDX-License-Identifier: Apache-2.0
 * citation_number.h - numbers in prose: what is the same number, and what stands with it. */
#ifndef DV_OPERATORS_CITATION_NUMBER_H
#define DV_OPERATORS_CITATION_NUMBER_H

#include "operators/citation_token.h"

enum { DV_CITE_RUN_MAX = 96 };

/* Letters and digits that stand together, in lower case. */
struct dv_cite_run {
    char text[DV_CITE_RUN_MAX + 1];
    size_t length;
    uint32_t uppers;
    bool first_upper, letters, digits;
    bool foreign; /* not ASCII, or a number that is no digit */
    bool long_;   /* than fits: `text` has the beginning */
};

/* Reads one at `at`; returns where it ends. */
size_t dv_cite_run_read(struct dv_cite_run *run, const char *text, size_t length, size_t at);

/* Makes a number of the token that the run is, if it is one; `prefix` is what stands before it, as "<" or "$". */
bool dv_cite_number(struct dv_cite_token *token, const struct dv_cite_run *run, const char *prefix, const char *text, size_t length);

/* The same for a token that is a mark before a number. */
void dv_cite_signed_number(struct dv_cite_token *token, const char *text, size_t length);

/* The id of what a unit or share means, as dv_unit_of() names it. */
uint64_t dv_cite_meaning(const char *means);

#endif
