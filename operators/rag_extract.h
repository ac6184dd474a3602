/* SPDX-License-Identifier: Apache-2.0
 * rag_extract.h - an answer without a model: the sentences of the evidence that say most about the question, each with its
 * citation. The same question and evidence give the same answer. */
#ifndef DV_OPERATORS_RAG_EXTRACT_H
#define DV_OPERATORS_RAG_EXTRACT_H

#include "operators/answer.h"

/* Writes at most `sentences_max` sentences, the best first, and ends the answer. */
void dv_rag_extract(struct dv_answer *answer, const char *question, size_t length, uint32_t sentences_max);

#endif
