/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp_answer.h - what leaves of a window: its tally with noise, and nothing exact. */
#ifndef DV_OPERATORS_AGGREGATE_DP_ANSWER_H
#define DV_OPERATORS_AGGREGATE_DP_ANSWER_H

#include "engine/error.h"

struct dv_aggregate_span;
struct dv_arena;
struct dv_batch;
struct dv_dp_plan;
struct dv_dp_tree;
struct dv_noise;
struct dv_tally;

/* Draws all noise of a closed window and writes its rows into an empty batch: one for each listed group, however few records
 * it has; of groups that were found, those whose noised number of people passes a threshold, at most `top`, the
 * largest first. One row of the window's times alone if there is none. Ids are left to the caller. DV_E_FAILED: no
 * random bits; DV_E_MEMORY: the batch's arena is full. Nothing may be shown then. */
DV_CHECKED dv_rc dv_dp_answer(const struct dv_dp_plan *plan, const struct dv_tally *tally, struct dv_noise *noise,
                              struct dv_aggregate_span span, struct dv_arena *scratch, struct dv_batch *batch);

/* Begins counts over time, one tree for each listed group. */
DV_CHECKED dv_rc dv_dp_trees_begin(const struct dv_dp_plan *plan, struct dv_dp_tree *trees);

/* The same rows, from one more step of each tree. DV_E_BUDGET: the trees have no step left. */
DV_CHECKED dv_rc dv_dp_trees_answer(const struct dv_dp_plan *plan, const struct dv_tally *tally,
                                    struct dv_dp_tree *trees, struct dv_noise *noise, struct dv_aggregate_span span,
                                    struct dv_batch *batch);

#endif
