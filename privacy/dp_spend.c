/* SPDX-License-Identifier: Apache-2.0
 * dp_spend.c - the arithmetic of what is spent, in integers, and between ε and ρ, rounded to the careful side. */
#include <math.h>

#include "privacy/dp.h"

/* A double this far from the true value is what the formulas below may give; far more than they do. */
static const double slack = 1e-12;

enum { NANO_DIGITS = 9 };

/* Appends a digit; false if the number does not fit. */
static bool push(int64_t *number, char digit)
{
    return digit >= '0' && digit <= '9' && !__builtin_mul_overflow(*number, 10, number) &&
           !__builtin_add_overflow(*number, digit - '0', number);
}

bool dv_dp_nano(const char *text, int64_t *ret)
{
    int64_t number = 0;
    int decimals = 0;
    const char *at = text;
    for (; *at != '\0' && *at != '.'; at++)
        if (!push(&number, *at))
            return false;
    if (at == text || (*at == '.' && at[1] == '\0'))
        return false;
    if (*at == '.')
        for (at++; *at != '\0'; at++, decimals++)
            if (decimals == NANO_DIGITS || !push(&number, *at))
                return false;
    for (; decimals < NANO_DIGITS; decimals++)
        if (!push(&number, '0'))
            return false;
    *ret = number;
    return true;
}

int64_t dv_dp_spend(int64_t a, int64_t b)
{
    int64_t sum = 0;
    DV_ASSERT(a >= 0 && b >= 0);
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

int64_t dv_dp_rho_of_pure(int64_t epsilon_nano)
{
    DV_ASSERT(epsilon_nano >= 0);
    dv_wide doubled = (dv_wide)2 * DV_DP_NANO;
    dv_wide rho = ((dv_wide)epsilon_nano * (dv_wide)epsilon_nano + doubled - 1) / doubled;
    return rho < INT64_MAX ? (int64_t)rho : INT64_MAX;
}

int64_t dv_dp_epsilon_of_rho(int64_t rho_nano, double delta)
{
    DV_ASSERT(rho_nano >= 0 && delta > 0 && delta < 1);
    double rho = (double)rho_nano / DV_DP_NANO;
    double epsilon = rho + 2 * sqrt(rho * -log(delta));
    double nano = ceil(epsilon * (1 + slack) * DV_DP_NANO);
    return nano < 0x1p62 ? (int64_t)nano : INT64_MAX;
}

/* √ρ solves x² + 2x√L = ε, with L = ln(1/δ); written so that no two near numbers are subtracted. */
int64_t dv_dp_rho_within(int64_t epsilon_nano, double delta)
{
    DV_ASSERT(epsilon_nano >= 0 && delta > 0 && delta < 1);
    double epsilon = (double)epsilon_nano / DV_DP_NANO;
    double length = -log(delta);
    double root = epsilon / (sqrt(length) + sqrt(length + epsilon));
    int64_t rho = (int64_t)floor(root * root * DV_DP_NANO);
    while (rho > 0 && dv_dp_epsilon_of_rho(rho, delta) > epsilon_nano)
        rho--;
    return rho;
}
