/* SPDX-License-Identifier: Apache-2.0
 * histogram.h - counts of durations, one bucket for each power of two of nanoseconds: recording is a count-leading-zeros
 * and an add. */
#ifndef DV_ENGINE_HISTOGRAM_H
#define DV_ENGINE_HISTOGRAM_H

#include <stdint.h>

enum { DV_HISTOGRAM_BUCKETS = 40 };

/* Bucket b counts values in [2^b, 2^(b+1)) ns; the first also 0, the last also everything above. */
struct dv_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t bucket[DV_HISTOGRAM_BUCKETS];
};

/* Counts one value; a few instructions. */
static inline void dv_histogram_add(struct dv_histogram *histogram, uint64_t ns)
{
    unsigned bit = ns == 0 ? 0 : 63u - (unsigned)__builtin_clzll(ns);
    histogram->bucket[bit < DV_HISTOGRAM_BUCKETS ? bit : DV_HISTOGRAM_BUCKETS - 1]++;
    histogram->count++;
    histogram->sum_ns += ns;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

/* Counts the value 0 many times. */
static inline void dv_histogram_add_zeros(struct dv_histogram *histogram, uint64_t count)
{
    histogram->bucket[0] += count;
    histogram->count += count;
}

/* The value below which `percent` of the samples lie, as the upper end of its bucket; 0 if there are none. */
uint64_t dv_histogram_percentile(const struct dv_histogram *histogram, double percent);

#endif
