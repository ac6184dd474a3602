/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp_answer.h - what leaves of a window: its tally with noise, and nothing exact. */
#ifndef DV_OPERATORS_AGGREGATE_DP_ANSWER_H
#define DV_OPERATORS_AGGREGATE_DP_ANSWER_H

#include "engine/batch.h"
#include "engine/error.h"
#include "operators/aggregate_window.h"

struct dv_dp_plan;
struct dv_dp_tree;
struct dv_noise;
struct dv_tally;
struct dv_tally_group;

/* A group that is shown, with what its people were counted to be. */
struct dv_dp_chosen {
    const struct dv_tally_group *group;
    int64_t people;
};

/* An answer being written. The largest takes hundreds of milliseconds, so it is written a part at a time. */
struct dv_dp_draft {
    const struct dv_dp_plan *plan;
    const struct dv_tally *tally; /* which must not change meanwhile */
    struct dv_noise *noise;
    struct dv_aggregate_span span;
    struct dv_batch *batch;
    uint32_t factor;    /* 2: the table of people may have been full; 0: that was not asked yet */
    uint32_t looked_at; /* places of groups that may have been found */
    struct dv_dp_chosen chosen[DV_BATCH_ROWS];
    uint32_t count; /* of those */
    uint32_t row;   /* the next */
};

/* Begins to answer for a closed window into an empty batch: one row for each listed group, however few records it has; of
 * groups that were found, those whose noised number of people passes a threshold, at most `top`, the largest first. One
 * row of the window's times alone if there is none. Ids are left to the caller. */
void dv_dp_draft_begin(struct dv_dp_draft *draft, const struct dv_dp_plan *plan, const struct dv_tally *tally,
                       struct dv_noise *noise, struct dv_aggregate_span span, struct dv_batch *batch);

/* Draws the noise of a part of it, about a millisecond's work. DV_HOLD: there is more to do, and the batch still has no
 * rows. DV_E_FAILED: no random bits; DV_E_MEMORY: the batch's arena is full. Nothing may be shown then. */
DV_CHECKED dv_rc dv_dp_draft_go_on(struct dv_dp_draft *draft);

/* Begins counts over time, one tree for each listed group. */
DV_CHECKED dv_rc dv_dp_trees_begin(const struct dv_dp_plan *plan, struct dv_dp_tree *trees);

/* The same rows, from one more step of each tree. DV_E_BUDGET: the trees have no step left. */
DV_CHECKED dv_rc dv_dp_trees_answer(const struct dv_dp_plan *plan, const struct dv_tally *tally,
                                    struct dv_dp_tree *trees, struct dv_noise *noise, struct dv_aggregate_span span,
                                    struct dv_batch *batch);

#endif
