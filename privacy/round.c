/* SPDX-License-Identifier: Apache-2.0
 * round.c - numbers to the nearest multiple. */
#include <math.h>

#include "privacy/generalize.h"

static const double number_max = 9007199254740992.0; /* 2^53: whole numbers are exact up to here */

dv_rc dv_round_int(int64_t to, int64_t number, int64_t *ret)
{
    DV_ASSERT(to >= 1);
    if (number > (int64_t)number_max || number < -(int64_t)number_max)
        return DV_E_DATA;
    int64_t rest = number % to;
    int64_t low = number - rest;
    int64_t size = rest < 0 ? -rest : rest;
    *ret = size < to - size ? low : rest < 0 ? low - to : low + to;
    return DV_OK;
}

dv_rc dv_round_float(int64_t to, double number, double *ret)
{
    DV_ASSERT(to >= 1);
    if (!isfinite(number) || fabs(number) > number_max)
        return DV_E_DATA;
    *ret = round(number / (double)to) * (double)to;
    return DV_OK;
}
