/* SPDX-License-Identifier: Apache-2.0
 * dp.h - differentially private answers about groups: counts, sums, means, histograms, quantiles, counts over time.
 *
 * Two data sets are neighbours if one has the records of one more person, of whom at most `contributions` records count.
 * An answer of ε tells any two neighbours apart by a factor of at most exp(ε). ε is an integer of billionths everywhere
 * (`epsilon_nano`), so that what is spent adds up exactly. Noise is made by dp_sample.h and joins integers: numbers are
 * clamped and counted in steps of a power of two first (struct dv_dp_range). What is done with doubles is done to an
 * answer that is private already.
 *
 * Of each function: DV_E_LIMIT for parameters out of its bounds, DV_E_FAILED when there are no random bits; nothing is
 * given back then. Answers are not clamped to what is possible: a noised count can be negative. */
#ifndef DV_PRIVACY_DP_H
#define DV_PRIVACY_DP_H

#include "privacy/dp_sample.h"

enum {
    DV_DP_NANO = 1000000000,
    DV_DP_EPSILON_MIN = 1000000, /* 0.001, in billionths */
    DV_DP_BINS_MAX = 4096,
    DV_DP_LEVELS_MAX = 32,
    DV_DP_RANGE_BITS = 20,
    DV_DP_QUANTILE_MAX = 1000,
};

#define DV_DP_EPSILON_MAX INT64_C(100000000000) /* 100, in billionths */
#define DV_DP_SENSITIVITY_MAX (UINT64_C(1) << 32)

/* ---- what is spent ---- */

/* "0.5" becomes 500000000: digits with at most nine behind a point, and nothing else. False: no such number, or one that
 * does not fit. */
bool dv_dp_nano(const char *text, int64_t *ret);

/* a + b, both ≥ 0; INT64_MAX if that does not fit: what is spent never wraps. */
int64_t dv_dp_spend(int64_t a, int64_t b);

/* Zero-concentrated privacy (Bun and Steinke 2016), ρ in billionths; of several answers the ρ add up. All rounding is to
 * the side that claims less privacy. 0 < delta < 1. */

/* What an answer of pure ε costs: ε²/2. */
int64_t dv_dp_rho_of_pure(int64_t epsilon_nano);

/* The ε that ρ comes to at `delta`: ρ + 2 √(ρ ln(1/δ)). INT64_MAX if it does not fit. */
int64_t dv_dp_epsilon_of_rho(int64_t rho_nano, double delta);

/* The most ρ that stays within ε at `delta`; may be 0. */
int64_t dv_dp_rho_within(int64_t epsilon_nano, double delta);

/* ---- integers ---- */

/* Adds discrete Laplace noise of scale sensitivity/ε: ε-private if one person changes `value` by at most `sensitivity`,
 * 1..DV_DP_SENSITIVITY_MAX. A result that would not fit stays at the end of the integers. */
DV_CHECKED dv_rc dv_dp_laplace(struct dv_noise *noise, int64_t value, uint64_t sensitivity, int64_t epsilon_nano,
                               int64_t *ret);

/* Adds discrete Gaussian noise of variance sensitivity²/(2ρ), rounded up: ρ-concentrated. Deviations < 2^25. */
DV_CHECKED dv_rc dv_dp_gaussian(struct dv_noise *noise, int64_t value, uint64_t sensitivity, int64_t rho_nano,
                                int64_t *ret);

/* Noise for `count` bins that share no record: one ε for all of them together. */
DV_CHECKED dv_rc dv_dp_histogram(struct dv_noise *noise, const int64_t *bins, uint32_t count, uint32_t contributions,
                                 int64_t epsilon_nano, int64_t *ret);

/* ---- numbers ---- */

/* The values that a number may have, in whole steps: the greatest magnitude is at most 2^DV_DP_RANGE_BITS steps. */
struct dv_dp_range {
    int exponent; /* a step is 2^exponent */
    int64_t low, high;
};

/* A range from the schema's `min` and `max`; false unless they are finite, min < max, and steps can tell them apart. */
bool dv_dp_range(double min, double max, struct dv_dp_range *ret);

/* A value in steps, clamped; what is no number counts as the lowest. Add these up for a sum. */
int64_t dv_dp_steps(const struct dv_dp_range *range, double value);

/* The number that so many steps are. */
double dv_dp_number(const struct dv_dp_range *range, int64_t steps);

/* A sum of steps, noised, as a number. */
DV_CHECKED dv_rc dv_dp_sum(struct dv_noise *noise, const struct dv_dp_range *range, int64_t steps,
                           uint32_t contributions, int64_t epsilon_nano, double *ret);

/* A mean, from the sum of steps and how many values there are, below 2^40: half of ε for the distance of the sum from
 * the middle of the range, half for the count. Within the range whatever the noise. */
DV_CHECKED dv_rc dv_dp_mean(struct dv_noise *noise, const struct dv_dp_range *range, int64_t steps, int64_t count,
                            uint32_t contributions, int64_t epsilon_nano, double *ret);

/* The bin that holds quantile over/under of the values that `bins` count (each ≥ 0, all below 2^40 together), under ≤
 * DV_DP_QUANTILE_MAX, count ≤ DV_DP_BINS_MAX. By permute-and-flip (McKenna and Sheldon 2020), which is never worse than
 * the exponential mechanism and needs coins of exp(-γ) only. */
DV_CHECKED dv_rc dv_dp_quantile(struct dv_noise *noise, const int64_t *bins, uint32_t count, struct dv_ratio quantile,
                                uint32_t contributions, int64_t epsilon_nano, uint32_t *ret);

/* ---- a count that is shown again and again ---- */

/* The binary mechanism of Chan, Shi and Song (2011): after each step the count of all steps so far. ε covers all
 * `steps_max` answers together, with noise that grows with the logarithm of their number only. */
struct dv_dp_tree {
    uint32_t levels, step, steps_max;
    uint32_t contributions;
    int64_t epsilon_nano;
    int64_t exact[DV_DP_LEVELS_MAX], noised[DV_DP_LEVELS_MAX];
};

/* Begins; a person has at most `contributions` records in all steps together. steps_max < 2^31. DV_E_LIMIT as above. */
DV_CHECKED dv_rc dv_dp_tree_begin(struct dv_dp_tree *tree, uint32_t steps_max, uint32_t contributions,
                                  int64_t epsilon_nano);

/* The next step had `count` records, 0..2^32: the noised count of all steps. DV_E_BUDGET behind the last step; after any
 * error the tree answers no more. */
DV_CHECKED dv_rc dv_dp_tree_next(struct dv_dp_tree *tree, struct dv_noise *noise, int64_t count, int64_t *ret);

#endif
