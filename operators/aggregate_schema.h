/* SPDX-License-Identifier: Apache-2.0
 * aggregate_schema.h - what an aggregate emits: its columns with their labels, and the values that fill them.
 *
 *   window_start_ms, window_end_ms   int, public
 *   the columns of `by`              class kept, aggregate(k); missing in the row of the pool
 *   total                            text, with margins: the column whose value this row is the total of, "all", or missing
 *   count                            int, of records
 *   sum_<column>                     int or float; missing where fewer than k subjects have a value
 *   p50_<column>, p99_9_<column>     float; missing where fewer than k values lie on either side
 *   other                            bool: this row pools the groups that are not shown
 *   suppressed                       int: groups of this window with fewer than k subjects; with margins, all that are hidden */
#ifndef DV_OPERATORS_AGGREGATE_SCHEMA_H
#define DV_OPERATORS_AGGREGATE_SCHEMA_H

#include "engine/operator.h"
#include "operators/aggregate_window.h"

enum { DV_AGGREGATE_QUANTILES_MAX = 8 };

/* The options of the operator and what its transfer() makes of them. */
struct dv_aggregate_spec {
    struct dv_strs by;
    struct dv_strs sums;
    const struct dv_yaml *quantiles;
    int64_t k;
    int64_t top;
    int64_t groups;
    bool margins;

    struct dv_window_plan plan;
    double q[DV_AGGREGATE_QUANTILES_MAX];
    uint32_t q_count;
    struct dv_schema *schema;
};

/* During transfer(): what the options say of columns and limits, into spec->plan and spec->q; findings as usual. */
DV_CHECKED dv_rc dv_aggregate_read(struct dv_node *node, const struct dv_shape *shape, struct dv_aggregate_spec *spec);

/* "p50_age", "p99_9_age": a point would look like a path. NULL: the arena is full. */
const char *dv_aggregate_quantile_name(struct dv_arena *arena, double q, const char *column);

/* During transfer(): fills the second half of the spec from the first; findings as usual. */
DV_CHECKED dv_rc dv_aggregate_plan(struct dv_node *node, const struct dv_shape *shape, struct dv_aggregate_spec *spec);

/* Writes what may be shown of a closed window as the rows of an empty batch: at least one, even if no group is large
 * enough. The ids are left to the caller. DV_E_MEMORY when the batch's arena is full. */
DV_CHECKED dv_rc dv_aggregate_fill(const struct dv_aggregate_spec *spec, const struct dv_window *window,
                                   struct dv_window_report report, struct dv_aggregate_span span,
                                   struct dv_batch *batch);

#endif
