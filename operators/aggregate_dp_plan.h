/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp_plan.h - what `aggregate: { dp: … }` says, and how a window's ε is shared among its answers.
 *
 *   window_start_ms, window_end_ms   int, public
 *   the columns of `by`              class kept, noised(ε); their values are listed, or chosen by a noised count
 *   count                            int
 *   sum_<column>, mean_<column>      float
 *   hist_<column>_0, _1, …           int: values below the first edge, from there to below the second, …
 *   p50_<column>, p99_9_<column>     float: the middle of the bin that holds it; int columns of at most 256 values: exact */
#ifndef DV_OPERATORS_AGGREGATE_DP_PLAN_H
#define DV_OPERATORS_AGGREGATE_DP_PLAN_H

#include "engine/operator.h"
#include "operators/aggregate_dp_tally.h"

struct dv_aggregate_spec;

enum { DV_DP_PLAN_QUANTILES_MAX = 8 };

enum dv_when_spent { DV_WHEN_SPENT_STOP, DV_WHEN_SPENT_DROP };

/* The options below `dp:`, and what transfer() makes of them. */
struct dv_dp_plan {
    double epsilon, delta;
    int64_t groups_per_subject, records_per_subject, subjects;
    const struct dv_yaml *groups;
    struct dv_strs means;
    const struct dv_yaml *histogram;
    bool continual;
    int64_t period_ms;
    int when_spent;

    const char *dataset; /* of the account */
    int64_t window_ms;
    struct dv_tally_plan tally;
    struct dv_cell (*listed)[DV_TALLY_BY_MAX];
    uint32_t listed_count;
    struct dv_ratio quantiles[DV_DP_PLAN_QUANTILES_MAX];
    uint32_t quantile_count;
    uint32_t top; /* rows of an open window */
    int64_t epsilon_nano;
    int64_t part_nano;     /* of each answer */
    int64_t test_nano;     /* of looking whether the table was full; 0: it is taken to be */
    int64_t test_margin;   /* places that must be left, with noise */
    double choice_delta;   /* of choosing groups */
    uint32_t steps;        /* of a tree */
    struct dv_schema *schema;
};

/* During transfer(): reads the tree `dp` of the node and fills the plan, from what `spec` says about columns; findings as
 * usual. */
DV_CHECKED dv_rc dv_dp_plan(struct dv_node *node, const struct dv_shape *shape, const struct dv_yaml *dp,
                            const struct dv_aggregate_spec *spec, int64_t window_ms, struct dv_dp_plan *plan);

/* How many parts a window's ε has. */
uint32_t dv_dp_plan_parts(const struct dv_dp_plan *plan);

/* The groups that the option `groups` lists, or a column's type does. False after a finding. (aggregate_dp_groups.c) */
bool dv_dp_plan_groups(struct dv_node *node, struct dv_dp_plan *plan);

#endif
