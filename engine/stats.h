/* SPDX-License-Identifier: Apache-2.0
 * stats.h - what the runner counts for each node and edge; operators have no metrics code, but may
 * show figures of their own. */
#ifndef DV_ENGINE_STATS_H
#define DV_ENGINE_STATS_H

#include <stdint.h>

#include "engine/error.h"
#include "engine/histogram.h"

/* Types that an exit's guard can count. */
enum { DV_GUARDED_MAX = 32 };

/* A node's counters since the start. */
struct dv_node_stats {
    uint64_t batches_in, records_in;
    uint64_t batches_out, records_out;
    uint64_t rejected;                  /* records sent to the dead letters */
    uint64_t rejected_for[DV_RC_COUNT]; /* of these, by the code */
    uint64_t guarded[DV_GUARDED_MAX];   /* findings of its guard, by type */
    uint64_t retries;                   /* batches tried again after a RETRY error */
    uint64_t withheld;                  /* answers kept back: the privacy budget is spent */
    uint64_t left_out;                  /* records that no answer counts: a share used up, no room */
    uint64_t stalls;                    /* times it was ready but an output had no slot or no credit was left */
    uint64_t held;                      /* batches it holds now */
    uint64_t queued;                    /* batches waiting in its edge now */
    uint64_t busy_ns;                   /* time inside process() */
    struct dv_histogram process;        /* of one process() call */
    struct dv_histogram wait;           /* time a batch waited in the edge */
    struct dv_histogram hold;           /* time from HOLD to dv_finish() */
};

/* A figure that an operator shows by its gauge(). It is about many records and never a value of one. */
struct dv_gauge {
    const char *name; /* a literal of [a-z_] */
    double value;
};

#endif
