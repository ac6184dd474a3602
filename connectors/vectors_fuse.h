/* SPDX-License-Identifier: Apache-2.0
 * vectors_fuse.h - two ranked lists as one: reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009).
 *
 * What is at rank r of a list gets 1 / (60 + r) from it; who is high in both comes first. Equal scores go by the rank by
 * cosine, then by the number, so that the same lists always give the same order. */
#ifndef DV_CONNECTORS_VECTORS_FUSE_H
#define DV_CONNECTORS_VECTORS_FUSE_H

#include <stddef.h>
#include <stdint.h>

#include "connectors/vectors.h"

enum { DV_FUSE_K = 60, DV_FUSED_MAX = 2 * DV_VECTORS_RANKED_MAX };

/* One of the joined list. Ranks begin with 1; 0: it is not in that list. */
struct dv_fused {
    int64_t number;
    uint32_t vector_rank, lexical_rank;
    double score; /* 1: first in every list that was asked */
};

/* Joins near[0..near_count) and words[0..words_count), numbers of texts, each list best first and without repetition, of at
 * most DV_VECTORS_RANKED_MAX; `lists`: how many were asked. Returns how many there are. */
size_t dv_vectors_fuse(const int64_t *near, size_t near_count, const int64_t *words, size_t words_count, unsigned lists,
                       struct dv_fused fused[DV_FUSED_MAX]);

#endif
