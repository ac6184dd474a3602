/* SPDX-License-Identifier: Apache-2.0
 * insights_test.c - incomplete gamma and beta functions, and the tails that they give. */
#include "operators/insights_test.h"

#include <math.h>
#include <stdlib.h>

static const double exact_enough = 1e-15;
static const double nearly_zero = 1e-300;

/* ln of the gamma function; lgamma() would write to a global. */
static double ln_gamma(double x)
{
    int sign = 0;
    return lgamma_r(x, &sign);
}

/* P(a, x) by its series, good for x < a + 1. */
static double gamma_series(double a, double x)
{
    double term = 1 / a;
    double sum = term;
    for (int n = 1; n <= DV_TAIL_STEPS_MAX && term > sum * exact_enough; n++) {
        term *= x / (a + n);
        sum += term;
    }
    return sum * exp(a * log(x) - x - ln_gamma(a));
}

/* Q(a, x) = 1 - P(a, x) by its continued fraction, good for x >= a + 1. */
static double gamma_fraction(double a, double x)
{
    double b = x + 1 - a;
    double c = 1 / nearly_zero;
    double d = 1 / b;
    double product = d;
    double step = 0;
    for (int n = 1; n <= DV_TAIL_STEPS_MAX && fabs(step - 1) > exact_enough; n++) {
        double numerator = -n * (n - a);
        b += 2;
        d = numerator * d + b;
        c = b + numerator / c;
        d = 1 / (fabs(d) < nearly_zero ? nearly_zero : d);
        c = fabs(c) < nearly_zero ? nearly_zero : c;
        step = d * c;
        product *= step;
    }
    return product * exp(a * log(x) - x - ln_gamma(a));
}

static double gamma_lower(double a, double x)
{
    if (x <= 0)
        return 0;
    return x < a + 1 ? gamma_series(a, x) : 1 - gamma_fraction(a, x);
}

static double gamma_upper(double a, double x)
{
    if (x <= 0)
        return 1;
    return x < a + 1 ? 1 - gamma_series(a, x) : gamma_fraction(a, x);
}

/* One step of Lentz's method. */
static double lentz(double numerator, double *c, double *d)
{
    *d = 1 + numerator * *d;
    *c = 1 + numerator / *c;
    *d = 1 / (fabs(*d) < nearly_zero ? nearly_zero : *d);
    *c = fabs(*c) < nearly_zero ? nearly_zero : *c;
    return *c * *d;
}

static double beta_fraction(double a, double b, double x)
{
    double c = 1;
    double d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < nearly_zero ? nearly_zero : d);
    double product = d;
    double step = 0;
    for (int m = 1; m <= DV_TAIL_STEPS_MAX && fabs(step - 1) > exact_enough; m++) {
        product *= lentz(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), &c, &d);
        step = lentz(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), &c, &d);
        product *= step;
    }
    return product;
}

/* I_x(a, b); `y` is 1 - x, told apart because it may be the smaller one. */
static double beta_lower(double a, double b, double x, double y)
{
    if (x <= 0 || y <= 0)
        return x <= 0 ? 0 : 1;
    double front = exp(ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

static double probability(double value)
{
    return value >= 0 && value <= 1 ? value : value < 0 ? 0 : 1;
}

double dv_tail_poisson(double count, double mean)
{
    if (!(count > 0) || !(mean >= 0))
        return 1;
    return probability(gamma_lower(count, mean));
}

double dv_tail_negative_binomial(double count, double mean, double variance)
{
    if (!(count > 0) || !(mean > 0))
        return mean == 0 && count > 0 ? 0 : 1;
    if (!(variance > mean * (1 + 1e-9)))
        return dv_tail_poisson(count, mean);
    double size = mean * mean / (variance - mean);
    double x = mean / (mean + size);
    return probability(beta_lower(count, size, x, size / (mean + size)));
}

/* The probabilities from `count` up, each by the one before it: P(x + 1) / P(x) is rational. */
static double beta_binomial_sum(double count, double total, double a, double b)
{
    double term = exp(ln_gamma(total + 1) - ln_gamma(count + 1) - ln_gamma(total - count + 1) + ln_gamma(count + a) +
                      ln_gamma(total - count + b) - ln_gamma(total + a + b) + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b));
    double sum = term;
    double x = count;
    for (int n = 0; n < DV_TAIL_STEPS_MAX && x < total && term > sum * exact_enough; n++) {
        term *= (total - x) / (x + 1) * (x + a) / (total - x - 1 + b);
        x += 1;
        sum += term;
    }
    return x < total && term > sum * exact_enough ? sum + term * (total - x) : sum;
}

double dv_tail_beta_binomial(uint64_t count, uint64_t total, double share, double rho)
{
    if (count == 0 || count > total || !(share > 0 && share < 1))
        return 1;
    if (!(rho > 1e-12))
        return probability(beta_lower((double)count, (double)(total - count) + 1, share, 1 - share));
    double trials = 1 / fmin(rho, 1 - 1e-9) - 1;
    double a = share * trials;
    double b = (1 - share) * trials;
    if ((double)count > share * (double)total)
        return probability(beta_binomial_sum((double)count, (double)total, a, b));
    return probability(1 - beta_binomial_sum((double)(total - count + 1), (double)total, b, a));
}

double dv_tail_chi_square(double x, double freedom)
{
    return x > 0 && freedom > 0 ? probability(gamma_upper(freedom / 2, x / 2)) : 1;
}

double dv_tail_student(double t, double freedom)
{
    if (isnan(t) || !(freedom > 0))
        return 1;
    double sum = freedom + t * t;
    return isinf(sum) ? 0 : probability(beta_lower(freedom / 2, 0.5, freedom / sum, t * t / sum));
}

static int by_p(const void *a, const void *b, void *data)
{
    const double *p = data;
    double first = p[*(const uint32_t *)a];
    double second = p[*(const uint32_t *)b];
    return (first > second) - (first < second);
}

void dv_false_discovery(const double *p, double *q, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof *order, by_p, (void *)(uintptr_t)p);
    double least = 1;
    for (uint32_t rank = count; rank > 0; rank--) {
        least = fmin(least, p[order[rank - 1]] * count / rank);
        q[order[rank - 1]] = least;
    }
}

double dv_stability_index(const double *before, const double *now, uint32_t bins)
{
    double sum = 0;
    for (uint32_t i = 0; i < bins; i++)
        sum += (now[i] - before[i]) * log(now[i] / before[i]);
    return sum;
}
