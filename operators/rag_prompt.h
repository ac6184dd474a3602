/* SPDX-License-Identifier: Apache-2.0
 * rag_prompt.h - what a model is asked: the question, the evidence, and what was said before, fenced as data. */
#ifndef DV_OPERATORS_RAG_PROMPT_H
#define DV_OPERATORS_RAG_PROMPT_H

#include "operators/evidence.h"

enum { DV_RAG_HISTORY_MAX = 8 * 1024 }; /* bytes of what was said before: the last lines */

/* What a model is told to do; the same for every question. */
extern const char dv_rag_instructions[];

/* The prompt, in the arena; NULL: it is full. The evidence stands between lines with a word that nobody can guess who does not
 * know `secret`, and that occurs nowhere else in it; so does what was said before, which may be empty. The same question, evidence,
 * history and secret give the same prompt. */
const char *dv_rag_prompt(struct dv_arena *arena, const char *question, size_t length, const struct dv_evidence *evidence,
                          struct dv_piece history, uint64_t secret, size_t *ret_length);

#endif
