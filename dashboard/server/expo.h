/* SPDX-License-Identifier: Apache-2.0
 * expo.h - a writer of metrics in both text forms: OpenMetrics 1.0 and the Prometheus text format 0.0.4.
 *
 * A family is begun once and all its samples follow it. Times are kept in whole nanoseconds and written as exact
 * decimal seconds, so that no locale and no rounding comes between. */
#ifndef DV_DASHBOARD_EXPO_H
#define DV_DASHBOARD_EXPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dashboard/server/head.h"
#include "engine/error.h"
#include "engine/stats.h"

enum dv_expo_kind { DV_EXPO_COUNTER, DV_EXPO_GAUGE, DV_EXPO_HISTOGRAM, DV_EXPO_INFO };

/* A text under construction. When `at` would pass `end` nothing more is written and `full` is set. */
struct dv_expo {
    char *start, *at, *end;
    bool full;
    bool open_metrics;
    const char *family; /* the one that is being written */
    enum dv_expo_kind kind;
};

/* Begins an empty exposition. */
void dv_expo_init(struct dv_expo *expo, char *buffer, size_t size, bool open_metrics);

/* Begins a family. `name` is without "_total" and "_info"; `unit` is its last word ("seconds"), or NULL. Literals. */
void dv_expo_family(struct dv_expo *expo, enum dv_expo_kind kind, const char *name, const char *unit, const char *help);

/* Samples of the family. `labels` is `a="b",c="d"` of names that need no escaping, or "". */
void dv_expo_uint(struct dv_expo *expo, const char *labels, uint64_t value);
void dv_expo_float(struct dv_expo *expo, const char *labels, double value); /* finite */
void dv_expo_seconds(struct dv_expo *expo, const char *labels, uint64_t ns);
void dv_expo_histogram(struct dv_expo *expo, const char *labels, const struct dv_histogram *histogram);

/* The same with every power of two as an edge. */
void dv_expo_histogram_fine(struct dv_expo *expo, const char *labels, const struct dv_histogram *histogram);

/* Ends the text. */
void dv_expo_finish(struct dv_expo *expo);

/* Whether an Accept header (may be missing) prefers OpenMetrics to plain text. */
bool dv_expo_negotiate(struct dv_span accept);

#endif
