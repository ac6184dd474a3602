/* SPDX-License-Identifier: Apache-2.0
 * stats.h - what the runner counts for each node and edge; operators have no metrics code.
 *
 * Histograms have one bucket per power of two of nanoseconds, so recording is a count-leading-zeros and an add. */
#ifndef DV_ENGINE_STATS_H
#define DV_ENGINE_STATS_H

#include <stdint.h>

#include "engine/error.h"

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

/* A node's counters since the start. */
struct dv_node_stats {
    uint64_t batches_in, records_in;
    uint64_t batches_out, records_out;
    uint64_t rejected;      /* records sent to the dead letters */
    uint64_t rejected_for[DV_RC_COUNT]; /* of these, by the code */
    uint64_t retries;       /* batches tried again after a RETRY error */
    uint64_t stalls;        /* times it was ready but an output had no slot or no credit was left */
    uint64_t held;          /* batches it holds now */
    uint64_t queued;        /* batches waiting in its edge now */
    uint64_t busy_ns;       /* time inside process() */
    struct dv_histogram process; /* of one process() call */
    struct dv_histogram wait;    /* time a batch waited in the edge */
    struct dv_histogram hold;    /* time from HOLD to dv_finish() */
};

#endif
