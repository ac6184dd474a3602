/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp.h - `op: aggregate` with `dp:`: windows of noised answers, each charged to an account before it leaves.
 *
 * Windows end by the clock alone, empty ones too: that nothing is said would say something. At the end of a window its ε is
 * charged, off the loop; only when the charge is durable is noise drawn, a part of it at each turn of the loop, and the
 * batch sent, so that no crash, wherever it comes, releases what was not charged. What comes meanwhile waits. A window that
 * a stop, a reload or the end of the input ends early costs as much as a whole one. */
#ifndef DV_OPERATORS_AGGREGATE_DP_H
#define DV_OPERATORS_AGGREGATE_DP_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_aggregate_dp;
struct dv_aggregate_spec;
struct dv_batch;
struct dv_dp_plan;
struct dv_node;
struct dv_shape;
struct dv_spending;
struct dv_yaml;

/* During transfer(): reads the tree below `dp` and makes the plan, in the graph's arena; NULL after findings. */
const struct dv_dp_plan *dv_aggregate_dp_transfer(struct dv_node *node, struct dv_shape *shape, const struct dv_yaml *dp,
                                                  const struct dv_aggregate_spec *spec, int64_t window_ms);

/* What the plan costs. */
void dv_aggregate_dp_spends(const struct dv_dp_plan *plan, struct dv_spending *ret);

/* The functions of a node that has a plan. *ret is in the node's arena, and may be set after an error: close it. */
DV_CHECKED dv_rc dv_aggregate_dp_open(struct dv_node *node, const struct dv_dp_plan *plan, struct dv_aggregate_dp **ret);
DV_CHECKED dv_rc dv_aggregate_dp_process(struct dv_aggregate_dp *dp, struct dv_batch *batch);
const char *dv_aggregate_dp_waits(const struct dv_aggregate_dp *dp);

/* Accepts NULL. */
void dv_aggregate_dp_close(struct dv_aggregate_dp *dp);

#endif
