/* SPDX-License-Identifier: Apache-2.0
 * insights_test.h - how improbable a figure is if all is as usual: tails of distributions, and false discoveries.
 *
 * Pure functions of numbers. A tail is the probability of what was seen or more, so a small one speaks against "as usual".
 * They are made of the regularized incomplete gamma and beta functions (DLMF 8.11.4, 8.9.2 and 8.17.22; the continued
 * fractions by Lentz's method as Thompson and Barnett modified it, 1986). Relative error below 1e-9 where a tail is above
 * 1e-290; what is smaller may come out as 0. Impossible arguments give 1: they speak against nothing. */
#ifndef DV_OPERATORS_INSIGHTS_TEST_H
#define DV_OPERATORS_INSIGHTS_TEST_H

#include <stdint.h>

enum { DV_TAIL_STEPS_MAX = 20000 }; /* of a series, a continued fraction or a sum */

/* P(X >= count) of a Poisson variable. */
double dv_tail_poisson(double count, double mean);

/* The same of counts that vary more than Poisson's: negative binomial with this mean and variance. A variance that is not
 * above the mean is Poisson's. */
double dv_tail_negative_binomial(double count, double mean, double variance);

/* P(X >= count) of `total` trials whose chance varies around `share` with the correlation `rho` (0: binomial), both counted
 * in whole numbers. Its sum ends after DV_TAIL_STEPS_MAX terms and takes the rest for more than it is, never for less. */
double dv_tail_beta_binomial(uint64_t count, uint64_t total, double share, double rho);

/* P(X >= x) of chi-square with `freedom` degrees of freedom. */
double dv_tail_chi_square(double x, double freedom);

/* P(|T| >= |t|) of Student's t. */
double dv_tail_student(double t, double freedom);

/* Benjamini and Hochberg (1995): q[i] is the share of false discoveries among all whose p is at most p[i]. `order` is
 * scratch memory of `count`. */
void dv_false_discovery(const double *p, double *q, uint32_t *order, uint32_t count);

/* Population stability index of two distributions over the same bins, which each sum to 1 and have no empty bin: the sum of
 * (now - before) * ln(now / before). */
double dv_stability_index(const double *before, const double *now, uint32_t bins);

#endif
