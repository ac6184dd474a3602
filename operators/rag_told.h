/* SPDX-License-Identifier: Apache-2.0
 * rag_told.h - reads what insights_say.c writes: which group a finding is about, what it finds, of which window, what to do. */
#ifndef DV_OPERATORS_RAG_TOLD_H
#define DV_OPERATORS_RAG_TOLD_H

#include "operators/citation.h"

enum dv_rag_told_kind { DV_TOLD_OTHER, DV_TOLD_RISES, DV_TOLD_STRAYS, DV_TOLD_SHIFTS, DV_TOLD_LEADS, DV_TOLD_KINDS };

/* Pieces of a text; what it does not say has length 0. */
struct dv_rag_told {
    enum dv_rag_told_kind kind;
    struct dv_piece group;   /* whom it is about; of a shift none */
    struct dv_piece measure; /* what strays */
    struct dv_piece of;      /* the columns that groups are made of */
    struct dv_piece finding, advice;
    uint32_t rank;           /* of what leads, from 1 */
    int64_t start_ms, end_ms; /* of the window; both 0: it is not told */
};

/* False: it is not such a text, and `ret` is all zero. */
bool dv_rag_told_read(struct dv_rag_told *ret, const char *text, size_t length);

#endif
