/* SPDX-License-Identifier: Apache-2.0
 * overlap.h - refuses two aggregates that can be compared: each hides small groups, and what one shows undoes what the other hides.
 *
 * Two aggregates without noise are compared if a record can be counted in both and what each shows reaches an exit where it can be
 * read; behind an exit that is sealed, or on two outputs of one `route`, nothing can be subtracted, and rows of groups are no records.
 * A pair is unsafe if both have a column in `by` (cells of one add up to parts of the other's, in windows of any length) or in `sums`
 * (a sum that one hides is the other's total less the rest), if either hides totals with `margins`, or if a condition stands before
 * one alone or theirs are of one column (the difference is who met one alone). All other pairs have only the number of records in
 * common, which each tells by itself. */
#ifndef DV_ENGINE_OVERLAP_H
#define DV_ENGINE_OVERLAP_H

#include <stdbool.h>

struct dv_diags;
struct dv_graph;

/* Whether there is such a pair; a finding P113 at the later node of each, in `diags`. Fails closed: true if memory is short. */
bool dv_overlaps(const struct dv_graph *graph, struct dv_diags *diags);

#endif
