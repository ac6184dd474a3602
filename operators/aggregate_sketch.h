/* SPDX-License-Identifier: Apache-2.0
 * aggregate_sketch.h - quantiles of a stream of numbers in bounded memory, with a bounded relative error.
 *
 * A sparse DDSketch (Masson, Rim, Lee 2019) with the uniform collapse of UDDSketch (Epicoco et al. 2020): bucket i
 * holds the values in (γ^(i-1), γ^i]. An answer is within 1 % of a value of that rank. When the values fill more than
 * DV_SKETCH_BUCKETS buckets, neighbours are merged and the error doubles; that takes a spread of more than 165 to 1
 * between the largest and the smallest magnitude: up to 2.7e4 to 1 the error is at most 2 %, up to 7.5e8 to 1 at most
 * 4 %. Magnitudes below 1e-9 count as zero. */
#ifndef DV_OPERATORS_AGGREGATE_SKETCH_H
#define DV_OPERATORS_AGGREGATE_SKETCH_H

#include <stdint.h>

enum { DV_SKETCH_BUCKETS = 256 };

/* A sketch; all zero is the empty one. */
struct dv_sketch {
    uint64_t count;   /* of values */
    uint32_t used;    /* buckets */
    uint32_t merges;  /* how often neighbours were merged: γ is squared each time */
    int32_t keys[DV_SKETCH_BUCKETS]; /* ascending; negative for negative values, 0 for zero */
    uint64_t counts[DV_SKETCH_BUCKETS];
};

/* Adds a finite number. */
void dv_sketch_add(struct dv_sketch *sketch, double value);

/* Adds all that `from` has seen. */
void dv_sketch_merge(struct dv_sketch *sketch, const struct dv_sketch *from);

/* The value at rank q × (count - 1), 0 ≤ q ≤ 1; of a sketch that is not empty. */
double dv_sketch_quantile(const struct dv_sketch *sketch, double q);

#endif
