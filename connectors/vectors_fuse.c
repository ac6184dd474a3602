/* SPDX-License-Identifier: Apache-2.0
 * vectors_fuse.c - joins ranks. */
#include "connectors/vectors_fuse.h"

#include <stdlib.h>

static double part(uint32_t rank)
{
    return rank != 0 ? 1.0 / (DV_FUSE_K + (double)rank) : 0;
}

static uint32_t late(uint32_t rank)
{
    return rank != 0 ? rank : UINT32_MAX;
}

static int better_first(const void *a, const void *b)
{
    const struct dv_fused *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->vector_rank != y->vector_rank)
        return late(x->vector_rank) < late(y->vector_rank) ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static struct dv_fused *find(struct dv_fused *fused, size_t count, int64_t number)
{
    for (size_t i = 0; i < count; i++)
        if (fused[i].number == number)
            return &fused[i];
    return NULL;
}

size_t dv_vectors_fuse(const int64_t *near, size_t near_count, const int64_t *words, size_t words_count, unsigned lists,
                       struct dv_fused fused[DV_FUSED_MAX])
{
    size_t count = 0;
    DV_ASSERT(near_count <= DV_VECTORS_RANKED_MAX && words_count <= DV_VECTORS_RANKED_MAX && lists >= 1);
    for (size_t i = 0; i < near_count; i++)
        fused[count++] = (struct dv_fused){ .number = near[i], .vector_rank = (uint32_t)i + 1 };
    for (size_t i = 0; i < words_count; i++) {
        struct dv_fused *found = find(fused, near_count, words[i]);
        if (found == NULL) {
            found = &fused[count++];
            *found = (struct dv_fused){ .number = words[i] };
        }
        found->lexical_rank = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < count; i++)
        fused[i].score = (part(fused[i].vector_rank) + part(fused[i].lexical_rank)) * (DV_FUSE_K + 1) / lists;
    qsort(fused, count, sizeof *fused, better_first);
    return count;
}
