/* SPDX-License-Identifier: Apache-2.0
 * stats.c - percentiles of a histogram of powers of two. */
#include "engine/stats.h"

#include "engine/error.h"

/* The number of samples that must lie at or below the percentile: rounded up, and at least one. */
static uint64_t rank_of(uint64_t count, double percent)
{
    double exact = (double)count * percent / 100.0;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact)
        rank++;
    if (rank == 0)
        rank = 1;
    return rank < count ? rank : count;
}

uint64_t dv_histogram_percentile(const struct dv_histogram *histogram, double percent)
{
    DV_ASSERT(percent >= 0.0 && percent <= 100.0);
    if (histogram->count == 0)
        return 0;
    uint64_t rank = rank_of(histogram->count, percent);
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < DV_HISTOGRAM_BUCKETS - 1; bucket++) {
        seen += histogram->bucket[bucket];
        uint64_t upper = (uint64_t)2 << bucket;
        /* No sample lies above the greatest one, so the tighter of both ends is as true and says more. */
        if (seen >= rank)
            return upper < histogram->max_ns ? upper : histogram->max_ns;
    }
    return histogram->max_ns;
}
