/* SPDX-License-Identifier: Apache-2.0
 * progress.h - one line on a terminal that tells how a long run goes, and a summary at its end. */
#ifndef DV_CLI_PROGRESS_H
#define DV_CLI_PROGRESS_H

#include "engine/graph.h"
#include "engine/loop.h"

/* A progress line; nothing is printed unless standard error is a terminal. */
struct dv_progress {
    const struct dv_graph *graph;
    struct dv_loop *loop;
    struct dv_timer timer;
    uint64_t started_ns;
    uint64_t expected;    /* records that will come, or 0: not known */
    uint64_t input_bytes; /* size of standard input if it is a file, else 0 */
    bool shown;
};

/* What all nodes together did. */
struct dv_totals {
    uint64_t in;       /* records that sources sent on, and those they rejected */
    uint64_t rejected; /* records that went to the dead letters */
    uint64_t out;      /* records that sinks took */
};

/* Adds up the counters of all nodes. */
struct dv_totals dv_totals_of(const struct dv_graph *graph);

/* Begins; `quiet`: never prints. Close before the loop ends. */
void dv_progress_start(struct dv_progress *progress, const struct dv_graph *graph, struct dv_loop *loop, bool quiet);
void dv_progress_close(struct dv_progress *progress);

/* "1,000,000 records in, 999,998 out, 2 rejected, 3.1 s" on standard error, or as JSON. */
void dv_progress_summary(const struct dv_progress *progress, bool json);

#endif
